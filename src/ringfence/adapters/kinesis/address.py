"""Addresses such as `kinesis://payments,labels?mapping=own.toml`; region and credentials are AWS's own."""

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

SCHEME: Final = "kinesis"
TABLES: Final = "dynamodb"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")  # of a stream or a table, as AWS has it
_FORMS: Final = {
    SCHEME: "write kinesis://STREAM[,STREAM...][?NAME=VALUE&...]",
    TABLES: "write dynamodb://TABLE[,TABLE...][?NAME=VALUE&...]",
}


@dataclass(frozen=True, slots=True)
class KinesisAddress:
    """Streams of one region, or tables that have streams, and what is ours to decide.

    >>> KinesisAddress.of("kinesis://payments,labels?on_gap=continue", {"on_gap": None})
    KinesisAddress(streams=('payments', 'labels'), options={'on_gap': 'continue'}, scheme='kinesis')
    """

    streams: tuple[str, ...]
    options: Mapping[str, str]
    scheme: str = SCHEME

    @classmethod
    def of(cls, text: str, known: Mapping[str, tuple[str, ...] | None]) -> Self:
        """Read one; `known` are the options, each with the values that it may have, None for any.

        `InputError` repeats no value: somebody may have written a secret there.
        """
        scheme = TABLES if text.lower().startswith(TABLES) else SCHEME
        form = _FORMS[scheme]
        parts = parts_of(text, "Kinesis", form)
        names = tuple(dict.fromkeys(name for name in unquote(parts.netloc).split(",") if name))
        wrong = next((name for name in names if not _NAME.fullmatch(name)), None)
        if not names or wrong is not None or parts.path.strip("/"):
            what = "names no stream" if not names else "has a path" if wrong is None else f"has {wrong!r}"
            raise InputError(f"the address {what}: {form}")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        for name, value in options.items():
            if name not in known:
                raise InputError(
                    f"{name!r} is no option of an address of Kinesis{nearest(name, list(known))}: one of "
                    f"{', '.join(known)}"
                )
            allowed = known[name]
            if allowed is not None and value not in allowed:
                raise InputError(f"option {name} of the address is one of {', '.join(allowed)}")
        return cls(names, options, scheme)

    @property
    def shown(self) -> str:
        """For people, without options."""
        return f"{self.scheme}://{','.join(self.streams)}"
