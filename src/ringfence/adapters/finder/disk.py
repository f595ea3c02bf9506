"""Pieces as folders: arrays that are mapped into memory, and rows packed in small blocks."""

from __future__ import annotations

import os
import shutil
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ringfence.adapters.finder.piece import ARRAYS, Piece, build
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ROWS: Final = "rows.arrow"
_BLOCK: Final = 512  # rows unpacked to see one


class FileListing:
    """Rows of a piece on disk; any thread may take some.

    A block is unpacked on the thread that asks: a pool takes many times longer over its small columns.
    """

    def __init__(self, path: Path) -> None:
        self._file = pa.memory_map(str(path))
        self._names = pa.ipc.open_file(self._file).schema.names
        self._readers: dict[tuple[str, ...] | None, Any] = {}

    def take(self, rows: Sequence[int], columns: tuple[str, ...] | None = None) -> list[Any]:
        reader = self._readers.get(columns) or self._open(columns)
        return [
            reader.get_batch(block).take(pa.array([row % _BLOCK for row in inside]))
            for block, inside in groupby(rows, lambda row: row // _BLOCK)
        ]

    def _open(self, columns: tuple[str, ...] | None) -> Any:
        fields = None if columns is None else [self._names.index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)
        return self._readers.setdefault(columns, pa.ipc.open_file(self._file, options=options))


def save(folder: Path, name: str, table: pa.Table, seed: int) -> Path:
    """Write the piece of some rows, all of it or nothing; one that is there already stays."""
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
        if not path.exists():
            partial.rename(path)
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"{path} cannot be written: {why}. Free space; the log is safe") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def load(path: Path) -> Piece:
    """The piece in a folder."""
    try:
        arrays: dict[str, Any] = {
            name: np.asarray(np.load(path / f"{name}.npy", mmap_mode="r")) for name in ARRAYS
        }
        return Piece(**arrays, listing=FileListing(path / _ROWS))
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise StoreError(
            f"{path} cannot be read ({error}): delete it, it is made again from the log"
        ) from error
