"""What a backup says of itself: what it holds, and the checksum of each file."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import msgspec
import xxhash

from ringfence.errors import CorruptError, InputError
from ringfence.ports.backup import Backup
from ringfence.store import BUS, CASES, KEYS, LOG, TRAIL, VAULT, VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

MANIFEST: Final = "backup.json"
FORMAT: Final = 1
_DATABASES: Final = (LOG, KEYS, TRAIL, BUS, CASES, VAULT, VIEWS)
_FOLDERS: Final = ("models", "snapshots")
_YEAR_10000_MS: Final = 253_402_300_800_000
CHUNK: Final = 4 << 20


class _Version(msgspec.Struct, frozen=True):
    """What the manifest of every version says."""

    format: int
    ringfence: str


def parse_manifest(text: bytes, address: str) -> Backup:
    """The manifest of a backup; `CorruptError` for a damaged one, `InputError` for one of another version."""
    try:
        version = msgspec.json.decode(text, type=_Version)
        if version.format != FORMAT:  # what else another version writes, nobody knows here
            raise InputError(
                f"{address} has format {version.format}, this version reads {FORMAT}: use the Ringfence that "
                f"wrote it ({version.ringfence})"
            )
        found = msgspec.json.decode(text, type=Backup)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptError(f"{address}/{MANIFEST} is damaged ({error}): use another backup") from None
    if not 0 <= found.created_ms < _YEAR_10000_MS:
        raise CorruptError(f"{address}/{MANIFEST} is damaged (created_ms): use another backup")
    for name in found.files:
        if not _is_ours(name):
            raise CorruptError(f"{address} names a file that no backup has ({name!r}): use another backup")
    if LOG not in found.files:
        raise CorruptError(f"{address} has no {LOG}: use another backup")
    return found


def _is_ours(name: str) -> bool:
    """Whether a backup writes such a name: databases at the top, and what is in two folders."""
    path = PurePosixPath(name)
    if name in _DATABASES:
        return True
    is_plain = str(path) == name and ".." not in path.parts and "\0" not in name
    return is_plain and len(path.parts) > 1 and path.parts[0] in _FOLDERS


def copy(pieces: Iterable[bytes], target: Path, heard: Callable[[int], None]) -> tuple[int, str]:
    """Write pieces to a new file, which is on stable storage on return; its size and checksum.

    `heard` is told of bytes as they are copied.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)

    def write(piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            view = view[os.write(file, view) :]
        heard(len(piece))

    try:
        found = summed(pieces, write)
        os.fsync(file)
    finally:
        os.close(file)
    return found


def read_open(descriptor: int) -> Iterator[bytes]:
    """An open file from its beginning, some MB at a time."""
    at = 0
    while piece := os.pread(descriptor, CHUNK, at):
        yield piece
        at += len(piece)


def summed(pieces: Iterable[bytes], each: Callable[[bytes], object]) -> tuple[int, str]:
    """Size and checksum of pieces together; `each` gets them one by one."""
    digest, size = xxhash.xxh3_64(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        each(piece)
    return size, digest.hexdigest()


def sum_of(path: Path) -> tuple[int, str]:
    """Size and checksum of a file."""
    with path.open("rb", buffering=0) as file:
        return summed(iter(lambda: file.read(CHUNK), b""), lambda _: None)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
