"""Which currency amounts are in: a column of codes, signs or names, the amount itself, or its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ringfence.adapters.drafts.roles import currency_points
from ringfence.events.values.currencies import EVERY_CURRENCY as CURRENCIES
from ringfence.events.values.currencies import currency_code
from ringfence.events.values.currency_names import code_of_sign, is_shared

if TYPE_CHECKING:
    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.money import AmountStyle
    from ringfence.adapters.drafts.sample import Column


def choose_currency(desk: DraftDesk, amount: Column | None, money: AmountStyle | None) -> str | None:
    """Fills `currency`; the code where all rows have the same."""
    fields = desk.plan.fields
    if "currency" in desk.answers and desk.answers["currency"].upper() in CURRENCIES:
        fields["currency"] = {"constant": desk.answers["currency"].upper()}
        return desk.answers["currency"].upper()
    codes = _named_currencies(amount)
    if not codes or amount is None or any(_is_own(one, amount) for one in desk.left.values()):
        others = [one for one in desk.left.values() if amount and one.money and one.meanings & {"amount"}]
        column = desk.best(
            "currency", lambda one: 0 if _of_others(one, amount, others) else currency_points(one, amount)
        )
        if column is not None:
            return _of_column(desk, column)
    if amount is not None and money is not None and money.signs:
        fields["currency"] = {"column": amount.name, "extract": "currency"}
        return next(iter(money.signs)) if len(money.signs) == 1 else None
    if codes:
        fields["currency"] = {"constant": codes[0]}
        return codes[0]
    unread = [one for one in desk.left.values() if "currency" in one.meanings and not one.money]
    if unread:
        some = " and ".join(unread[0].different[:2])
        desk.plan.remarks.append(
            f"{unread[0].name} holds {some}, which names no one currency: say what its words mean, as in "
            f'currency = {{ column = "{unread[0].name}", values = {{ "{unread[0].different[0]}" = "EUR" }} }}'
        )
    desk.plan.remarks.append(
        "no column names a currency: amounts have two decimals and no currency; "
        "name yours with --answer currency=EUR, for example"
    )
    return None


def _named_currencies(amount: Column | None) -> list[str]:
    """Currencies that the name of a column of amounts tells: Amount (EUR), Valor (R$)."""
    if amount is None:
        return []
    codes = [word.upper() for word in amount.words if word.upper() in CURRENCIES]
    signs = [sign for sign in re.findall(r"\(([^()]{1,4})\)", amount.name) if not is_shared(sign)]
    return codes or [code for sign in signs if (code := code_of_sign(sign))]


def _is_own(column: Column, amount: Column) -> bool:
    """Whether a column tells the currency of these amounts, not of those that were converted."""
    other = {"converted", "related"} & (column.meanings ^ amount.meanings)
    return "currency" in column.meanings and not column.money and not other


def _of_others(column: Column, amount: Column | None, others: list[Column]) -> bool:
    """Whether a column tells the currency of other amounts: the original ones, say, of booked ones."""
    if amount is None or "currency" not in column.meanings or _is_own(column, amount):
        return False
    return any(_is_own(column, one) for one in others)


def _of_column(desk: DraftDesk, column: Column) -> str | None:
    """Fills `currency` from a column; the code where all rows have the same."""
    if all(map(code_of_sign, column.different)) or any(map(is_shared, column.different)):
        return _signs_of(desk, column)
    if any(len(text.strip()) < 3 for text in column.different):  # 36 is 036, the Australian dollar
        desk.plan.fields["currency"] = {"column": column.name, "pad": 3}
        return None
    desk.plan.fields["currency"] = column.name
    return currency_code(column.different[0]) if len(column.different) == 1 else None


def _signs_of(desk: DraftDesk, column: Column) -> str | None:
    """Fills `currency` from a column of signs or names; the code where all rows have the same."""
    codes = {text: code for text in column.different if (code := code_of_sign(text))}
    desk.plan.fields["currency"] = {"column": column.name, "values": codes}
    for sign in filter(is_shared, codes):
        desk.plan.remarks.append(
            f"{column.name} holds {sign}, which several currencies share: taken as {codes[sign]}; correct it "
            "under values of the mapping where it is another"
        )
    known = {codes.get(text) or currency_code(text) for text in column.different}
    return known.pop() if len(known) == 1 else None
