"""Latitudes and longitudes as they are written: with a comma, letters, minutes, and both in one text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ringfence.events.buffers import is_text
from ringfence.events.values.numbers import to_floats
from ringfence.events.values.placeholders import PLACEHOLDERS
from ringfence.events.values.shaping import as_text
from ringfence.events.values.visible import visible

if TYPE_CHECKING:
    from ringfence.events.values.vocabulary import FieldSource

LIMITS: Final = {"lat": 90.0, "lon": 180.0}
"""Degrees that there are on either side of zero."""

_SIDES: Final = {"lat": {"N": 1, "S": -1}, "lon": {"E": 1, "W": -1}}
_LONGEST: Final = 64
_DECIMAL: Final = r"[0-9]+(?:[.,][0-9]+)?"
_ANGLE: Final = re.compile(
    rf"(?P<before>[NSEW]?)\s*(?P<sign>[-+]?)(?P<degrees>{_DECIMAL})"
    rf"(?:(?:\s*[°º:]\s*|\s+)(?P<minutes>{_DECIMAL})\s*(?:['\u2032\u2019:]|\s|$)?\s*"
    rf"(?:(?P<seconds>{_DECIMAL})\s*(?:\"|\u2033|\u201d|''|\u2032\u2032)?)?)?\s*[°º]?\s*(?P<after>[NSEW]?)",
    re.IGNORECASE,
)
_POINT: Final = re.compile(r"(?:SRID=[0-9]+;)?\s*POINT\s*\(\s*(\S+)\s+(\S+)\s*\)", re.IGNORECASE)
_AROUND: Final = re.compile(r"(?:geo:)?[\s({]*(.*?)[\s)}]*", re.IGNORECASE | re.DOTALL)
_BETWEEN: Final = (r"\s*[;|/]\s*", r"\s*,\s+", r"\s*,\s*", r"\s+")


def read_degrees(values: Any, name: str, source: FieldSource) -> Any:
    r"""A column of latitudes or longitudes with what can be understood as plain numbers, the rest as it is.

    >>> from ringfence.events.values.vocabulary import FieldSource
    >>> read_degrees(pa.array(["52,52", "52 31' 12\" N", "x"]), "lat", FieldSource("a")).to_pylist()
    ['52.52', '52.52', 'x']
    """
    if source.extract:
        return _mapped(as_text(values), lambda text: _of_pair(text, name))
    if not is_text(values):
        return values
    bad = to_floats(values)[1]
    if not bad.any():
        return values
    return _mapped(as_text(values), lambda text: degrees_of(text, name))


def _mapped(texts: Any, read: Any) -> Any:
    encoded = texts.dictionary_encode()
    words = []
    for text in encoded.dictionary.to_pylist():
        found = None if text is None else read(text)
        words.append(None if _is_nothing(text) else text if found is None else repr(found))
    return pa.array(words, pa.string()).take(encoded.indices)


def _is_nothing(text: str | None) -> bool:
    word = visible(text or "").casefold()
    return word in PLACEHOLDERS or not any(map(str.isalnum, word))


def _of_pair(text: str, name: str) -> float | None:
    pair = pair_of(text)
    return None if pair is None else pair[list(LIMITS).index(name)]


@lru_cache(maxsize=4096)
def degrees_of(text: str, name: str) -> float | None:
    r"""Degrees of a latitude or a longitude, None for what is none.

    >>> degrees_of("33\u00b0 51.6' S", "lat"), degrees_of("W 70,5", "lon"), degrees_of("13.4 E", "lat")
    (-33.86, -70.5, None)
    """
    found = _ANGLE.fullmatch(visible(text).replace("\u2212", "-")) if len(text) <= _LONGEST else None
    if found is None:
        return None
    sides = (found["before"] + found["after"]).upper()
    if sides and (sides not in _SIDES[name] or found["sign"]):
        return None
    parts = [float((found[part] or "0").replace(",", ".")) for part in ("degrees", "minutes", "seconds")]
    if max(parts[1:]) >= 60 or (found["minutes"] and parts[0] % 1):
        return None
    size = round(parts[0] + parts[1] / 60 + parts[2] / 3600, 9)
    negative = found["sign"] == "-" or _SIDES[name].get(sides) == -1
    return -size if negative else size


@lru_cache(maxsize=4096)
def pair_of(text: str) -> tuple[float, float] | None:
    """Latitude and longitude of a text that holds both, the latitude first but for WKT and letters.

    >>> pair_of("(52.52, 13.4)"), pair_of("POINT(13.4 52.52)"), pair_of("52,52; 13,4"), pair_of("13.4E 52.5N")
    ((52.52, 13.4), (52.52, 13.4), (52.52, 13.4), (52.5, 13.4))
    """
    if len(text) > _LONGEST:
        return None
    word = visible(text)
    if point := _POINT.fullmatch(word):
        return _both(point[2], point[1])
    inside = _AROUND.fullmatch(word)
    for between in _BETWEEN:
        parts = re.split(between, inside[1] if inside else word)
        if len(parts) == 2:
            named = parts[0][-1:].upper() in _SIDES["lon"] or parts[0][:1].upper() in _SIDES["lon"]
            return _both(parts[1], parts[0]) if named else _both(parts[0], parts[1])
    return None


def _both(lat: str, lon: str) -> tuple[float, float] | None:
    found = degrees_of(lat, "lat"), degrees_of(lon, "lon")
    if found[0] is None or found[1] is None or abs(found[0]) > LIMITS["lat"] or abs(found[1]) > LIMITS["lon"]:
        return None
    return found[0], found[1]
