"""What a backup says of itself: what it holds, and the checksum of each file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec
import xxhash

from ringfence.errors import CorruptError, InputError
from ringfence.ports.backup import Backup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANIFEST: Final = "backup.json"
FORMAT: Final = 1
_CHUNK: Final = 4 * 1024 * 1024


def read_manifest(folder: Path) -> Backup:
    """Of the backup in a folder; `InputError` where there is none, `CorruptError` for a damaged one."""
    try:
        text = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise InputError(
            f"{folder} is no backup ({MANIFEST}: {error.strerror}): name one that `ringfence backup` wrote"
        ) from None
    try:
        found = msgspec.json.decode(text, type=Backup)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptError(f"{folder / MANIFEST} is damaged ({error}): use another backup") from None
    if found.format != FORMAT:
        raise InputError(
            f"{folder} has format {found.format}, this version reads {FORMAT}: use the Ringfence that wrote "
            f"it ({found.ringfence})"
        )
    return found


def copy(source: int, target: Path, heard: Callable[[int], None]) -> tuple[int, str]:
    """Copy an open file to a new one, on stable storage on return; its size and checksum.

    `heard` is told of bytes as they are copied.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = xxhash.xxh3_64(), 0
    file = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        while chunk := os.pread(source, _CHUNK, size):
            digest.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(file, view) :]
            size += len(chunk)
            heard(len(chunk))
        os.fsync(file)
    finally:
        os.close(file)
    return size, digest.hexdigest()


def sum_of(path: Path) -> tuple[int, str]:
    """Size and checksum of a file."""
    digest, size = xxhash.xxh3_64(), 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
