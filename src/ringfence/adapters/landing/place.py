"""Where files land: a folder or a prefix of an S3 bucket, with the same few operations."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ringfence.adapters.emulator_address import MACHINES_ROLE, refuse_emulator, refuse_role_elsewhere
from ringfence.adapters.landing.access import ZoneAccess
from ringfence.adapters.landing.bucket_errors import explained_s3, refuse_wrong
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_ATTEMPTS: Final = 6  # of one create that others get in the way of
_FIRST_WAIT_SECONDS: Final = 0.05


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

    On S3 the usual environment counts: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
    AWS_REGION, AWS_ENDPOINT_URL (refused where a role signs in), or the role of the machine.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return Folder(Path(address))
    if scheme == "file":
        return Folder(Path(rest))
    if scheme != "s3" or not rest.strip("/"):
        raise InputError(f"{address} is no landing zone: give a folder, or s3://BUCKET/PREFIX")
    if find_spec("obstore") is None:
        raise InputError("a landing zone on S3 needs one more library: pip install 'ringfence[landing]'")
    refuse_emulator()
    if not os.environ.get("AWS_ACCESS_KEY_ID"):  # else the library asks for those of the machine's role
        refuse_role_elsewhere(MACHINES_ROLE)
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


class S3Place:
    """A prefix of an S3 bucket, through `obstore`, which itself repeats what fails for a while (503)."""

    def __init__(self, address: str, sleep: Callable[[float], None] = time.sleep) -> None:
        from obstore import store  # noqa: PLC0415 (an extra)

        self.address = address
        self._sleep = sleep
        refuse_wrong(address)
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        self._store: Any = store.from_url(
            address.rstrip("/"), client_options={"allow_http": endpoint.startswith("http://")}
        )

    def create(self, name: str, content: bytes) -> bool:
        """See `Place.create`.

        A conditional put answers 412 where the name is taken, and 409 where another put of it is under way:
        then there may be nothing yet, and it is tried again.
        """
        import obstore  # noqa: PLC0415 (an extra)
        from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415

        with explained_s3(self.address, "s3:PutObject"):
            for attempt in range(_ATTEMPTS):
                try:
                    obstore.put(self._store, name, content, mode="create", use_multipart=False)
                except (AlreadyExistsError, PreconditionError):
                    if self.read(name) is not None:
                        return False
                    self._sleep(_FIRST_WAIT_SECONDS * 2**attempt)
                else:
                    return True
        raise StoreError(f"{self.address}/{name}: another process keeps writing it. It is tried again")

    def read(self, name: str) -> bytes | None:
        """See `Place.read`."""
        import obstore  # noqa: PLC0415 (an extra)

        with explained_s3(self.address, "s3:GetObject"):
            try:
                return bytes(obstore.get(self._store, name).bytes())
            except FileNotFoundError:  # obstore's NotFoundError is one
                return None

    def names(self, folder: str, after: str = "") -> list[str]:
        """See `Place.names`."""
        return [name for name, _ in self._listed(folder, after)]

    def sizes(self, folder: str) -> dict[str, int]:
        """See `Place.sizes`."""
        return dict(self._listed(folder, ""))

    def _listed(self, folder: str, after: str) -> list[tuple[str, int]]:
        import obstore  # noqa: PLC0415 (an extra)

        with explained_s3(self.address, "s3:ListBucket"):
            found = obstore.list(self._store, prefix=folder, offset=after or None)
            return sorted(
                (item["path"], item["size"]) for page in found for item in page if item["path"] > after
            )

    def remove(self, names: Iterable[str]) -> None:
        """See `Place.remove`."""
        import obstore  # noqa: PLC0415 (an extra)

        with explained_s3(self.address, "s3:DeleteObject"):
            wanted = list(names)
            if wanted:
                obstore.delete(self._store, wanted)
