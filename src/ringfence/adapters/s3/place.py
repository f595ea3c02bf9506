"""A prefix of a bucket of S3, through `obstore`, which repeats what fails for a while (503) by itself."""

from __future__ import annotations

import time
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast

import xxhash

from ringfence.adapters.s3.errors import bucket_of, explained_s3
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from obstore.store import S3CredentialProvider

_ATTEMPTS: Final = 6  # of one create that others get in the way of
_FIRST_WAIT_SECONDS: Final = 0.05
_PART: Final = 8 << 20  # bytes of a file that travel at a time
_PARTS: Final = 9_000  # of one upload; S3 takes 10,000
_AT_ONCE: Final = 4
_PIECE: Final = 1 << 20


def needs_s3(what: str) -> None:
    """`InputError` where a library that `what` needs is not installed."""
    if any(find_spec(name) is None for name in ("boto3", "obstore")):
        raise InputError(f"{what} needs more libraries: pip install 'ringfence[landing]'")


class S3Place:
    """A `Place` on S3, and a way for files that are too large for memory.

    Args:
        address: `s3://BUCKET`, or `s3://BUCKET/PREFIX`.
        sleep: waits so many seconds.
        what: how errors call it.
        end: what they end with.

    Raises:
        InputError: where the bucket has no name that S3 gives, or no client can be made.
    """

    def __init__(
        self,
        address: str,
        sleep: Callable[[float], None] = time.sleep,
        *,
        what: str = "the landing zone",
        end: str = "; the log is safe",
    ) -> None:
        from obstore.store import S3Store  # noqa: PLC0415 (an extra)

        from ringfence.adapters.aws.clients import s3_access  # noqa: PLC0415 (likewise)

        self.address = address
        self._sleep, self._what, self._end = sleep, f"{what} {address}", end
        bucket, prefix = bucket_of(address)
        access = s3_access()
        self._credentials = access.credentials
        self._store: Any = S3Store(
            bucket,
            prefix=prefix or None,
            region=access.region,
            endpoint=access.endpoint,
            virtual_hosted_style_request=False,
            credential_provider=cast("S3CredentialProvider", access.credentials),
            client_options={"allow_http": access.endpoint.startswith("http://")},
        )

    def create(self, name: str, content: bytes) -> bool:
        """See `Place.create`.

        A conditional put answers 412 where the name is taken, and 409 where another put of it is under way:
        then there may be nothing yet, and it is tried again.
        """
        import obstore  # noqa: PLC0415 (an extra)
        from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415

        with self._explained("s3:PutObject"):
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

        with self._explained("s3:GetObject"):
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

    def remove(self, names: Iterable[str]) -> None:
        """See `Place.remove`."""
        import obstore  # noqa: PLC0415 (an extra)

        with self._explained("s3:DeleteObject"):
            wanted = list(names)
            if wanted:
                obstore.delete(self._store, wanted)

    def folders(self) -> list[str]:
        """Names of the folders that are right below, sorted; what is in them is not looked at."""
        import obstore  # noqa: PLC0415 (an extra)

        with self._explained("s3:ListBucket"):
            found = obstore.list_with_delimiter(self._store)["common_prefixes"]
            return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def put_file(self, name: str, path: Path, heard: Callable[[int], None]) -> tuple[int, str]:
        """Put a file there in parts, in place of what has the name; its size and checksum as it was read.

        No more than four parts are in memory, and S3 checks each. One that fails is tried again; of an upload
        that fails nothing is there. `heard` is told of bytes as they are read.
        """
        import obstore  # noqa: PLC0415 (an extra)

        part = max(_PART, -(-path.stat().st_size // _PARTS))
        digest, size = xxhash.xxh3_64(), 0

        def pieces() -> Iterator[bytes]:
            nonlocal size
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    size += len(piece)
                    heard(len(piece))
                    yield piece

        with self._explained("s3:PutObject"):
            if path.stat().st_size <= part:
                obstore.put(self._store, name, b"".join(pieces()), use_multipart=False)
            else:
                obstore.put(self._store, name, pieces(), chunk_size=part, max_concurrency=_AT_ONCE)
        return size, digest.hexdigest()

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """The first `size` bytes of a file that has so many, a part at a time; each is tried again."""
        import obstore  # noqa: PLC0415 (an extra)

        for begin in range(0, size, _PART):
            with self._explained("s3:GetObject"):
                piece = obstore.get_range(self._store, name, start=begin, end=min(begin + _PART, size))
            yield bytes(piece)

    def _listed(self, folder: str, after: str) -> list[tuple[str, int]]:
        import obstore  # noqa: PLC0415 (an extra)

        with self._explained("s3:ListBucket"):
            found = obstore.list(self._store, prefix=folder, offset=after or None)
            return sorted(
                (item["path"], item["size"]) for page in found for item in page if item["path"] > after
            )

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        """Errors as `StoreError`. Credentials are looked up before: within the library they have no words."""
        from ringfence.adapters.aws.clients import explained  # noqa: PLC0415 (an extra)

        with explained(self._what, self._end):
            self._credentials.check()
        with explained_s3(self._what, action, self._end):
            yield
