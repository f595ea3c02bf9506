"""Addresses such as `s3://lake/demographic?mapping=own.toml`; region and credentials are AWS's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qsl, unquote

from ringfence.adapters.aws_address import parts_of
from ringfence.errors import InputError
from ringfence.events.values.vocabulary import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS: Final = ("mapping", "keep", "every")
"""What an address may say."""

_FORM: Final = "write s3://BUCKET/PREFIX[?NAME=VALUE&...]"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_EVERY: Final = "30"
_LONGEST: Final = 3600


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A bucket and the beginning of the names of its objects.

    >>> BucketAddress.of("s3://lake/demographic?every=60").every_seconds
    60
    """

    bucket: str
    prefix: str
    options: Mapping[str, str]
    every_seconds: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Read one; `InputError` repeats no value of an option."""
        parts = parts_of(text, "a bucket", _FORM)
        if not _BUCKET.fullmatch(parts.netloc):
            raise InputError(f"the address names no bucket: {_FORM}")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        for name in options:
            if name not in OPTIONS:
                raise InputError(
                    f"{name!r} is no option of an address of a bucket{nearest(name, list(OPTIONS))}: one of "
                    f"{', '.join(OPTIONS)}"
                )
        every = options.get("every", _EVERY)
        if not every.isdecimal() or not 1 <= int(every) <= _LONGEST:
            raise InputError(f"option every of the address is a number of seconds, 1 to {_LONGEST}")
        return cls(parts.netloc, unquote(parts.path).removeprefix("/"), options, int(every))

    @property
    def shown(self) -> str:
        """For people, without options."""
        return f"s3://{self.bucket}/{self.prefix}"
