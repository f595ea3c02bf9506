"""Backups below a prefix of a bucket of S3: each in a folder of its own, its manifest there last.

s3://BUCKET/PREFIX/20260131T120000Z-0a1b2c3d/ringfence.db, …, backup.json

What has no manifest was interrupted and is none. Nothing is ever overwritten or taken away: the rules of the
bucket say how long backups stay.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.adapters.backup.manifest import MANIFEST, parse_manifest
from ringfence.adapters.landing.bucket_errors import bucket_of
from ringfence.adapters.landing.s3_place import S3Place, needs_s3
from ringfence.errors import CorruptError, InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ringfence.ports.backup import Backup

SCHEME: Final = "s3://"
_NAME: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_LARGEST: Final = 64 << 20  # bytes of a manifest


class Shelf:
    """The backups of one address, `s3://BUCKET/PREFIX`.

    Raises:
        InputError: where the address is none, no client can be made, or a library is missing.
    """

    def __init__(self, address: str) -> None:
        check_address(address)
        self.address = address.rstrip("/")
        self._place = S3Place(self.address, words=("backups at", ""))

    def put(self, made: Backup, copy: Path, suffix: int, tell: Callable[[int, int | None, str], None]) -> str:
        """Put a copy that `back_up` made there; its address. `StoreError` leaves something that is no backup.

        `suffix` tells backups of one second apart.
        """
        at = datetime.fromtimestamp(made.created_ms / 1000, UTC)
        name = f"{at:%Y%m%dT%H%M%SZ}-{suffix % (1 << 32):08x}"
        done = 0

        def heard(size: int) -> None:
            nonlocal done
            done += size
            tell(done, made.nbytes, "uploading")

        for file, expected in made.files.items():
            if self._place.put_file(f"{name}/{file}", copy / file, heard) != expected:
                raise StoreError(f"{copy / file} changed while it was uploaded: back up again")
        sizes = self._place.sizes(name)
        short = [file for file, (size, _) in made.files.items() if sizes.get(f"{name}/{file}") != size]
        if short:
            raise StoreError(f"{self.address}/{name}/{short[0]} is not there whole: back up again")
        if not self._place.create(f"{name}/{MANIFEST}", msgspec.json.format(msgspec.json.encode(made))):
            raise StoreError(f"{self.address}/{name} is there already: back up again")
        return f"{self.address}/{name}"

    def newest(self) -> tuple[BucketBackup, list[str]]:
        """The newest whole one, and the addresses of newer ones that are not; `InputError` for none."""
        skipped: list[str] = []
        for name in reversed([name for name in self._place.folders() if _NAME.fullmatch(name)]):
            found = self.named(name)
            if found.is_whole:
                return found, skipped
            skipped.append(found.address)
        raise InputError(
            f"there is no whole backup at {self.address}: name the prefix that `ringfence backup` was given, "
            "or one backup below it"
        )

    def named(self, name: str) -> BucketBackup:
        """The backup of a name, whole or not."""
        return BucketBackup(self._place, f"{self.address}/{name}", name)


class BucketBackup:
    """A `KeptBackup` of a bucket."""

    def __init__(self, place: S3Place, address: str, name: str) -> None:
        self.address = address
        self._place, self._name = place, name
        self._sizes = place.sizes(name)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there: copies in a second region arrive in any order."""
        if f"{self._name}/{MANIFEST}" not in self._sizes:
            return False
        told = parse_manifest(self.manifest(), self.address).files.items()
        return all(self._sizes.get(f"{self._name}/{file}") == size for file, (size, _) in told)

    def manifest(self) -> bytes:
        """See `KeptBackup.manifest`."""
        size = self._sizes.get(f"{self._name}/{MANIFEST}")
        if size is None:
            raise InputError(
                f"{self.address} is no backup, or one that was interrupted ({MANIFEST} is not there): name "
                "another one"
            )
        if size > _LARGEST:
            raise CorruptError(f"{self.address}/{MANIFEST} has {size:,} bytes: use another backup")
        return b"".join(self._place.pieces(f"{self._name}/{MANIFEST}", size))

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """See `KeptBackup.pieces`."""
        found = self._sizes.get(f"{self._name}/{name}")
        if found != size:
            said = "is missing" if found is None else f"has {found:,} bytes, not {size:,}"
            raise CorruptError(f"{self.address}/{name} of the backup {said}: use another one")
        return self._place.pieces(f"{self._name}/{name}", size)


def kept_at(address: str) -> tuple[BucketBackup, list[str]]:
    """The backup of an address, or the newest below it as of `Shelf.newest`; errors as of `Shelf`."""
    shelf, _, name = address.rstrip("/").rpartition("/")
    if _NAME.fullmatch(name):
        return Shelf(shelf).named(name), []
    return Shelf(address).newest()


def check_address(address: str) -> None:
    """`InputError` where backups cannot be kept there, or a library is missing."""
    if not address.startswith(SCHEME):
        raise InputError(f"{address} is no place for backups: give a folder, or s3://BUCKET/PREFIX")
    bucket_of(address)
    needs_s3("a backup on S3")
