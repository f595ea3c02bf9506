"""Pieces as folders: arrays that are mapped into memory, and rows packed in small blocks."""

from __future__ import annotations

import os
import shutil
from functools import lru_cache
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
_CACHED: Final = 24  # blocks of one piece kept unpacked


class FileListing:
    """Rows of a piece on disk; any thread may take some."""

    def __init__(self, path: Path) -> None:
        self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self._block = lru_cache(maxsize=_CACHED)(self._reader.get_batch)

    def take(self, rows: Sequence[int]) -> list[Any]:
        blocks: dict[int, list[int]] = {}
        for row in rows:
            blocks.setdefault(row // _BLOCK, []).append(row % _BLOCK)
        return [self._block(block).take(pa.array(inside)) for block, inside in blocks.items()]


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
        arrays: dict[str, Any] = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        return Piece(**arrays, listing=FileListing(path / _ROWS))
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise StoreError(
            f"{path} cannot be read ({error}): delete it, it is made again from the log"
        ) from error
