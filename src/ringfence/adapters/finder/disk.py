"""Pieces as folders: arrays that are mapped into memory, rows packed in small blocks, and checksums of both.

A mapped file needs no descriptor once it is mapped: an index of any length holds none.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import xxhash

from ringfence.adapters.finder import beginnings
from ringfence.adapters.finder.piece import ARRAYS, Piece, build
from ringfence.adapters.finder.rows import SCHEMA
from ringfence.errors import CorruptError, StoreError
from ringfence.events.ids.hashing import mark_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_ROWS: Final = "rows.arrow"
_IDS: Final = "ids.arrow"
_NAME: Final = re.compile(r"(\d{20})-(\d{20})")
_SUMS: Final = "sums.json"
_HEAD: Final = 4096  # more than the header of an array file
_BLOCK: Final = 512  # rows unpacked to see one


class FileListing:
    """Rows of a piece on disk; any thread may take some.

    A block is unpacked on the thread that asks: a pool takes many times longer over its small columns.
    """

    def __init__(self, mapped: pa.Buffer, ids: pa.Buffer | None) -> None:
        """`ids` are those in order; None of a piece that was written before it had them."""
        self._file = mapped
        self._ids = None if ids is None else _whole(pa.ipc.open_file(ids).read_all().column(0))
        self._names = pa.ipc.open_file(mapped).schema.names
        self._readers: dict[tuple[str, ...] | None, Any] = {}

    def take(self, rows: Sequence[int], columns: tuple[str, ...] | None = None) -> list[Any]:
        reader = self._readers.get(columns) or self._open(columns)
        names = SCHEMA.names if columns is None else columns
        return [
            _widened(reader.get_batch(block).take(pa.array([row % _BLOCK for row in inside])), names)
            for block, inside in groupby(rows, lambda row: row // _BLOCK)
        ]

    def beginning(self, column: str, start: str, most: int) -> list[str]:
        if self._ids is not None:
            return beginnings.beginning(self._ids, column, start, most)
        table = pa.ipc.open_file(self._file, options=_only([self._names.index(column)])).read_all()
        return beginnings.scanned(table.column(0), start, most)

    def _open(self, columns: tuple[str, ...] | None) -> Any:
        there = None if columns is None else [name for name in columns if name in self._names]
        fields = None if there is None else [self._names.index(name) for name in there]
        return self._readers.setdefault(columns, pa.ipc.open_file(self._file, options=_only(fields)))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece; where it is, it stays in its file: putting chunks together copies even one."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _only(fields: list[int] | None) -> Any:
    return pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)


def _widened(rows: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """The rows with all of these columns: a piece that was written before a column was has nulls there."""
    if len(rows.schema) == len(names):
        return rows
    there = dict(zip(rows.schema.names, rows.columns, strict=True))
    columns = [there.get(name, pa.nulls(len(rows), SCHEMA.field(name).type)) for name in names]
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def spans(folder: Path) -> list[tuple[int, int]]:
    """Offsets of the pieces that are there, the first of each and the one after it, ascending."""
    found = (_NAME.fullmatch(path.name) for path in folder.glob("*-*"))
    return sorted((int(name[1]), int(name[2])) for name in found if name)


def name_of(first: int, after: int) -> str:
    """The folder of a piece."""
    return f"{first:020d}-{after:020d}"


def remove(path: Path) -> None:
    """Take away what is there, whatever it is; it stays where it must."""
    with suppress(OSError):
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def save(folder: Path, name: str, table: pa.Table, seed: int) -> Path:
    """Write the piece of some rows, all of it or nothing, in place of one that is there."""
    path, partial = folder / name, folder / f"{name}.{os.getpid()}.partial"
    ordered, arrays = build(table, seed)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700, parents=True)
        for array in ARRAYS:
            np.save(partial / f"{array}.npy", arrays[array])
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(str(partial / _ROWS), ordered.schema, options=options) as writer:
            writer.write_table(ordered.combine_chunks(), max_chunksize=_BLOCK)
        with pa.ipc.new_file(str(partial / _IDS), beginnings.SCHEMA) as writer:
            writer.write_table(beginnings.ordered(ordered).combine_chunks())
        files = (_ROWS, _IDS, *(f"{one}.npy" for one in ARRAYS))
        sums = {name: _sum_of(_map(partial / name)) for name in files}
        (partial / _SUMS).write_text(json.dumps({"log": mark_of(seed), "files": sums}))
        remove(path)
        partial.rename(path)
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"{path} cannot be written: {why}. Free space; the log is safe") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def load(path: Path, seed: int) -> Piece:
    """The piece in a folder; `CorruptError` unless it is of this log, and all of it as it was written."""
    try:
        told = json.loads((path / _SUMS).read_bytes())
        if told["log"] != mark_of(seed):
            raise CorruptError(f"{path} belongs to another log")
        sums = told["files"]
        files = {name: _map(path / name) for name in sums}
        changed = [name for name, mapped in files.items() if _sum_of(mapped) != sums[name]]
        if changed:
            raise CorruptError(f"{path / changed[0]} fails its checksum")
        arrays: dict[str, Any] = {name: _array(files[f"{name}.npy"]) for name in ARRAYS}
        return Piece(**arrays, listing=FileListing(files[_ROWS], files.get(_IDS)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowInvalid) as error:
        raise CorruptError(f"{path} cannot be read ({error})") from error


def rows(path: Path) -> pa.Table:
    """All rows of a stored piece."""
    return pa.ipc.open_file(_map(path / _ROWS)).read_all()


def last_payment(path: Path) -> int:
    """Offset of the last payment in a stored piece; 0 where it cannot be read."""
    try:
        return int(_array(_map(path / "offset.npy")).max())
    except (OSError, ValueError):
        return 0


def tidy(folder: Path) -> None:
    """Take away what a process that was killed had begun."""
    for path in folder.glob("*.partial"):
        remove(path)


def _map(path: Path) -> pa.Buffer:
    """A file's bytes, mapped; the mapping lives as long as they are used, the descriptor ends here."""
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()


def _sum_of(mapped: pa.Buffer) -> str:
    return str(xxhash.xxh3_64_hexdigest(mapped))


def _array(mapped: pa.Buffer) -> NDArray[Any]:
    """What `np.save` wrote, not copied."""
    head = io.BytesIO(mapped.slice(0, min(mapped.size, _HEAD)).to_pybytes())
    np.lib.format.read_magic(head)
    shape, _, dtype = np.lib.format.read_array_header_1_0(head)
    return np.frombuffer(mapped, dtype, offset=head.tell()).reshape(shape)
