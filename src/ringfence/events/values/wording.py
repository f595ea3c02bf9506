"""Times in words that `strptime` does not know: months of other languages, p.m., 24:00, what browsers add."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ENGLISH: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_OTHERS: Final = (
    "januar janner jaenner januari janvier janv gennaio gen enero ene janeiro",
    "februar feber februari fevrier fevr fev febbraio febrero fevereiro",
    "marz maerz mrz maart mrt mars marzo marco",
    "avril avr aprile abril abr",
    "mai mei maggio mag mayo maio maj",
    "juni juin giugno giu junio junho",
    "juli juil juillet luglio lug julio julho",
    "augustus aout agosto ago augusti",
    "sept septembre settembre set septiembre setiembre setembro",
    "oktober okt octobre ottobre ott octubre outubro out",
    "novembre noviembre novembro",
    "dezember dez decembre dicembre dic diciembre dezembro",
)
_MONTHS: Final = {
    word: month
    for month, (english, others) in enumerate(zip(_ENGLISH, _OTHERS, strict=True))
    for word in (english, english[:3], *others.split())
}
_WEEKDAY: Final = re.compile(
    r"^(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|"
    r"sonntag|mo|di|mi|do|fr|sa|so|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lun|mer|jeu|ven|sam|dim|"
    r"lunes|martes|mi\u00e9rcoles|jueves|viernes|s\u00e1bado|domingo)[.,]*\s+(?=\S+.*\d)",
    re.IGNORECASE,
)
_SHORT_WEEKDAY: Final = re.compile(r"^(?:mon|tue|wed|thu|fri|sat|sun)[.,]*\s+(?=\S+.*\d)", re.IGNORECASE)
_WEEKDAY_ASKED: Final = re.compile(r"^%[aA][.,]*\s+")
_MONTH: Final = re.compile(r"[^\W\d_]{3,10}(?:\.(?=[\s,]|$))?")
_DAY_POINT: Final = re.compile(
    r"(?<=\d)(?:\.|st|nd|rd|th|er|\u00ba|\u00aa)(?=,?\s+[^\W\d_]{3})"
    r"|(?<=%d)\.(?=\s+%[bB])"
)
_BETWEEN: Final = re.compile(
    r"(?<=[\w.%]),?\s+(?:\u00e0|um|at|alle|om|kl\.?)\s+(?=\d{1,2}[:.h]\d|%[HI])", re.IGNORECASE
)
_OF: Final = re.compile(r"\s+(?:de|del|of)\s+", re.IGNORECASE)
_AFTER: Final = re.compile(r"(?<=\d)\s*(?:Uhr|hrs?)$|(?<=%[MS])\s*(?:Uhr|hrs?)$", re.IGNORECASE)
_HALF: Final = re.compile(r"(?<=\d)\s*([ap])\.?\s?m\b\.?|\s*%p", re.IGNORECASE)
_ZONE_SAID: Final = re.compile(r"((?:GMT|UTC)?(?:[+-]\d\d:?\d\d|%z))\s+\([^)]*\)$")
_MIDNIGHT: Final = re.compile(r"(?<![\d.:])24([:.h])00((?:[:.]00(?:[.,]0+)?)?)(?![\d:])")
_COMPACT_MIDNIGHT: Final = re.compile(r"^(\d{8}[ T]?)24(00(?:00)?)$")
_COMPACT: Final = re.compile(r"(?:%[YmdyHMS])*%H%M(?:%S)?(?!%f)")


def plain(text: str, form: str = "") -> str:
    """The text with English months, AM and PM, and without the words around a clock.

    Months are written as `form` says, which may be folded by the same rules, and weekdays are left out.
    Without it, English ones stay as they are.

    >>> plain("1. März 2024, 10:00 Uhr"), plain("1er août 2024 à 10:00"), plain("10:00 p.m.")
    ('1 Mar 2024, 10:00', '1 Aug 2024 10:00', '10:00 PM')
    """
    said = _ZONE_SAID.sub(r"\1", " ".join(text.split()).lstrip("'"))
    said = _WEEKDAY.sub("", _WEEKDAY_ASKED.sub("", said))
    said = _SHORT_WEEKDAY.sub("", said) if form else said
    said = _HALF.sub(lambda found: " %p" if "%" in found[0] else f" {found[1].upper()}M", said)
    said = _AFTER.sub("", _BETWEEN.sub(" ", said))
    said = _DAY_POINT.sub("", _OF.sub(" ", said))
    return _MONTH.sub(lambda found: _month(found[0], form), said)


def at_midnight(text: str) -> str | None:
    """The text with 00:00 for 24:00, the end of its day; None where it has none.

    >>> at_midnight("01.05.2024 24:00:00"), at_midnight("20240501240000"), at_midnight("24.05.2024 10:00")
    ('01.05.2024 00:00:00', '20240501000000', None)
    """
    found = _COMPACT_MIDNIGHT.sub(r"\g<1>00\2", text)
    found = _MIDNIGHT.sub(r"00\g<1>00\2", found) if found == text else found
    return None if found == text else found


def has_width(text: str, form: str) -> bool:
    """Whether a clock without marks has all its digits, so that 1015 is not read as 10:01:05.

    >>> has_width("20240501 1015", "%Y%m%d %H%M%S"), has_width("20240501 101500", "%Y%m%d %H%M%S")
    (False, True)
    """
    found = _COMPACT.search(form)
    if found is None:
        return True
    width = 2 * found[0].count("%") + 2 * found[0].count("%Y")
    return any(len(digits) == width for digits in re.findall(r"\d+", text))


def _month(word: str, form: str) -> str:
    bare = word.rstrip(".").lower()
    if not bare.isascii():
        bare = "".join(one for one in unicodedata.normalize("NFKD", bare) if one.isascii())
    month = _MONTHS.get(bare)
    if month is None:
        return word
    english = _ENGLISH[month]
    if not form and word.rstrip(".").lower() in (english, english[:3]):
        return word.rstrip(".")
    return (english if "%B" in form else english[:3]).capitalize()
