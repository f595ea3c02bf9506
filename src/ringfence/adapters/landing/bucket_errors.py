"""Addresses of buckets that cannot be right, and what S3 refuses, with action, resource and remedy."""

from __future__ import annotations

import contextlib
import os
import re
from html import unescape
from typing import TYPE_CHECKING, Final

from ringfence.adapters.aws_refusals import NO_CREDENTIALS, NO_REGION, refusal_of, words_of
from ringfence.adapters.emulator_address import named_endpoint
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TOLD: Final = re.compile(r"<(Code|Message|Region)>(.*?)</\1>", re.DOTALL)
_STATUS: Final = re.compile(r"status code: (\d{3})")
_OF_ROLES: Final = ("/latest/api/token", "/latest/meta-data/", "169.254.170.2")
"""Parts of the addresses at which machines and tasks ask for the credentials of their role."""


def refuse_wrong(address: str) -> None:
    """`InputError` where the bucket of an address has no name that S3 gives, or the region is none."""
    bucket = address.partition("://")[2].partition("/")[0]
    if not _BUCKET.fullmatch(bucket):
        raise InputError(f"{bucket!r} is no name of a bucket: write s3://BUCKET/PREFIX")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None and named_endpoint("S3") is None:
        raise InputError(NO_REGION)
    if region is not None and not _REGION.fullmatch(region):
        raise InputError(f"{region!r} is no region: set AWS_REGION, such as eu-central-1")


@contextlib.contextmanager
def explained_s3(address: str, action: str) -> Iterator[None]:
    """Errors of `obstore` as `StoreError`; `action` is the right that the call asks for."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 (an extra)

    try:
        yield
    except (BaseError, OSError) as error:
        raise StoreError(
            f"the landing zone {address}: {_said(str(error), action)}; the log is safe"
        ) from error


def _said(text: str, action: str) -> str:
    """The library gives the whole answer of S3 in its message, and on other lines what it is made of."""
    told = {name: unescape(value) for name, value in _TOLD.findall(text)}
    if "Code" in told:
        status = _STATUS.search(text)
        message, region = told.get("Message", ""), told.get("Region", "")
        return refusal_of(action, told["Code"], message, int(status[1]) if status else 0, region)
    if any(part in text for part in _OF_ROLES):
        return f'{NO_CREDENTIALS}: eval "$(aws configure export-credentials --format env)"'
    if "redirect without LOCATION" in text:
        return f"{action} fails: the bucket is in another region: set AWS_REGION"
    first = words_of((text.strip() or "no reason given").splitlines()[0])
    return f"{action} fails ({first}): look at the bucket, at the region in it, and at the network"
