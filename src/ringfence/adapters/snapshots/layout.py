"""One snapshot file: the arrays, one after the other, then an index with the checksum of each, then a footer.

    array bytes … | index (JSON) | length of index, u64 | xxh3 of index, u64 | magic, 8 bytes

The file is written front to back in one pass; a torn one lacks its footer. Numbers are little-endian.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from ringfence.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = b"RFSNAP03"
_FOOTER = struct.Struct("<QQ8s")
_CHUNK = 8 * 1024 * 1024  # still in the processor's cache when its checksum is taken
_SYNC_EVERY = 64 * 1024 * 1024  # small flushes on the way: one large one at the end would delay the log's


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after all events before `offset`: its arrays by name, and a header of JSON values."""

    offset: int
    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def write(file: int, arrays: Mapping[str, NDArray[Any]], header: dict[str, Any], offset: int) -> None:
    """Write a snapshot to an open file and flush it; safe in a forked child."""
    entries = []
    position = unsynced = 0
    for name, array in arrays.items():
        if array.dtype.hasobject or array.dtype.names:
            raise TypeError(
                f"array {name!r} has dtype {array.dtype}: a snapshot holds plain numbers and bytes"
            )
        data = _bytes_of(np.ascontiguousarray(array))
        digest = xxhash.xxh3_64()
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK]
            digest.update(chunk)
            _write_all(file, chunk)
            unsynced += len(chunk)
            if unsynced >= _SYNC_EVERY:
                os.fsync(file)
                unsynced = 0
        entries.append([name, array.dtype.str, list(array.shape), position, digest.intdigest()])
        position += len(data)
    index = json.dumps({"offset": offset, "header": header, "arrays": entries}).encode()
    _write_all(file, index + _FOOTER.pack(len(index), xxhash.xxh3_64_intdigest(index), _MAGIC))
    os.fsync(file)


def read(path: Path) -> Snapshot:
    """The snapshot in a file; `CorruptError` says what is wrong with it."""
    with path.open("rb", buffering=0) as file:
        index = _read_index(file, path)
        try:
            return Snapshot(int(index["offset"]), dict(index["header"]), _read_arrays(file, path, index))
        except (KeyError, ValueError, TypeError, MemoryError) as error:  # sound bytes of another making
            raise CorruptError(f"{path}: no state that this version can read ({error!r})") from error


def _read_arrays(file: Any, path: Path, index: dict[str, Any]) -> dict[str, NDArray[Any]]:
    arrays = {}
    expected = 0
    for name, dtype, shape, position, checksum in index["arrays"]:
        array = np.empty(shape, np.dtype(dtype))
        file.seek(position)
        if position != expected or _read_array(file, array) != checksum:
            raise CorruptError(f"{path}: array {name!r} fails its checksum")
        arrays[name] = array
        expected += array.nbytes
    return arrays


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _write_all(file: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _read_index(file: Any, path: Path) -> dict[str, Any]:
    size = file.seek(0, os.SEEK_END)
    if size < _FOOTER.size:
        raise CorruptError(f"{path}: torn, it holds {size} bytes")
    file.seek(size - _FOOTER.size)
    length, checksum, magic = _FOOTER.unpack(file.read(_FOOTER.size))
    if magic != _MAGIC or length > size - _FOOTER.size:
        raise CorruptError(f"{path}: torn, or no snapshot: its last bytes are not a snapshot's footer")
    file.seek(size - _FOOTER.size - length)
    index = file.read(length)
    if xxhash.xxh3_64_intdigest(index) != checksum:
        raise CorruptError(f"{path}: the index fails its checksum")
    decoded: dict[str, Any] = json.loads(index)
    return decoded


def _read_array(file: Any, array: NDArray[Any]) -> int:
    data = _bytes_of(array)
    digest = xxhash.xxh3_64()
    for start in range(0, len(data), _CHUNK):
        chunk = data[start : start + _CHUNK]
        done = 0
        while done < len(chunk):
            got = file.readinto(chunk[done:])
            if not got:
                return -1  # no checksum: the file is shorter than its index says
            done += got
        digest.update(chunk)
    return digest.intdigest()
