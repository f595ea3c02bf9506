"""Arrow IPC streams of one record batch, written from NumPy arrays.

All batches of one schema begin with the same bytes, and what says where their buffers are differs in numbers
only. So both are taken from a sample that Arrow has written, and a batch costs what its values cost: a step
of a few payments spent more on being an Arrow table than on being decided.

    schema, dictionaries │ rows, lengths and places of buffers │ buffers │ end
    always the same      │ the sample's, with other numbers    │ values  │ always the same
"""

from __future__ import annotations

from struct import pack_into, unpack_from
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MARK: Final = 8  # bytes before a message's head: a mark, and the head's length
_END: Final = b"\xff\xff\xff\xff\0\0\0\0"
_PADDING: Final = tuple(bytes(-size % 8) for size in range(8))


class Field(Protocol):
    """A column that can be written."""

    def put(self, body: Body) -> None:
        """Add its arrays and buffers, as the columnar format lays them out for its type."""
        ...


class Body:
    """Arrays and buffers of one batch, in order."""

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self.nodes: list[int] = []  # of each array: values, nulls
        self.spans: list[int] = []  # of each buffer: place, bytes
        self.size = 0

    def array(self, length: int, *buffers: Any, nulls: int = 0) -> None:
        """An array and the bytes of its buffers, none for a validity where nothing is null."""
        self.nodes += (length, nulls)
        for data in buffers:
            size = len(data)
            self.spans += (self.size, size)
            if size:
                self._add(data, size)

    def matrix(self, values: Any, known: Any) -> None:
        """Arrays of float64, the rows of a matrix, with a mask of the same shape of what is not null."""
        rows, width = values.shape
        bits = np.zeros((rows, 8 * (-(-width // 64))), np.uint8)
        packed = np.packbits(known, axis=1, bitorder="little")
        bits[:, : packed.shape[1]] = packed
        nodes, spans = np.empty((rows, 2), np.int64), np.empty((rows, 2, 2), np.int64)
        nodes[:, 0], nodes[:, 1] = width, width - np.count_nonzero(known, axis=1)
        number = np.arange(rows)
        spans[:, 0, 0], spans[:, 0, 1] = self.size + number * bits.shape[1], packed.shape[1]
        spans[:, 1, 0], spans[:, 1, 1] = self.size + bits.size + number * 8 * width, 8 * width
        self.nodes += nodes.ravel().tolist()
        self.spans += spans.ravel().tolist()
        self._add(bits.data, bits.nbytes)
        self._add(np.ascontiguousarray(values).data, values.nbytes)

    def _add(self, data: Any, size: int) -> None:
        """Put bytes after what there is; the next ones begin at a multiple of eight."""
        self.parts.append(data)
        self.size += size
        if over := size % 8:
            self.parts.append(_PADDING[over])
            self.size += 8 - over


class Stream:
    """Writes batches of one schema."""

    def __init__(self, schema: pa.Schema, dictionaries: Mapping[str, Any]) -> None:
        """`dictionaries` are the words of the columns that are codes."""
        sample = pa.RecordBatch.from_arrays(
            [
                pa.DictionaryArray.from_arrays(pa.nulls(1, pa.int8()), dictionaries[field.name])
                if field.name in dictionaries
                else pa.nulls(1, field.type)
                for field in schema
            ],
            schema=schema,
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(sample)
        message: bytes = sample.serialize().to_pybytes()
        self._first: bytes = sink.getvalue().to_pybytes().removesuffix(message + _END)
        (size,) = unpack_from("<i", message, 4)
        self._head = message[: _MARK + size]
        root = _target(self._head, _MARK)
        batch = _target(self._head, _place(self._head, root, 2))
        self._body_bytes = _place(self._head, root, 3)
        self._rows = _place(self._head, batch, 0)
        self._nodes = _target(self._head, _place(self._head, batch, 1)) + 4
        self._spans = _target(self._head, _place(self._head, batch, 2)) + 4

    def write(self, rows: int, fields: Iterable[Field]) -> bytes:
        """The stream of one batch; the fields in the order of the schema."""
        body = Body()
        for field in fields:
            field.put(body)
        head = bytearray(self._head)
        pack_into("<q", head, self._body_bytes, body.size)
        pack_into("<q", head, self._rows, rows)
        pack_into(f"<{len(body.nodes)}q", head, self._nodes, *body.nodes)
        pack_into(f"<{len(body.spans)}q", head, self._spans, *body.spans)
        return b"".join([self._first, head, *body.parts, _END])


def _target(data: bytes, at: int) -> int:
    """Where the offset at a place of a flatbuffer leads."""
    (offset,) = unpack_from("<I", data, at)
    return at + int(offset)


def _place(data: bytes, table: int, number: int) -> int:
    """Where a table of a flatbuffer has its field of this number."""
    (back,) = unpack_from("<i", data, table)
    (offset,) = unpack_from("<H", data, table - back + 4 + 2 * number)
    return table + int(offset)
