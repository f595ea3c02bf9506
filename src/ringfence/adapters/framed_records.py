"""Values of records to events for `ringfence.sharded`: as from a stream, by nothing but what the log holds.

The time of receipt is that at which a record was appended, so that the same records give the same events
whoever reads them, and when.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ringfence.adapters.stream_records import Streamed, json_in
from ringfence.errors import InputError
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import NO_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.adapters.stream_records import StreamDecoding
    from ringfence.events.bad import BadRecord

_HOUR_MS: Final = 3_600_000
"""Times that are too far ahead are told by the hour in which a record was appended, not by its neighbours."""


class FramedDecoding:
    """`ringfence.sharded.plan.Decode` by one mapping. One thread at a time."""

    def __init__(self, decoding: StreamDecoding) -> None:
        self._decoding = decoding

    def __call__(
        self, source: str, offsets: NDArray[np.int64], append_ms: NDArray[np.int64], values: Sequence[bytes]
    ) -> tuple[EventBatch, NDArray[np.int64], list[BadRecord]]:
        """See `Decode`. `InputError` where the mapping takes labels from the rows of payments."""
        if not len(values):
            return NO_EVENTS, np.empty(0, np.int64), []
        hours = append_ms // _HOUR_MS
        edges = [0, *(np.flatnonzero(np.diff(hours)) + 1).tolist(), len(values)]
        parts, places = [], [np.empty(0, np.int64)]
        bad: list[BadRecord] = []
        for begin, end in pairwise(edges):
            now_ms = int(hours[begin]) * _HOUR_MS
            found = self._plain(source, offsets[begin:end], values[begin:end], now_ms)
            if found is None:
                records = [
                    Streamed(source, offset, f"{source}/{offset}", value, json_in(value), {})
                    for offset, value in zip(offsets[begin:end].tolist(), values[begin:end], strict=True)
                ]
                found = self._read(records, now_ms)
            events, rows, refused = found
            bad += refused
            if len(events):
                parts.append(events)
                places.append(begin + rows)
        at = np.concatenate(places)
        whole = EventBatch.concat(parts) if parts else NO_EVENTS
        return (_received(whole, append_ms[at]) if parts else whole), at, bad

    def _plain(
        self, source: str, offsets: NDArray[np.int64], values: Sequence[bytes], now_ms: int
    ) -> tuple[EventBatch, NDArray[np.int64], list[BadRecord]] | None:
        piece = self._decoding.plain(values, now_ms)
        if piece is None:
            return None
        bad = [replace(one, source=source, position=int(offsets[one.position])) for one in piece.bad]
        rows = np.delete(np.arange(len(values)), [one.position for one in piece.bad])
        return piece.events, rows, bad

    def _read(
        self, records: list[Streamed], now_ms: int
    ) -> tuple[EventBatch, NDArray[np.int64], list[BadRecord]]:
        piece = self._decoding(records, now_ms)
        if piece.labels is not None and len(piece.labels):
            raise InputError(
                "the mapping takes labels from rows of payments, which then wait for their time: a sharded "
                "host takes labels as records of their own. Or run on the embedded host"
            )
        refused = {one.position for one in piece.bad}
        rows = np.array([row for row, one in enumerate(records) if one.position not in refused], np.int64)
        if len(rows) == len(piece.events):
            return piece.events, rows, piece.bad
        if len(records) == 1:
            return piece.events, np.zeros(len(piece.events), np.int64), piece.bad
        parts, places = [], [np.empty(0, np.int64)]  # the mapping leaves some out: whose rows are there?
        for row, record in enumerate(records):
            events, _, _ = self._read([record], now_ms)
            if len(events):
                parts.append(events)
                places.append(np.full(len(events), row))
        return (EventBatch.concat(parts) if parts else NO_EVENTS), np.concatenate(places), piece.bad


def _received(events: EventBatch, append_ms: NDArray[np.int64]) -> EventBatch:
    """The events with other times of receipt; what was worked out of them stays."""
    index = events.table.schema.get_field_index("ingest_time_ms")
    times = pa.array(append_ms)
    table = (
        events.table.append_column("ingest_time_ms", times)
        if index < 0
        else events.table.set_column(index, "ingest_time_ms", times)
    )
    made = EventBatch(table)
    made.know(0, {}, **events.__dict__)
    return made
