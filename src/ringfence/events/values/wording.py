"""Times in words that `strptime` does not know: months of other languages, p.m., 24:00, what browsers add."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from ringfence.events.values.visible import western

_ENGLISH: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_OTHERS: Final = (
    "januar janner jaenner januari janvier janv gennaio gen enero ene janeiro stycznia sty ledna ocak января",
    "februar feber februari fevrier fevr fev febbraio febrero fevereiro lutego lut unora subat февраля фев",
    "marz maerz mrz maart mrt mars marzo marco marca brezna mart марта мар",
    "avril avr aprile abril abr kwietnia kwi dubna nisan апреля апр",
    "mai mei maggio mag mayo maio maj maja kvetna mayis мая май",
    "juni juin giugno giu junio junho czerwca cze cervna haziran июня июн",
    "juli juil juillet luglio lug julio julho lipca lip cervence temmuz июля июл",
    "augustus aout agosto ago augusti sierpnia sie srpna agustos августа авг",
    "sept septembre settembre set septiembre setiembre setembro wrzesnia wrz zari eylul сентября сен",
    "oktober okt octobre ottobre ott octubre outubro out pazdziernika paz rijna ekim октября окт",
    "novembre noviembre novembro  kasim ноября ноя",
    "dezember dez decembre dicembre dic diciembre dezembro grudnia gru prosince aralik декабря дек",
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
_MONTH: Final = re.compile(r"[^\W\d_]{3,12}(?:\.(?=[\s,]|$))?")
_DAY_POINT: Final = re.compile(
    r"(?<=\d)(?:\.|st|nd|rd|th|er|\u00ba|\u00aa)(?=,?\s+[^\W\d_]{3})"
    r"|(?<=%d)\.(?=\s+%[bB])"
)
_BETWEEN: Final = re.compile(
    r"(?<=[\w.%]),?\s+(?:\u00e0|um|at|alle|om|kl\.?)\s+(?=\d{1,2}[:.h]\d|%[HI])", re.IGNORECASE
)
_OF: Final = re.compile(r"\s+(?:de|del|of)\s+", re.IGNORECASE)
_AFTER: Final = re.compile(r"(?<=\d)\s*(?:Uhr|hrs?)$|(?<=%[MS])\s*(?:Uhr|hrs?)$", re.IGNORECASE)
_HALF: Final = re.compile(r"(?<=\d)\s*([ap])\.?\s?m\b\.?|\s*%p|(?<=:\d\d)\s?([ap])$", re.IGNORECASE)
_FORENOON: Final = frozenset("上午 午前 오전 πμ π.μ. ص पूर्वाह्न öö sa de. de".split())  # noqa: SIM905
_AFTERNOON: Final = frozenset("下午 午後 오후 μμ μ.μ. م अपराह्न ös ch du. du".split())  # noqa: SIM905
_HALF_WORD: Final = "|".join(map(re.escape, sorted(_FORENOON | _AFTERNOON, key=len, reverse=True)))
_HALF_BEFORE: Final = re.compile(
    rf"(?<=[\d.]) ?(?P<half>{_HALF_WORD}) ?(?P<clock>\d{{1,2}}:\d\d(?::\d\d)?)(?![\d:])", re.IGNORECASE
)
_HALF_AFTER: Final = re.compile(
    rf"(?P<clock>(?<=\s)\d{{1,2}}:\d\d(?::\d\d)?) ?(?P<half>{_HALF_WORD})$", re.IGNORECASE
)
_ORDINAL: Final = re.compile(r"(?<=\d)(?:st|nd|rd|th)(?=,)")
_FINE: Final = re.compile(r"(?<=\d\d[.,]\d{6})\d+")  # nanoseconds, which no clock here keeps
_EAST: Final = re.compile(r"^(\d{4})(?:年|년 ?|\. ?)(\d{1,2})(?:月|월 ?|\. ?)(\d{1,2})(?:日|일|\.)")
_EAST_CLOCK: Final = re.compile(r"(\d{1,2})時(\d{2})分(?:(\d{2})秒)?")
_APACHE: Final = re.compile(r"^\[?(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d[^\]]*)\]?$")
_UNIX: Final = re.compile(
    r"^[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{1,2}) (\d\d:\d\d:\d\d)((?: [A-Z]{2,5})?) (\d{4})$"
)
_ZONE_SAID: Final = re.compile(r"((?:GMT|UTC)?(?:[+-]\d\d:?\d\d|%z))\s+\([^)]*\)$")
_MIDNIGHT: Final = re.compile(r"(?<![\d.:])24([:.h])00((?:[:.]00(?:[.,]0+)?)?)(?![\d:])")
_COMPACT_MIDNIGHT: Final = re.compile(r"^(\d{8}[ T]?)24(00(?:00)?)$")
_COMPACT: Final = re.compile(r"(?:%[YmdyHMS])*%H%M(?:%S)?(?!%[Sf])")
_DIGITS_ALONE: Final = re.compile(r"1?(?:%[YmdyjHMS])+")
_WIDTHS: Final = {"Y": 4, "j": 3}


def plain(text: str, form: str = "") -> str:
    """The text with English months, AM and PM, and without the words around a clock.

    Months are written as `form` says, which may be folded by the same rules, and weekdays are left out.
    Without it, English ones stay as they are.

    >>> plain("1. März 2024, 10:00 Uhr"), plain("1er août 2024 à 10:00"), plain("10:00 p.m.")
    ('1 Mar 2024, 10:00', '1 Aug 2024 10:00', '10:00 PM')
    >>> plain("2024/5/1 下午 1:15"), plain("1/5/2024 1:15 μμ")
    ('2024/5/1 1:15 PM', '1/5/2024 1:15 PM')
    """
    said = _ZONE_SAID.sub(r"\1", " ".join(western(text, ".", ",").split()).lstrip("'"))
    said = _UNIX.sub(r"\2 \1 \5 \3\4", _APACHE.sub(r"\1 \2 \3 \4", _FINE.sub("", said)))
    if not said.isascii() or _EAST.match(said):
        said = _EAST_CLOCK.sub(_clock, _EAST.sub(r"\1-\2-\3", said))
    said = _ORDINAL.sub("", said)
    said = _WEEKDAY.sub("", _WEEKDAY_ASKED.sub("", said))
    said = _SHORT_WEEKDAY.sub("", said) if form else said
    said = _HALF_AFTER.sub(_half, _HALF_BEFORE.sub(_half, said))
    said = _HALF.sub(lambda found: " %p" if "%" in found[0] else f" {(found[1] or found[2]).upper()}M", said)
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
    if _DIGITS_ALONE.fullmatch(form):
        parts = form.lstrip("1").split("%")[1:]
        return len(text) == form.startswith("1") + sum(_WIDTHS.get(part, 2) for part in parts)
    found = _COMPACT.search(form)
    if found is None:
        return True
    width = 2 * found[0].count("%") + 2 * found[0].count("%Y")
    return any(len(digits) == width for digits in re.findall(r"\d+", text))


def _half(found: re.Match[str]) -> str:
    """A clock with AM or PM for a word of another language on either side of it."""
    half = "AM" if found["half"].lower() in _FORENOON else "PM"
    before = "" if found[0].startswith(found["clock"]) else " "
    return f"{before}{found['clock']} {half}"


def _clock(found: re.Match[str]) -> str:
    return ":".join(part for part in found.groups() if part)


def _month(word: str, form: str) -> str:
    bare = word.rstrip(".").lower().replace("\u0131", "i")
    if not bare.isascii() and bare not in _MONTHS:
        bare = "".join(one for one in unicodedata.normalize("NFKD", bare) if one.isascii())
    month = _MONTHS.get(bare)
    if month is None:
        return word
    english = _ENGLISH[month]
    if not form and word.rstrip(".").lower() in (english, english[:3]):
        return word.rstrip(".")
    return (english if "%B" in form else english[:3]).capitalize()
