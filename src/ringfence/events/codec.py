"""The stored form of a batch: one Arrow IPC stream, compressed, without the columns that no row uses.

A store adds its own checksum; what does not decode is a `CorruptError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ringfence.errors import CorruptError
from ringfence.events.batch import EventBatch
from ringfence.events.origin import marked

if TYPE_CHECKING:
    from ringfence.events.origin import EventOrigin

_COMPRESS_FROM_ROWS: Final = 256
_COMPRESSED: Final = pa.ipc.IpcWriteOptions(compression="lz4")
_PLAIN: Final = pa.ipc.IpcWriteOptions()


def encode(batch: EventBatch, origin: EventOrigin | None = None) -> bytes:
    """Bytes of a batch; `decode` gives back equal rows, without the all-null columns, and `origin`.

    >>> import pyarrow as pa
    >>> columns = {"kind": pa.array([0], pa.uint8()), "event_time_ms": [7], "city": ["Bern"]}
    >>> rows = pa.RecordBatch.from_pydict(columns)
    >>> decode(encode(EventBatch(rows))).column("city").to_pylist()
    ['Bern']
    """
    table = batch.used if origin is None else marked(batch.used, origin)
    sink = pa.BufferOutputStream()
    options = _COMPRESSED if table.num_rows >= _COMPRESS_FROM_ROWS else _PLAIN
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_batch(table)
    return bytes(sink.getvalue())


def decode(payload: bytes) -> EventBatch:
    """The batch that `encode` wrote, sharing the payload's memory where it is not compressed."""
    try:
        with pa.ipc.open_stream(payload) as reader:
            return EventBatch(reader.read_next_batch())
    except (pa.ArrowInvalid, StopIteration, OSError) as error:
        raise CorruptError(
            f"a stored batch of events does not decode ({error}): restore it from a backup"
        ) from error
