"""Times as a mapping says they are written: with zone names, without a year, in a zone of their own row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InputError
from ringfence.events.buffers import is_text
from ringfence.events.values import times
from ringfence.events.values.visible import INVISIBLE, western
from ringfence.events.values.zones import Orders, to_utc, zone_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.events.values.vocabulary import FieldSource

_ZONE: Final = "%Z"
_UNIX: Final = r"^[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d)((?: [A-Z]{2,5})?) (\d{4})$"
_WITH_NAME: Final = r"^(?P<time>.*\S)\s+(?P<zone>[A-Za-z][A-Za-z/_+:0-9-]*)$"
_AFTER_CLOCK: Final = r"^(?P<time>.*[0-9])\s*(?P<zone>[A-Za-z][A-Za-z/_+:0-9-]*)$"
_DAY_MS: Final = 86_400_000
_YEARS: Final = 9  # to look back for a 29th of February


@dataclass(slots=True)
class Moments:
    """Times read from one field."""

    ms: NDArray[np.int64]
    bad: NDArray[np.bool_]
    said: dict[int, str] = field(default_factory=dict)  # what is wrong with a row's zone
    moved: NDArray[np.bool_] | None = None  # local times that a clock change skips; None where none is one


@dataclass(slots=True)
class MomentReader:
    """Reads the times of a source; remembers the order of those that a clock change repeats."""

    received_ms: int
    zone_names: Mapping[str, str]
    orders: Orders = field(default_factory=Orders)

    def read(
        self, name: str, source: FieldSource, values: Any, zones: Any = None, *, whole_days: bool = False
    ) -> Moments:
        """Times of a field; `zones` are the rows' own zones.

        With `whole_days` a day without a time, or with midnight in its place, is its last millisecond.
        """
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if is_text(values):
            values = _as_usual(values, source.format)
        form, words = source.format.removesuffix(_ZONE).rstrip(), None
        texts = values
        if form != source.format and is_text(values):
            texts, words = _split(values, _WITH_NAME)
        if source.year is not None and is_text(texts):
            ms, bad, naive = _without_year(texts, form, source.year, self.received_ms)
        else:
            ms, bad, naive = times.parsed(texts, form)
        if form == "iso" and is_text(values) and bad.any():
            words = _with_names(values, ms, bad, naive)
        if zones is not None:
            words = zones if words is None else pc.coalesce(words, zones)
        days = (naive | (form == "epoch_d")) & ~bad & (ms != times.NO_TIME) & (ms % _DAY_MS == 0)
        if not whole_days or not days.any():
            return self._local(name, source, Moments(ms, bad), naive, words)
        ms[days] += _DAY_MS - 1
        found, latest = self._local(name, source, Moments(ms, bad), naive, words), self.received_ms + _DAY_MS
        begun = days & (found.ms - _DAY_MS <= latest)  # east of the zone that the mapping names
        found.ms[begun] = np.minimum(found.ms[begun], latest)
        return found

    def _local(
        self, name: str, source: FieldSource, found: Moments, naive: NDArray[np.bool_], words: Any
    ) -> Moments:
        waiting = naive & ~found.bad
        if words is None:
            self._convert(name, source, found, waiting, source.zone)
            return found
        encoded = words.cast(pa.string()).dictionary_encode()
        names = [*encoded.dictionary.to_pylist(), source.zone]
        rows = pc.fill_null(encoded.indices, len(names) - 1).to_numpy(zero_copy_only=False)
        for at, word in enumerate(names):
            self._convert(name, source, found, waiting & (rows == at), word or source.zone)
        return found

    def _convert(
        self, name: str, source: FieldSource, found: Moments, rows: NDArray[np.bool_], word: str
    ) -> None:
        if not rows.any():
            return
        try:
            zone = zone_of(self.zone_names.get(word, word), source.zone)
        except InputError as error:
            found.bad |= rows
            found.said |= dict.fromkeys(np.flatnonzero(rows).tolist(), str(error))
            return
        if zone not in ("UTC", 0):
            order = self.orders.of(name, str(zone))
            found.ms[rows], moved = to_utc(found.ms[rows], zone, source.repeated_hour, order)
            if moved is not None:
                found.moved = np.zeros(len(rows), np.bool_) if found.moved is None else found.moved
                found.moved[np.flatnonzero(rows)[moved]] = True


def _as_usual(values: Any, form: str) -> Any:
    """Texts with the digits of ASCII, and without what some systems put around a time."""
    if not pc.all(pc.string_is_ascii(values)).as_py():
        values = pc.replace_substring_regex(values, INVISIBLE, "")
        values = pa.array([text and western(text, ".", ",") for text in values.to_pylist()], pa.string())
    if pc.any(pc.ends_with(values, "]")).as_py():  # +02:00[Europe/Berlin]
        values = pc.replace_substring_regex(values, r"([Zz]|[+-]\d\d:?\d\d)\[[^\[\]]*\]$", r"\1")
    if pc.any(pc.starts_with(values, "'")).as_py():  # a spreadsheet's mark of texts
        values = pc.utf8_ltrim(values, "'")
    if form == "iso":
        if pc.any(pc.ends_with(values, ")")).as_py():
            values = pc.replace_substring_regex(values, r"\s*\(([A-Za-z]+/[A-Za-z/_+-]+)\)$", r" \1")
    elif pc.any(pc.match_substring_regex(values, _UNIX)).as_py():
        values = pc.replace_substring_regex(values, _UNIX, r"\2 \1 \5 \3\4")
    return values


def _split(values: Any, pattern: str) -> tuple[Any, Any]:
    found = pc.extract_regex(pc.utf8_trim_whitespace(values.cast(pa.string())), pattern)
    return pc.struct_field(found, "time"), pc.struct_field(found, "zone")


def _with_names(values: Any, ms: NDArray[np.int64], bad: NDArray[np.bool_], naive: NDArray[np.bool_]) -> Any:
    """Reads times that the name of a zone follows, in place; the names, null where there is none."""
    at = np.flatnonzero(bad)
    texts, names = _split(values.take(pa.array(at)), _AFTER_CLOCK)
    found, unread, local = times.parsed(texts, "iso")
    good = ~unread & (found != times.NO_TIME)
    ms[at[good]], bad[at[good]], naive[at[good]] = found[good], False, local[good]
    words = np.full(len(values), None, object)
    words[at[good]] = np.array(names.to_pylist(), object)[good]
    return pa.array(words, pa.string())


def _without_year(
    texts: Any, form: str, year: int | str, received_ms: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    encoded = texts.cast(pa.string()).dictionary_encode()
    received = datetime.fromtimestamp(received_ms / 1000, UTC).year
    years = [year] if isinstance(year, int) else range(received + 1, received - _YEARS, -1)
    latest = received_ms + _DAY_MS if not isinstance(year, int) else None
    words = [_dated(text, form, years, latest) for text in encoded.dictionary.to_pylist()]
    rows = pc.fill_null(encoded.indices, len(words)).to_numpy(zero_copy_only=False)
    ms = np.array([*(times.NO_TIME if word is None else word for word in words), times.NO_TIME], np.int64)
    bad = np.array([*(word is None for word in words), False], bool)
    return ms[rows], bad[rows], (~bad & (ms != times.NO_TIME))[rows]


def _dated(text: str, form: str, years: Any, latest: int | None) -> int | None:
    """The last such moment up to `latest`."""
    for year in years:
        ms, status = times.strptime_ms(f"{year} {text.strip()}", f"%Y {form}")
        if status != times.BAD and (latest is None or ms <= latest):
            return ms
    return None
