"""How the amounts of a column are written: decimal mark, marks between thousands, signs, currency signs."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ringfence.events.values.visible import western

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST: Final = 0.8
"""The share of a column's values that has to be what the column is said to be."""

SIGNS: Final = {
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "R$": "BRL",
    "$": "USD",
    "₺": "TRY",
    "₽": "RUB",
    "₩": "KRW",
    "zł": "PLN",
    "kr": "",
    "Fr.": "CHF",
    "Kč": "CZK",
    "Ft": "HUF",
    "Rs": "INR",
    "Euro": "EUR",
    "円": "JPY",
    "￥": "JPY",
    "元": "CNY",
}
_SPACES: Final = " \u00a0\u202f\u2009\u2007\u3000"
_APOSTROPHES: Final = "'\u2019\u02bc"
_NUMBER: Final = re.compile(rf"[0-9](?:[0-9.,{_SPACES}{_APOSTROPHES}]*[0-9])?|[.,][0-9]+")
_AROUND: Final = re.compile(
    rf"[{_SPACES}]*[(+\-\u2212\u2013]?[{_SPACES}]*(?:[^\W\d_]{{0,4}}\.?[$€£¥￥₹₺₽₩]?)[{_SPACES}]*[(+\-\u2212\u2013]?[{_SPACES}]*"
)
_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]{1,3}")
_NO_CENTS: Final = re.compile("([0-9])(?:[.,](?:[-\u2212\u2013]{1,2}|\u2014)|/-)([^0-9]*)$")  # 12.-, 12/-
_DEBIT: Final = re.compile(r"^([^-+()]*[0-9])\s?\(?dr\.?\)?\s?$", re.IGNORECASE)
_CREDIT: Final = re.compile(r"(?<=[0-9])\s?\(?cr\.?\)?\s?$", re.IGNORECASE)
_AS_TEXT: Final = re.compile(r'="?([^"]*)"?')  # of a spreadsheet
_PRICES: Final = (0, 50, 90, 95, 99, 49)


@dataclass(frozen=True, slots=True)
class AmountStyle:
    """How most amounts of a column are written."""

    share: float  # of the values that read so
    decimal: str = "."
    thousands: str | None = None
    unclear: bool = False  # whether the mark is one of decimals or of thousands
    negative: float = 0.0  # share of the amounts that are not zero
    signs: frozenset[str] = frozenset()  # currencies that stand at the numbers
    whole: bool = False  # no amount has decimals
    median: float = 0.0
    prices: bool = False  # endings that prices in cents have


def money_of(texts: Sequence[str], *, comma: bool = False) -> AmountStyle | None:
    """How these texts are written as amounts; None where most are none. `comma`: the source's habit.

    >>> money_of(["1,500", "2,250", "12,000"]).thousands, money_of(["3.000", "750"], comma=True).decimal
    (',', ',')
    >>> money_of(["2024-01-01", "x"]) is None
    True
    """
    numbers = [found for text in texts if (found := _number(text)) is not None]
    if not texts or len(numbers) < MOST * len(texts):
        return None
    decimal, thousands, unclear = _marks([number for _, number, _ in numbers], comma=comma)
    values = [_value(number, decimal) for _, number, _ in numbers]
    known = [value for value in values if value is not None]
    if not known:
        return None
    signed = [negative for (negative, _, _), value in zip(numbers, values, strict=True) if value]
    ends = [int(value) % 100 for value in known]
    endings = Counter(ends)
    cents = rf"{re.escape(decimal)}[0-9]{{2}}"  # written, be they zeros
    whole = all(value == int(value) for value in known)
    whole = whole and not any(re.search(cents, number) for _, number, _ in numbers)
    priced = sum(endings[end] for end in _PRICES) >= 0.6 * len(known) and (
        sum(endings[end] for end in _PRICES[2:]) >= 0.3 * len(known)
    )
    return AmountStyle(
        share=len(known) / len(texts),
        decimal=decimal,
        thousands=thousands,
        unclear=unclear,
        negative=sum(signed) / max(len(signed), 1),
        signs=frozenset(sign for _, _, sign in numbers if sign),
        whole=whole,
        median=sorted(known)[len(known) // 2] if known else 0.0,
        prices=whole and priced and thousands is None,
    )


def is_scientific(texts: Sequence[str]) -> bool:
    """Most values are large numbers that a spreadsheet has rounded: 4.11111E+15.

    >>> is_scientific(["4.11111E+15", "5.50000E+15"]), is_scientific(["12.5"])
    (True, False)
    """
    found = [text for text in texts if is_exponential(text) and float(text.replace(",", ".")) >= 1e9]
    return bool(texts) and len(found) >= 0.5 * len(texts)


def is_exponential(text: str) -> bool:
    """Whether a number is written with an exponent."""
    return _SCIENTIFIC.fullmatch(text.strip()) is not None


def decimals_of(text: str, decimal: str) -> int:
    """Decimals that an amount is written with, zeros at the end aside.

    >>> decimals_of("$1,230.5060", "."), decimals_of("1.250,00", ",")
    (3, 0)
    """
    if is_exponential(text):
        return 0
    found = re.search(rf"{re.escape(decimal)}([0-9]+)(?![0-9.,])", text)
    return len(found[1].rstrip("0")) if found else 0


def _number(text: str) -> tuple[bool, str, str] | None:
    """Whether it is below zero, the digits with their marks, and the currency at it; None for no amount."""
    text = western(text.lstrip("'"), ".", ",")
    text = found[1] if (found := _AS_TEXT.fullmatch(text.strip())) else text
    if is_exponential(text):
        return text.strip().startswith("-"), text.strip(), ""
    text = _NO_CENTS.sub(r"\1\2", _CREDIT.sub("", _DEBIT.sub(r"-\1", text)))
    found = _NUMBER.search(text)
    if found is None:
        return None
    before, after = text[: found.start()], text[found.end() :]
    if not (_AROUND.fullmatch(before) and _AROUND.fullmatch(after.rstrip(")"))):
        return None
    around = before + " " + after
    sign = next((code for mark, code in SIGNS.items() if mark in around), "") or "".join(
        re.findall("[A-Z]{3}", around)[:1]
    )
    negative = "(" in before or any(mark in around for mark in "-\u2212\u2013")
    return negative, found[0], sign


def _marks(numbers: Sequence[str], *, comma: bool) -> tuple[str, str | None, bool]:
    """Decimal mark, mark between thousands (None for none), and whether that is no more than a guess."""
    votes: Counter[str] = Counter()
    between: Counter[str] = Counter()
    for number in numbers:
        if is_exponential(number):
            votes.update(mark for mark in number if mark in ".,")
            continue
        marks = [letter for letter in number if not letter.isascii() or not letter.isdigit()]
        groups = [mark for mark in marks if mark in _SPACES or mark in _APOSTROPHES]
        between.update("'" if mark in _APOSTROPHES else " " for mark in groups[:1])
        points = [mark for mark in marks if mark in ".,"]
        if len(set(points)) == 2:
            votes[points[-1]] += 1
            between[points[0]] += 1
        elif len(points) > 1:
            between[points[0]] += 1
            votes["," if points[0] == "." else "."] += 1
        elif points:
            rest = len(number) - number.rindex(points[0]) - 1
            lead = number.index(points[0])
            if rest != 3 or lead > 3 or number.startswith("0") or groups:
                votes[points[0]] += 1
            else:
                votes["?" + points[0]] += 1
    return _settled(votes, between, comma=comma)


def _settled(votes: Counter[str], between: Counter[str], *, comma: bool) -> tuple[str, str | None, bool]:
    unclear = False
    if votes["."] or votes[","]:
        decimal = "." if votes["."] >= votes[","] else ","
    elif votes["?,"] or votes["?."]:  # 1,500: thousands, unless the source writes commas before decimals
        decimal, unclear = ("," if comma else "."), True
    else:
        decimal = "," if comma else "."
    other = "," if decimal == "." else "."
    marks = [mark for mark, _ in between.most_common() if mark != decimal]
    if votes["?" + other] and other not in marks:
        marks.append(other)
    return decimal, marks[0] if marks else None, unclear


def _value(number: str, decimal: str) -> float | None:
    kept = number
    if not is_exponential(number):
        kept = "".join(letter for letter in number if letter.isdigit() or letter == decimal)
    try:
        value = abs(float(kept.replace(",", ".")))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
