"""Where files land: a folder or a prefix of an S3 bucket, with the same few operations."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ringfence.adapters.landing.access import ZoneAccess
from ringfence.adapters.s3.place import S3Place, needs_s3
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Place(Protocol):
    """Files by name; a name is a path with slashes. `StoreError` where the place cannot be reached."""

    @property
    def address(self) -> str:
        """As people know it."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Put a whole file there, to stay; False, and nothing changes, where the name is taken."""
        ...

    def read(self, name: str) -> bytes | None:
        """All of a file, None where there is none."""
        ...

    def names(self, folder: str, after: str = "") -> list[str]:
        """Names below a folder that sort behind `after`, sorted."""
        ...

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of each file below a folder, by name, in the order of names."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Take files away; one that is not there is fine."""
        ...


def open_place(address: str) -> Place:
    """A folder, or `s3://bucket/prefix`; `InputError` for an address of another kind.

    On S3 region, endpoint and credentials are those of every part that asks AWS, see `s3_access`.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return Folder(Path(address))
    if scheme == "file":
        return Folder(Path(rest))
    if scheme != "s3" or not rest.strip("/"):
        raise InputError(f"{address} is no landing zone: give a folder, or s3://BUCKET/PREFIX")
    needs_s3("a landing zone on S3")
    return S3Place(address)


class Folder:
    """A folder of this machine. A file is there whole, on stable storage, or not at all.

    Who creates and removes files is told in its folder `_access`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._access = ZoneAccess(path)
        self.address = str(path)

    def create(self, name: str, content: bytes) -> bool:
        """See `Place.create`."""
        path = self._path / name
        with self._explained():
            if path.exists():
                return False
            self._access.tell("create", [(name, {"bytes": len(content)})])
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(prefix=".", suffix=".partial", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(partial, path)
                except FileExistsError:
                    return False
            finally:
                Path(partial).unlink(missing_ok=True)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return True

    def read(self, name: str) -> bytes | None:
        """See `Place.read`."""
        with self._explained():
            try:
                return (self._path / name).read_bytes()
            except FileNotFoundError:
                return None

    def names(self, folder: str, after: str = "") -> list[str]:
        """See `Place.names`."""
        with self._explained():
            if self._path.exists() and not self._path.is_dir():
                raise NotADirectoryError(20, "is no folder")
            found = (
                str(path.relative_to(self._path))
                for path in (self._path / folder).rglob("*")
                if not path.name.startswith(".") and path.is_file()
            )
            return sorted(name for name in found if name > after)

    def sizes(self, folder: str) -> dict[str, int]:
        """See `Place.sizes`."""
        with self._explained():
            return {name: (self._path / name).stat().st_size for name in self.names(folder)}

    def remove(self, names: Iterable[str]) -> None:
        """See `Place.remove`."""
        with self._explained():
            there = [name for name in names if (self._path / name).exists()]
            self._access.tell("remove", ((name, {}) for name in there))
            for name in there:
                path = self._path / name
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # others are in it
                    path.parent.rmdir()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = error.strerror or error
            raise StoreError(
                f"the landing zone {self.address}: {why}. Free space or see to its rights; the log is safe"
            ) from error
