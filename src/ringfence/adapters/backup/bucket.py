"""Backups below a prefix of a bucket of S3: each in a folder of its own, its manifest there last.

s3://BUCKET/PREFIX/20260131T120000123Z-0a1b2c3d4e5f6071/begun, ringfence.db, …, backup.json

The name has the time, eight digits of the log's identity and eight of chance. What has no manifest was
interrupted and is no backup. Nothing is ever overwritten or taken away: the rules of the bucket say how long
backups stay.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
import xxhash

from ringfence.adapters.backup.manifest import MANIFEST, parse_manifest
from ringfence.adapters.s3.errors import bucket_of
from ringfence.adapters.s3.place import S3Place, needs_s3
from ringfence.errors import CorruptError, InputError, StoreError
from ringfence.masking import lettered, list_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ringfence.ports.backup import Backup

SCHEME: Final = "s3://"
_NAME: Final = re.compile(r"\d{8}T\d{6}(?:\d{3})?Z-([0-9a-f]{8})[0-9a-f]{8}")
_LARGEST: Final = 64 << 20  # bytes of a manifest


class BackupBucket:
    """The backups at one address, `s3://BUCKET/PREFIX`.

    Raises:
        InputError: where the address is none, no client can be made, or a library is missing.
    """

    def __init__(self, address: str) -> None:
        check_address(address)
        self.address = address.rstrip("/")
        self._place = S3Place(self.address, what="backups at", end="")

    def begin(self, store_id: str, now_ms: int, chance: int) -> str:
        """Take a name for a backup of a log, before a copy is made; `StoreError` where nothing may be put."""
        name = backup_name(store_id, now_ms, chance)
        if not self._place.create(f"{name}/begun", b""):
            raise StoreError(f"{self.address}/{name} is there already: back up again")
        return name

    def put(self, name: str, made: Backup, copy: Path, tell: Callable[[int, int | None, str], None]) -> str:
        """Put a copy that `back_up` made there; its address. `StoreError` leaves what is no backup."""
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

    def newest(self, store_id: str | None = None) -> tuple[BucketBackup, list[str]]:
        """The newest whole one of a log, and what is wrong with newer ones.

        `InputError` where there is none, or where no log is named and there are backups of several.
        """
        found = {name: told[1] for name in self._place.folders() if (told := _NAME.fullmatch(name))}
        if store_id is not None:
            found = {name: mark for name, mark in found.items() if mark == _mark_of(store_id)}
        if len(set(found.values())) > 1:
            newest = {mark: name for name, mark in sorted(found.items())}
            raise InputError(
                f"{self.address} has backups of {len(newest)} logs: name one of them, whose newest are "
                + list_ids(sorted(newest.values())[-5:], "or")
            )
        skipped: list[str] = []
        for name in sorted(found, reverse=True):
            backup = self.named(name)
            try:
                if backup.is_whole:
                    return backup, skipped
                skipped.append(f"{backup.address} is not whole")
            except (CorruptError, InputError) as error:
                skipped.append(str(error))
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


def kept_at(address: str, store_id: str | None = None) -> tuple[BucketBackup, list[str]]:
    """The backup of an address, or the newest below it; errors as of `BackupBucket` and its `newest`."""
    prefix, _, name = address.rstrip("/").rpartition("/")
    if _NAME.fullmatch(name):
        return BackupBucket(prefix).named(name), []
    return BackupBucket(address).newest(store_id)


def check_address(address: str) -> None:
    """`InputError` where backups cannot be kept there, or a library is missing."""
    if not address.startswith(SCHEME):
        raise InputError(f"{address} is no place for backups: give a folder, or s3://BUCKET/PREFIX")
    bucket_of(address)
    needs_s3("a backup on S3")


def backup_name(store_id: str, now_ms: int, chance: int) -> str:
    """The name of a backup: names of one log sort by time, and none looks like a card number.

    >>> backup_name("0a1b2c3d", 1_800_000_000_005, 0x12345678)
    '20270115T080000005Z-227e9f37b234567c'
    """
    at = datetime.fromtimestamp(now_ms / 1000, UTC)
    moment = f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03}Z"  # two of one second have an order, too
    return f"{moment}-{_mark_of(store_id)}{lettered(f'{chance % (1 << 32):08x}')}"


def _mark_of(store_id: str) -> str:
    return xxhash.xxh32_hexdigest(store_id.encode())
