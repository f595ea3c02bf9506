"""Amounts as people and banks write them: with currency signs, brackets, and signs on either side.

What is left is a plain decimal text, which `amounts` reads exactly. Nothing is guessed: separators of
thousands count only where they part groups as they should, and a comma is one only where the mapping says so
or where a point follows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.buffers import is_text
from ringfence.events.values import amounts
from ringfence.events.values.currencies import EVERY_CURRENCY
from ringfence.events.values.currency_names import SIGNS, USUAL
from ringfence.events.values.visible import INVISIBLE, western

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.events.values.vocabulary import FieldSource

_SHAPE: Final = (
    r"^(?P<before>[-+(]?)\s*(?P<left>[\p{L}]{0,4}\.?\p{Sc}|\p{Sc}[\p{L}]{0,3}|[\p{L}]{1,4}\.?)?\s*(?P<inner>[-+(]?)\s*"
    r"(?P<number>[0-9][0-9.,' ]*|\.[0-9]+)"
    r"(?P<after>[-+]?\)?)\s*(?P<right>\p{Sc}[\p{L}]{0,3}|[\p{L}]{1,4}\.?\p{Sc}?)?\s*(?P<end>[-+]?\)?)$"
)
_OTHER: Final = {".": ",", ",": "."}
_SPACES: Final = r"[\s\x{00A0}\x{2007}\x{2009}\x{202F}]+"
_APOSTROPHES: Final = "[\u2019\u2018\u00b4`]"
_FOREIGN: Final = "[^\\x00-\\x7F]"
_MINUSES: Final = "[\u2212\u2013]"
_DEBIT: Final = r"(?i)^([^-+()]*[0-9]) ?\(?dr\.?\)? ?$"
_CREDIT: Final = r"(?i)^([^-+()]*[0-9]) ?\(?cr\.?\)? ?$"
_AS_TEXT: Final = '^="?([^"]*)"?$'  # of a spreadsheet
_EXPONENT: Final = "^[+-]?[0-9]+(?:{point}[0-9]+)?[eE][+-]?[0-9]{{1,3}}$"
_NO_CENTS: Final = "([0-9])(?:[.,](?:--?|\u2014)|/-)([^0-9]*)$"
_REMEDIES: Final = (
    (
        re.compile(
            r"[0-9]\s*(?:k|tsd|thousands?|mille|m|mm|mio|mln|millions?|mrd|bn|billions?|lakhs?|lacs?|l|crores?|千|万|萬|"
            r"億|亿|만|억|тыс|млн|млрд)\.?\s*(?:\w{3}|[$€£¥₹])?$",
            re.IGNORECASE,
        ),
        "a unit such as thousands or millions stands behind it, so cents are lost: export whole amounts",
    ),
    (
        re.compile(r"[0-9]\s*(?:[hscd]|cr|dr|ct|db|soll|haben|debit|credit)\.?$", re.IGNORECASE),
        "letters behind it tell debit from credit, or cents: export plain numbers with a sign (-12.50)",
    ),
    (re.compile(r"%$"), "it is a percentage: name the column that holds the amount"),
    (
        re.compile(r"[0-9][{A-R}]$"),
        "its last letter is a sign and a digit (zoned decimals of COBOL): export plain numbers",
    ),
    (re.compile(r"\w|[^\w\s]"), "write digits, such as 1250.50, with the currency in a column of its own"),
)
"""What might mend amounts that are written so; the first that fits."""


@dataclass(slots=True)
class Read:
    """Amounts in minor units, a `Status` each, and the currency that the text names where it names one."""

    minor: NDArray[np.int64]
    status: NDArray[np.uint8]
    rounded: NDArray[np.bool_]  # which had more decimals than are kept
    named: Any = None  # Arrow texts; None where no row names one
    credits: NDArray[np.bool_] | None = None  # which are marked as credits; None where none is


def read_amounts(
    values: Any, source: FieldSource, digits: NDArray[np.int64], limit: NDArray[np.int64]
) -> Read:
    """Amounts as a mapping says they are written; `digits` and `limit` as for `amounts.to_minor`.

    >>> from ringfence.events.values.vocabulary import FieldSource
    >>> written = pa.array(["($1,230.50)", "12,34 €", "1,500"])
    >>> read_amounts(written, FieldSource("a"), np.full(3, 2), np.full(3, 10**15)).minor
    array([-123050,       0,       0])
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not is_text(values):
        return Read(*amounts.to_minor(values, digits, limit))
    texts = _quickly(values, source.decimal, source.thousands)
    found = Read(*amounts.to_minor(texts, digits, limit))
    rows = np.flatnonzero(found.status == amounts.Status.NO_NUMBER)
    if len(rows):
        some = values if len(rows) == len(values) else values.take(pa.array(rows))
        plain, marks = _plain(some.cast(pa.string()), source.decimal, source.thousands)
        again = amounts.to_minor(plain, digits[rows], limit[rows])
        found.minor[rows], found.status[rows], found.rounded[rows] = again
        if marks.null_count < len(marks):
            found.named = _spread(marks, rows, len(values))
        marked = pc.match_substring_regex(
            pc.replace_substring_regex(some.cast(pa.string()), _SPACES, " "), _CREDIT
        )
        if pc.any(marked).as_py():
            found.credits = np.zeros(len(values), np.bool_)
            found.credits[rows] = pc.fill_null(marked, fill_value=False).to_numpy(zero_copy_only=False)
    return found


def currency_within(values: Any) -> Any:
    """The currency that stands within each amount, null where none does; "$" alone is the US dollar.

    >>> currency_within(pa.array(["12,34 €", "$5", "7 CHF", "8"])).to_pylist()
    ['EUR', 'USD', 'CHF', None]
    """
    if not is_text(values):
        return pa.nulls(len(values), pa.string())
    parts = pc.extract_regex(_tidy(values.cast(pa.string()), ".", ","), _SHAPE)
    return _mark(parts, {**SIGNS, **USUAL})


def hint(source: FieldSource, shown: str) -> str:
    """What might mend an amount that cannot be read: marks between digits, words and letters behind them."""
    text = shown.strip("'\"")
    if source.decimal == "," and re.fullmatch(r"[+-]?[0-9]+\.[0-9]{1,2}", text):
        return ': the mapping says decimal = "," for this column'
    if source.decimal == "." and not source.thousands and re.search(r"[0-9],[0-9]", text):
        return ': where commas part thousands, say thousands = "," in the mapping, before cents decimal = ","'
    return next((f": {said}" for pattern, said in _REMEDIES if pattern.search(text)), "")


def _quickly(values: Any, decimal: str, thousands: str | None) -> Any:
    """What most files hold, with a point: digits, perhaps a dollar before them; "?" for the careful way."""
    dollars = pc.starts_with(values, "$")
    if pc.any(dollars).as_py():
        values = pc.if_else(dollars, pc.utf8_slice_codeunits(values, 1), values)
    mark = "." if thousands is None and decimal == "," else thousands
    if decimal == "." and mark not in (",", "'"):
        return values
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    whole = "[0-9]+" + (rf"|[0-9]{{1,3}}(?:{re.escape(mark)}[0-9]{{3}})+" if mark else "")
    fits = pc.match_substring_regex(texts, rf"^[+-]?(?:{whole})(?:{re.escape(decimal)}[0-9]+)?$")
    plain = pc.replace_substring(texts, mark, "") if mark else texts
    plain = pc.replace_substring(plain, ",", ".") if decimal == "," else plain
    return pc.if_else(pc.or_(fits, pc.equal(texts, "")), plain, "?")


def _plain(values: Any, decimal: str, thousands: str | None) -> tuple[Any, Any]:
    """Decimal texts ("?" for what is none), and the codes of the currencies named."""
    tidy = _tidy(values, decimal, thousands or _OTHER[decimal])
    parts = pc.extract_regex(tidy, _SHAPE)
    numbers = _ungrouped(pc.struct_field(parts, "number"), decimal, thousands)
    negative, good = _signs(parts)
    known = _mark(parts, SIGNS | {"": None}, unknown="?")
    good = pc.and_(good, pc.not_equal(pc.fill_null(known, ""), "?"))
    signed = pc.if_else(negative, pc.binary_join_element_wise("-", numbers, ""), numbers)
    texts = pc.if_else(pc.fill_null(good, fill_value=False), pc.fill_null(signed, "?"), "?")
    exponential = pc.match_substring_regex(tidy, _EXPONENT.format(point=re.escape(decimal)))
    if pc.any(exponential).as_py():  # 1,25E+03, as a spreadsheet writes it
        texts = pc.if_else(exponential, pc.replace_substring(tidy, decimal, "."), texts)
    blank = pc.or_(pc.equal(tidy, ""), pc.is_null(tidy))
    return pc.if_else(pc.fill_null(blank, fill_value=True), None, texts), known


def _tidy(values: Any, decimal: str, thousands: str) -> Any:
    """One kind of digits, space, apostrophe and minus.

    A dash in place of cents (`12.-`) goes, and Dr and Cr behind an amount become its sign.
    """
    texts = pc.replace_substring_regex(values, INVISIBLE, "")
    if pc.any(pc.match_substring_regex(texts, _FOREIGN)).as_py():
        texts = pa.array(
            [text and western(text, decimal, thousands) for text in texts.to_pylist()], pa.string()
        )
    texts = pc.replace_substring_regex(texts, _SPACES, " ")
    texts = pc.replace_substring_regex(texts, _APOSTROPHES, "'")
    texts = pc.replace_substring_regex(texts, _MINUSES, "-")
    texts = pc.replace_substring_regex(texts, "^ ?'", "")  # a spreadsheet's mark of texts
    texts = pc.replace_substring_regex(texts, _AS_TEXT, r"\1")
    texts = pc.replace_substring_regex(texts, _DEBIT, r"-\1")
    texts = pc.replace_substring_regex(texts, _CREDIT, r"\1")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, _NO_CENTS, r"\1\2"))


def _signs(parts: Any) -> tuple[Any, Any]:
    """Which amounts are below zero, and which have one sign and whole brackets."""
    marks = pc.binary_join_element_wise(
        *(pc.struct_field(parts, name) for name in ("before", "inner", "after", "end")), ""
    )
    good = pc.is_in(marks, value_set=pa.array(["", "-", "+", "()", "(-)"]))
    return pc.is_in(marks, value_set=pa.array(["-", "()", "(-)"])), good


def _mark(parts: Any, known: dict[str, str | None], unknown: str | None = None) -> Any:
    left, right = (pc.struct_field(parts, name) for name in ("left", "right"))
    encoded = pc.binary_join_element_wise(left, right, "").dictionary_encode()
    words = [_code(word, known, unknown) for word in encoded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(encoded.indices)


def _code(word: str, known: dict[str, str | None], unknown: str | None) -> str | None:
    if word in known:
        return known[word]
    return word.upper() if word.upper() in EVERY_CURRENCY else unknown


@lru_cache(maxsize=64)
def _grouping(decimal: str, thousands: str | None) -> tuple[str, str]:
    """Pattern of a whole number that may be parted in thousands, and the separators."""
    if thousands == "":
        return "[0-9]+", ""
    free = [" ", "'"] if thousands in (None, " ", "'") else []
    if thousands == "," or (thousands is None and decimal == "."):
        free.append(",")
    if thousands == "." or (thousands is None and decimal == ","):
        free.append(".")
    groups = "|".join(
        rf"[0-9]{{1,3}}(?:{re.escape(mark)}[0-9]{{3}})+|[0-9]{{1,2}}(?:{re.escape(mark)}[0-9]{{2}})*{re.escape(mark)}[0-9]{{3}}"
        for mark in free
    )
    return rf"[0-9]+|{groups}", "".join(free)


def _ungrouped(numbers: Any, decimal: str, thousands: str | None) -> Any:
    """Numbers with a point and nothing between thousands; "?" for those parted otherwise."""
    whole, marks = _grouping(decimal, thousands)
    point = re.escape(decimal)
    numbers = pc.utf8_trim_whitespace(numbers)
    fits = pc.match_substring_regex(numbers, rf"^(?:(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+)$")
    if thousands is None and decimal == ".":  # "1,500" alone may as well be one and a half
        fits = pc.and_(fits, pc.invert(pc.match_substring_regex(numbers, r"^[0-9]*,[0-9]*$")))
    plain = numbers
    for mark in marks:
        plain = pc.replace_substring(plain, mark, "")
    plain = pc.replace_substring(plain, ",", ".") if decimal == "," else plain
    return pc.if_else(fits, plain, "?")


def _spread(some: Any, rows: NDArray[np.int64], count: int) -> Any:
    words = np.full(count, None, object)
    words[rows] = np.array(some.to_pylist(), object)
    return pa.array(words, pa.string())
