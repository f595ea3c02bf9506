"""Where a backup is read from: a folder. `bucket` has those of a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ringfence.adapters.backup.manifest import CHUNK, MANIFEST
from ringfence.errors import CorruptError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class KeptBackup(Protocol):
    """One backup where it is kept. Its files are those that its manifest names."""

    @property
    def address(self) -> str:
        """As people know it."""
        ...

    def manifest(self) -> bytes:
        """The text of `backup.json`; `InputError` where there is none."""
        ...

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """A file of so many bytes, some MB at a time; `CorruptError` for one that cannot be read."""
        ...


class FolderBackup:
    """A backup in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = str(folder)

    def manifest(self) -> bytes:
        """See `KeptBackup.manifest`."""
        try:
            return (self._folder / MANIFEST).read_bytes()
        except OSError as error:
            raise InputError(
                f"{self.address} is no backup ({MANIFEST}: {error.strerror}): name one that `ringfence "
                "backup` wrote"
            ) from None

    def pieces(self, name: str, size: int) -> Iterator[bytes]:  # noqa: ARG002 (its checksum tells as much)
        """See `KeptBackup.pieces`."""
        try:
            with (self._folder / name).open("rb", buffering=0) as file:
                while piece := file.read(CHUNK):
                    yield piece
        except OSError as error:
            raise CorruptError(
                f"{self._folder / name} of the backup cannot be read ({error.strerror}): use another one"
            ) from None
