"""Addresses such as `kafka://broker:9092/payments,labels?mapping=own.toml&security.protocol=SSL`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from ringfence.errors import InputError
from ringfence.events.values.vocabulary import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEME: Final = "kafka"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")  # of a topic, as brokers have it
_SECRET: Final = re.compile(
    r"password|secret|user\.info|token|credential|\.pem$|jaas|oauthbearer\.config|assertion"
)
_FORM: Final = "write kafka://BROKER:9092/TOPIC[,TOPIC...][?NAME=VALUE&...]"


def is_address(source: str) -> bool:
    """Whether a source is meant to be one of Kafka.

    >>> is_address("kafka://localhost:9092/payments"), is_address("payments.csv")
    (True, False)
    """
    return source.partition("://")[0].lower() == SCHEME and "://" in source


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Brokers, topics, what is ours to decide (`options`), and what the client library is told.

    >>> KafkaAddress.of("kafka://a:9092/payments?on_gap=continue&ssl.ca.location=a.pem", {"on_gap": None})
    KafkaAddress(brokers='a:9092', topics=('payments',), options={'on_gap': 'continue'})
    """

    brokers: str
    topics: tuple[str, ...]
    options: Mapping[str, str]
    properties: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, text: str, known: Mapping[str, tuple[str, ...] | None]) -> Self:
        """Read one; `known` are our options, each with the values that it may have, None for any.

        `InputError` repeats no value: somebody may have written a password there.
        """
        try:
            parts = urlsplit(text)
        except ValueError:
            raise InputError(f"this is no address of Kafka: {_FORM}") from None
        if "@" in parts.netloc:
            raise InputError(
                "an address holds no user and no password, because every user of this machine can read a "
                "command line: put sasl.username and sasl.password into a file and name it with "
                "kafka_properties in ringfence.toml"
            )
        topics = tuple(name for name in unquote(parts.path).strip("/").split(",") if name)
        wrong = next((name for name in topics if not _NAME.fullmatch(name) or name in {".", ".."}), None)
        if not parts.netloc or not topics or wrong is not None:
            what = "has no brokers" if not parts.netloc else f"{wrong!r} names no topic" if wrong else ""
            raise InputError(f"the address {what or 'names no topic'}: {_FORM}")
        options: dict[str, str] = {}
        properties: dict[str, Any] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if "." in name or name == "debug":
                _refuse_secret(name)
                properties[name] = value
                continue
            if name not in known:
                raise InputError(
                    f"{name!r} is no option of an address of Kafka{nearest(name, list(known))}: one of "
                    f"{', '.join(known)}, or a property of librdkafka such as security.protocol"
                )
            allowed = known[name]
            if allowed is not None and value not in allowed:
                raise InputError(f"option {name} of the address is one of {', '.join(allowed)}")
            options[name] = value
        return cls(parts.netloc, tuple(dict.fromkeys(topics)), options, properties)

    @property
    def shown(self) -> str:
        """For people, without options."""
        return f"{SCHEME}://{self.brokers}/{','.join(self.topics)}"


def _refuse_secret(name: str) -> None:
    if _SECRET.search(name):
        raise InputError(
            f"{name} is a secret, and every user of this machine can read a command line: put it into a file "
            "and name it with kafka_properties in ringfence.toml"
        )


def is_secret(name: str) -> bool:
    """Whether the value of a property of the client library must never be shown."""
    return _SECRET.search(name) is not None
