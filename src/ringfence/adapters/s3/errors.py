"""Addresses of buckets that cannot be right, and what S3 refuses, with action, resource and remedy."""

from __future__ import annotations

import contextlib
import re
from html import unescape
from typing import TYPE_CHECKING, Final

from ringfence.adapters.aws_refusals import refusal_of, words_of
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TOLD: Final = re.compile(r"<(Code|Message|Region)>(.*?)</\1>", re.DOTALL)
_STATUS: Final = re.compile(r"status code: (\d{3})")


def bucket_of(address: str) -> tuple[str, str]:
    """Bucket and prefix of an address; `InputError` where the bucket has no name that S3 gives.

    >>> bucket_of("s3://lake/zone/")
    ('lake', 'zone')
    """
    bucket, _, prefix = address.partition("://")[2].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise InputError(f"{bucket!r} is no name of a bucket: write s3://BUCKET/PREFIX")
    return bucket, prefix.strip("/")


@contextlib.contextmanager
def explained_s3(what: str, action: str, end: str = "") -> Iterator[None]:
    """Errors of `obstore` as `StoreError`; `action` is the right that the call asks for."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 (an extra)

    try:
        yield
    except (BaseError, OSError) as error:
        raise StoreError(f"{what}: {_said(str(error), action)}{end}") from error


def _said(text: str, action: str) -> str:
    """The library gives the whole answer of S3 in its message, and on other lines what it is made of."""
    told = {name: unescape(value) for name, value in _TOLD.findall(text)}
    if "Code" in told:
        status = _STATUS.search(text)
        message, region = told.get("Message", ""), told.get("Region", "")
        return refusal_of(action, told["Code"], message, int(status[1]) if status else 0, region)
    if "redirect without LOCATION" in text:
        return f"{action} fails: the bucket is in another region: set AWS_REGION"
    first = words_of((text.strip() or "no reason given").splitlines()[0])
    return f"{action} fails ({first}): look at the bucket, at the region in it, and at the network"
