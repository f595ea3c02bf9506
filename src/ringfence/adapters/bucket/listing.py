"""The files under a prefix of a bucket, without what writers leave beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.aws.clients import explained
from ringfence.errors import InputError

if TYPE_CHECKING:
    from ringfence.adapters.bucket.address import BucketAddress

_MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class BucketFile:
    """An object as it was listed."""

    key: str
    etag: str
    at: float  # seconds since 1970
    told: str  # the same, as ISO 8601


def files_in(client: Any, address: BucketAddress) -> dict[str, BucketFile]:
    """By name; `InputError` where there is no such bucket, or too much in it, `StoreError` if AWS refuses."""
    found: dict[str, BucketFile] = {}
    with explained(f"bucket {address.bucket}"):
        try:
            pages = client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=address.bucket, Prefix=address.prefix):
                files = (_file(told) for told in page.get("Contents", []) if _is_file(told, address.prefix))
                found |= {file.key: file for file in files}
                if len(found) > _MOST:
                    raise InputError(f"{address.shown} has more than {_MOST:,} files: name a longer prefix")
        except client.exceptions.NoSuchBucket:
            raise InputError(
                f"there is no bucket {address.bucket!r} for {client.meta.region_name}: look at its name and "
                "region"
            ) from None
    return found


def _is_file(told: dict[str, Any], prefix: str) -> bool:
    """Not a folder, nor a marker, nor what a writer has not finished."""
    key = told["Key"].removeprefix(prefix)
    is_hidden = any(part[:1] in ("_", ".") for part in key.split("/"))
    return told["Size"] > 0 and not is_hidden and not key.endswith("_$folder$")


def _file(told: dict[str, Any]) -> BucketFile:
    at = told["LastModified"]
    iso = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return BucketFile(told["Key"], told["ETag"], at.timestamp(), iso)
