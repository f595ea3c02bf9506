"""Settings of the client library from where people keep them, and its errors in words with a remedy."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, admin

from ringfence.adapters.kafka.address import is_secret
from ringfence.adapters.kafka.registry import PREFIXES
from ringfence.errors import InputError, RingfenceError, StoreError
from ringfence.events.values.texts import TOML_LIMIT, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ringfence.adapters.kafka.address import KafkaAddress

ADMIN: Final[Any] = admin
"""The library's module, which does not say what it exports."""

RAISED: Final[tuple[Any, ...]] = (KafkaException, KafkaError, SystemError)
"""What producers raise: `KafkaError` where another one fenced them, `SystemError` where a callback follows.

The library's types do not call the former an exception.
"""

SECONDS: Final = 10.0  # that brokers have for an answer before anything is begun
_JAAS: Final = re.compile(r"(username|password)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)')")
_OF_JAVA: Final = {
    "ssl.truststore.location": "ssl.ca.location, a file in PEM form",
    "ssl.keystore.location": "ssl.certificate.location and ssl.key.location, files in PEM form",
    "key.serializer": "nothing: leave it out",
    "value.serializer": "nothing: leave it out",
    "key.deserializer": "nothing: leave it out",
    "value.deserializer": "nothing: leave it out",
}
_LOGIN: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001 (public constants)
_DENIED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_LOG: Final = logging.getLogger("ringfence.kafka")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False  # what the library says to itself is told in words where it matters


def properties_in(path: Path) -> dict[str, str]:
    """The pairs of a `client.properties` file, as brokers' own tools and cloud consoles write it.

    Java's `sasl.jaas.config` becomes user and password. `InputError` names the line, and never its value.
    """
    try:
        text = read_text(path, TOML_LIMIT)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the file of kafka_properties, {path}, cannot be read: {error}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#!":
            continue
        name, equals, value = (part.strip() for part in stripped.partition("="))
        if not equals or not name:
            raise InputError(f"line {number} of {path} is no NAME=VALUE")
        if name in _OF_JAVA:
            raise InputError(f"line {number} of {path}: {name} is known to Java only, use {_OF_JAVA[name]}")
        if name == "sasl.jaas.config":
            for which, quoted, single in _JAAS.findall(value):
                found[f"sasl.{which}"] = re.sub(r"\\(.)", r"\1", quoted) or single
        else:
            found[name] = value
    return found


class KafkaClient:
    """Makes consumers, producers and admin clients of one address.

    Attributes:
        problem: what the library has told last of brokers that it cannot talk to; empty while it can.
        registry: properties of the registry of schemas, which are not the library's.
        given: properties of the library that people have set, secrets among them.
    """

    def __init__(self, address: KafkaAddress, properties: Mapping[str, Any]) -> None:
        """`properties` come from a file or the environment; those of the address go before them."""
        self.address = address
        self.problem = ""
        given = {**properties, **address.properties}
        self.registry = {name: given.pop(name) for name in list(given) if name.startswith(PREFIXES)}
        self.given = given

    def settings(self, **more: Any) -> dict[str, Any]:
        """What every client is told; `more` has `_` for `.` in its names, and goes before what people set.

        Of `more`, people may set the group.
        """
        ours = {name.replace("_", "."): value for name, value in more.items()}
        given = {**self.given, **{name: ours[name] for name in ours if name != "group.id"}}
        return {
            "client.id": "ringfence",
            "socket.keepalive.enable": True,
            **ours,
            **given,
            "bootstrap.servers": self.address.brokers,
            "error_cb": self._heard,
            "logger": _LOG,
        }

    def made(self, make: Callable[[dict[str, Any]], Any], **more: Any) -> Any:
        """A client of the library; `InputError` where it does not take a setting."""
        try:
            return make(self.settings(**more))
        except (KafkaException, TypeError, ValueError) as error:
            raise InputError(f"the client library refuses its settings: {self._clean(error)}") from None

    def explained(self, error: KafkaError, doing: str) -> RingfenceError:
        """An error of the library, met in `doing` something, with what to do about it."""
        brokers, topics = self.address.brokers, ", ".join(self.address.topics)
        code = error.code()
        if code in _LOGIN or "authentication" in self.problem.lower():
            return InputError(
                f"the brokers at {brokers} do not accept this user: check sasl.mechanism, sasl.username and "
                "sasl.password in the file of kafka_properties"
            )
        if code in _DENIED:
            return InputError(
                f"the brokers at {brokers} do not let this user do so ({doing}): it needs the right to read "
                f"or write {topics}"
            )
        if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):  # noqa: SLF001
            return InputError(f"there is no topic {topics} at {brokers}: create it, or check its name")
        if code in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT):  # noqa: SLF001
            told = f" ({self.problem})" if self.problem else ""
            return StoreError(
                f"no Kafka broker answers at {brokers}{told}: check that one runs there, the port, and "
                "security.protocol, which tells how to talk to it"
            )
        return StoreError(f"Kafka at {brokers}, while {doing}: {self._clean(error)}")

    def _heard(self, error: KafkaError) -> None:
        self.problem = self._clean(error)

    def _clean(self, error: Any) -> str:
        """Its words, with every secret taken out."""
        if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
            error = error.args[0]
        said = error.str() if isinstance(error, KafkaError) else str(error)
        for name, value in self.given.items():
            if is_secret(name) and value:
                said = said.replace(str(value), "***")
        return said
