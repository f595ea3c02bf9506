"""How long originals of personal data are kept: a time after the last event that names their person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.buffers import is_text
from ringfence.events.privacy.personal import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ringfence.events.batch import EventBatch
    from ringfence.ports.vault import Held

_MOST: Final = 1 << 17  # persons in memory
_START: Final = "pd_"


def dated(
    originals: Sequence[Held], events: Iterable[Mapping[str, Any]], keep_ms: Mapping[str, int], now_ms: int
) -> list[Held]:
    """Originals with until when each is kept, `events` being what the log holds of their persons.

    An original that stood in several fields is kept as long as the field with the longest time. A time in
    the future counts as now, as in `last_named`.
    """
    last_ms = {one.person: one.last_ms for one in originals}
    for row in events:
        for value in row.values():
            if isinstance(value, str) and value in last_ms:
                last_ms[value] = max(last_ms[value], min(row["event_time_ms"], now_ms))
    return [
        msgspec.structs.replace(one, last_ms=last_ms[one.person], until_ms=_until(one, last_ms, keep_ms))
        for one in originals
    ]


def _until(one: Held, last_ms: Mapping[str, int], keep_ms: Mapping[str, int]) -> int | None:
    times = [keep_ms.get(field, keep_ms.get(one.kind)) for field in one.fields or (one.kind,)]
    longest = max((time for time in times if time is not None), default=None)
    return None if longest is None or None in times else last_ms[one.person] + longest


def last_named(log: Iterable[EventBatch], now_ms: int) -> Iterator[dict[str, int]]:
    """The time of the last event that names each person, in portions; a person may come up in several.

    A time in the future counts as now: a sender whose clock is wrong makes nobody's data stay for longer.
    """
    found: dict[str, int] = {}
    for events in log:
        times = np.minimum(events.event_time_ms, now_ms)
        for who, at_ms in _named(events, times):
            if at_ms > found.get(who, -1):
                found[who] = at_ms
        if len(found) > _MOST:
            yield found
            found = {}
    yield found


def _named(events: EventBatch, times: Any) -> Iterator[tuple[str, int]]:
    """Tokens in any column and any other attribute, with the latest time of each; a token comes up often."""
    for column in events.table.columns:
        if not is_text(column):
            continue
        rows = pc.fill_null(pc.starts_with(column, _START), fill_value=False)
        if pc.any(rows).as_py():
            table = pa.table({"who": column, "at": pa.array(times)}).filter(rows)
            latest = table.group_by("who").aggregate([("at", "max")])
            yield from zip(latest["who"].to_pylist(), latest["at_max"].to_pylist(), strict=True)
    for cells in events.others.values():
        for row, value in cells:
            if isinstance(value, str) and TOKEN.fullmatch(value):
                yield value, int(times[row])
