"""The amount and its currency: which column, how it is written, in which unit, which sign payments have."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.drafts.currency import choose_currency
from ringfence.adapters.drafts.money import MOST, decimals_of, is_exponential
from ringfence.adapters.drafts.roles import amount_points
from ringfence.adapters.drafts.units import finer_parts, scaled
from ringfence.events.values.currencies import CURRENCY_EXPONENT
from ringfence.events.values.currency_names import code_of_sign
from ringfence.events.values.visible import visible, western
from ringfence.ports.mappings import Question

if TYPE_CHECKING:
    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.money import AmountStyle
    from ringfence.adapters.drafts.sample import Column

_OUT: Final = frozenset(
    """debit dr d dbit af soll s debe debito out outgoing ausgang sent payment purchase
""".split()  # noqa: SIM905
)
_IN: Final = frozenset(
    """credit cr c crdt bij haben h haber credito in incoming eingang received refund
""".split()  # noqa: SIM905
)
_NO_PAYMENT: Final = frozenset(
    """refund refunded refunds chargeback chargebacks reversal reversed reversals dispute disputes payout
    payouts fee fees adjustment adjustments void voided return returned correction payback cashback topup
    settlement storno gutschrift erstattung rueckerstattung rückerstattung remboursement reembolso
    devolucion devolución rimborso terugbetaling cancellation cancelled canceled estorno devolução devolucao
    zwrot zwroty avoir annulation anulación anulacion anulacja anulowanie annullo retour iade återbetalning
""".split()  # noqa: SIM905
)
_POINTED: Final = frozenset({"INR", "JPY", "CNY", "KRW", "GBP"})
"""Currencies before whose cents nobody writes a comma."""
_MOST_KINDS: Final = 20
_MINOR_MEDIAN: Final = 500
_FEWEST_FRAUDS: Final = 3
_SOME_FRAUD: Final = 0.2  # of the share among all rows


def choose_amount(desk: DraftDesk) -> None:
    """Fills `amount` and `currency`, or leaves them out with a remark."""
    if "amount" not in desk.answers and _two_columns(desk):
        return
    column = desk.best("amount", amount_points)
    money = column.money if column else None
    if column is None or money is None:
        said = "no column seems to be the amount: amount is missing"
        numbers = [one.name for one in desk.left.values() if one.money and not one.moments][:6]
        hint = f"; {', '.join(numbers)} hold numbers: --answer amount=COLUMN" if numbers else ""
        objects = [
            one.name for one in desk.left.values() if one.texts and all(map(_is_object, one.texts[:50]))
        ]
        if objects:
            hint += (
                f"; {objects[0]} holds JSON in its cells, which a mapping does not look into: export its "
                "members as columns, or the whole as JSON"
            )
        desk.plan.remarks.append(said + hint)
        return
    currency = choose_currency(desk, column, money)
    source: dict[str, Any] = {"column": column.name}
    source |= _marks(desk, column, money)
    if units := scaled(desk, column, currency):
        source |= units
    elif _is_minor(desk, column, money, currency):
        source["unit"] = "minor"
    finer_parts(desk, column)
    source |= _signs(desk, column, money)
    desk.plan.fields["amount"] = source if len(source) > 1 else column.name
    if "unit" not in source:
        _cut(desk, column, source.get("decimal", "."))
    _kinds(desk)
    if money.share < 1:
        desk.plan.remarks.append(
            f"{column.name} holds values that are no amounts: those go to the quarantine"
        )


def _is_object(text: str) -> bool:
    return text.strip().startswith(("{", "[{")) and text.strip().endswith(("}", "}]"))


def _cut(desk: DraftDesk, column: Column, decimal: str) -> None:
    """Says where amounts have more decimals than are kept, and where a spreadsheet may have cut some."""
    exponential = next((text for text in column.different if is_exponential(text)), None)
    if exponential is not None:
        desk.plan.remarks.append(
            f"{column.name} holds amounts with an exponent ({exponential}): read as they stand; what a "
            "spreadsheet has rounded before is lost"
        )
    source = desk.plan.fields.get("currency")
    fixed = source.get("constant") if isinstance(source, dict) else None
    given = source.get("column") if isinstance(source, dict) else source
    codes = desk.sample.columns.get(given) if given else None
    finer: list[tuple[str, str]] = []
    for row in range(column.rows):
        value = column.at(row)
        code = visible(str((codes.at(row) if codes else fixed) or "")).upper()
        code = code_of_sign(code) or code
        text = f"{value:.6f}" if isinstance(value, float) else str(value or "")  # no digits of a float's own
        if decimals_of(text, decimal) > CURRENCY_EXPONENT.get(code, 2):
            finer.append((text, code))
    if finer:
        shown, code = finer[0]
        kept = CURRENCY_EXPONENT.get(code, 2)
        said = (
            f"{code} keeps {kept}" if code
            else f"{kept} are kept without a currency: name one with more, --answer currency=KWD for example"
        )  # fmt: skip
        desk.plan.remarks.append(
            f"{len(finer)} of {column.rows} amounts of {column.name} have more decimals than are kept, as "
            f"{shown}: they are rounded, a half to even ({said})"
        )


def _marks(desk: DraftDesk, column: Column, money: AmountStyle) -> dict[str, Any]:
    decimal, thousands = money.decimal, money.thousands
    pointed = bool(money.signs) and money.signs <= _POINTED
    if money.unclear and pointed:
        decimal, thousands = ".", ","
    elif money.unclear:
        marks = (decimal, thousands or decimal)
        texts = [western(text, ".", ",") for text in column.different]
        shown = next((text for text in texts if any(mark in text for mark in marks)), texts[0])
        mark = "," if "," in shown else "."
        with_mark = "comma" if mark == "," else "point"
        as_decimal, as_thousands = (
            f"the {with_mark} stands before decimals",
            f"the {with_mark} parts thousands",
        )
        first, second = (
            (("decimals", as_decimal), ("thousands", as_thousands))
            if decimal == mark
            else (("thousands", as_thousands), ("decimals", as_decimal))
        )
        given = desk.ask(
            Question(
                "amount_mark",
                f"{column.name} has three digits after each {with_mark}, {shown} for one",
                (first[0], second[0]),
                (first[1], second[1]),
            )
        )
        other = "." if mark == "," else ","
        decimal, thousands = (mark, None) if given == "decimals" else (other, mark)
    out: dict[str, Any] = {}
    if decimal == ",":
        out["decimal"] = ","
        if thousands not in (None, "."):
            out["thousands"] = thousands
    elif thousands is not None:
        out["thousands"] = thousands
    return out


def _is_minor(desk: DraftDesk, column: Column, money: AmountStyle, currency: str | None) -> bool:
    """Whether the amounts are whole cents: by name, by the API's habits, or as answered."""
    digits = CURRENCY_EXPONENT.get(currency or "", 2)
    if "minor" in column.meanings:
        return True
    exact = not any(map(is_exponential, column.different))
    if not money.whole or not digits or money.thousands is not None or money.signs or not exact:
        return False
    api = column.natural and (
        "value" in column.meanings or any(map(_as_apis_have, desk.sample.columns.values()))
    )
    padded = all(len(text) >= 8 and text.isdigit() for text in column.different[:50])
    likely = (
        padded or (api and money.median >= _MINOR_MEDIAN) or (money.prices and money.median >= _MINOR_MEDIAN)
    )
    if not likely and money.median < _MINOR_MEDIAN:
        return False
    answers = ("minor", "major") if likely else ("major", "minor")
    shown = column.different[0]
    bare = shown.replace(",", "")
    major = f"{Decimal(bare) / 100:,.2f}" if bare.isdecimal() else ""
    words = {"minor": f"whole cents, {shown} is {major}", "major": f"as written, {shown} is {shown}.00"}
    given = desk.ask(
        Question(
            "unit",
            f"{column.name} has no decimals at all: it may be in cents",
            answers,
            tuple(words[one] for one in answers),
        )
    )
    return given == "minor"


def _as_apis_have(column: Column) -> bool:
    """Times as whole numbers and currencies in small letters: APIs with amounts in cents write them so."""
    epoch = column.natural and column.moments is not None and column.moments.form.startswith("epoch")
    return epoch or ("currency" in column.meanings and any(text.islower() for text in column.different[:1]))


def _signs(desk: DraftDesk, column: Column, money: AmountStyle) -> dict[str, Any]:
    """Which rows are payments: by a column that says debit or credit, or by the sign of most."""
    way = _direction(desk)
    if way is not None:
        return {"sign": "any"} if money.negative else {}
    if not money.negative:
        _credited(desk, column)
        return {}
    mostly = money.negative > 0.5
    share = money.negative if mostly else 1 - money.negative
    others = "income" if mostly else "corrections"
    said = (
        f"{column.name}: {share:.0%} of the amounts are {'below' if mostly else 'above'} zero. Those are "
        f"taken as payments, the others (refunds, payouts, {others}) are skipped"
    )
    given = desk.ask(
        Question(
            "sign",
            said,
            ("negative", "positive", "any") if mostly else ("positive", "negative", "any"),
            ("amounts below zero", "amounts above zero", "all") if mostly
            else ("amounts above zero", "amounts below zero", "all"),
        )
    )  # fmt: skip
    if given == "any":
        return {"sign": "any"}
    return {"sign": given, "other_sign": "skip"}


def _credited(desk: DraftDesk, column: Column) -> None:
    """Says where only some amounts are marked, as credits: on a card's statement they are refunds."""
    marked = [text for text in column.texts if re.search(r"\d\s?\(?cr\.?\)?\s?$", text, re.IGNORECASE)]
    if marked and len(marked) < len(column.texts):
        desk.plan.remarks.append(
            f"{len(marked)} of {len(column.texts)} amounts of {column.name} are marked as credits, as "
            f"{marked[0]}: they are taken as payments like the others; if they are refunds, take those rows "
            "out, or export a column that tells debits from credits"
        )


def _direction(desk: DraftDesk) -> str | None:
    """A column that says which rows are debits and which credits: credits are skipped, or as answered."""
    for name, column in desk.left.items():
        if {str(column.at(row)).strip() for row in range(column.rows)} == {"+", "-"}:
            words = {"-": "debit", "+": "credit"}
        else:
            words = {text: text.strip().lower() for text in column.different[:10]}
        out = [text for text, word in words.items() if word in _OUT]
        back = [text for text, word in words.items() if word in _IN]
        if len(words) > 4 or not words or len(out) + len(back) < len(words) or column.money:
            continue
        if not out or not back or "card" in column.meanings or _pays(desk, column, back):
            continue
        desk.take(name)
        given = desk.ask(
            Question(
                "payments",
                f"{name} tells {', '.join(out)} from {', '.join(back)}",
                ("debit", "credit", "both"),
                (f"{', '.join(out)} are payments, the others are skipped",
                 f"{', '.join(back)} are payments, the others are skipped", "all are payments"),
            )
        )  # fmt: skip
        skipped = {"debit": back, "credit": out, "both": []}[given]
        if skipped:
            desk.plan.top.setdefault("skip", {})[name] = skipped
        return name
    return None


def _kinds(desk: DraftDesk) -> None:
    """A column of types that names refunds and the like beside payments: skipped, or as answered."""
    if "skip" in desk.plan.top:
        return
    for name, column in desk.left.items():
        if "type" not in column.meanings or not 1 < len(column.different) <= _MOST_KINDS:
            continue
        others = [
            text for text in column.different if _NO_PAYMENT & set(re.findall(r"[^\W\d_]+", text.lower()))
        ]
        if not others or len(others) == len(column.different):
            continue
        given = desk.ask(
            Question(
                "payments",
                f"{name} names {', '.join(others)} beside payments",
                ("payments", "all"),
                (f"rows of {', '.join(others)} are skipped", "all are payments"),
            )
        )
        if given == "payments":
            desk.plan.top.setdefault("skip", {})[name] = others
        return


def _pays(desk: DraftDesk, column: Column, back: list[str]) -> bool:
    """Whether rows with these values are labelled fraud, too: then they are payments, by credit card say."""
    told_by = desk.plan.label or {}
    label = desk.sample.columns.get(str(told_by.get("column")))
    if label is None:
        return False
    fraud = [str(word).lower() for word in told_by.get("fraud", ("1", "true", "yes", "1.0"))]
    told = [str(label.at(row)).strip().lower() in fraud for row in range(column.rows)]
    there = [str(column.at(row)) in back for row in range(column.rows)]
    both = sum(one and other for one, other in zip(told, there, strict=True))
    return both >= _FEWEST_FRAUDS and both / sum(there) >= _SOME_FRAUD * sum(told) / column.rows


def _side(column: Column, meaning: str, words: frozenset[str]) -> frozenset[str] | None:
    """What else a column's name means where it names this side: "Money Out", "debit amount"; else None."""
    if meaning in column.meanings:
        return column.meanings - {meaning, "money", "amount"}
    telling = words & set(column.words)
    return column.meanings - {"money", "amount"} if len(telling) == 1 and len(column.words) > 1 else None


def _two_columns(desk: DraftDesk) -> bool:
    """Debits and credits in columns of their own."""
    pairs = [
        (one, two)
        for one in desk.left.values()
        for two in desk.left.values()
        if _side(one, "debit", _OUT) is not None
        and _side(one, "debit", _OUT) == _side(two, "credit", _IN)
        and not one.meanings & {"net", "card", "id", "balance", "limit", "date"}
        and (one.money or not one.texts) and (two.money or not two.texts) and (one.texts or two.texts)
    ]  # fmt: skip
    if not pairs:
        return False
    debit, credit = pairs[0]
    both = sum(_filled(debit.at(row)) and _filled(credit.at(row)) for row in range(debit.rows))
    if both > 0.05 * debit.rows:
        return False
    desk.take(debit.name), desk.take(credit.name)
    given = desk.ask(
        Question(
            "payments",
            f"amounts stand in {debit.name} or in {credit.name}",
            ("debit", "credit"),
            (f"{debit.name} holds the payments, rows of the other are skipped",
             f"{credit.name} holds the payments, rows of the other are skipped"),
        )
    )  # fmt: skip
    source: dict[str, Any] = {"credit": credit.name, "debit": debit.name}
    if given == "debit" and debit.money is not None and debit.money.negative > MOST:
        # Both sides would come out above zero: rows without a debit are refused then.
        source = {"column": debit.name} | _marks(desk, debit, debit.money)
        desk.plan.fields["amount"] = source | {"sign": "negative", "other_sign": "skip"}
        desk.plan.remarks.append(
            f"{debit.name} holds amounts below zero, so that no mapping can tell {credit.name} from it: rows "
            f"without a value in {debit.name} go to the quarantine"
        )
        choose_currency(desk, debit, debit.money)
        return True
    money = (debit.money if given == "debit" else credit.money) or debit.money or credit.money
    if money is not None:
        source |= _marks(desk, debit if debit.money is money else credit, money)
    source |= {"sign": "negative" if given == "debit" else "positive", "other_sign": "skip"}
    desk.plan.fields["amount"] = source
    choose_currency(desk, debit if given == "debit" else credit, money)
    return True


def _filled(value: Any) -> bool:
    text = "" if value is None else str(value).strip()
    return bool(text) and text.strip("0.,") != ""
