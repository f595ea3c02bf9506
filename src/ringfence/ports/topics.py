"""Topics of brokers as people look at them: who keeps them, who reads them, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BrokerSeen:
    """One broker."""

    number: int
    address: str
    is_controller: bool


@dataclass(frozen=True, slots=True)
class TopicSeen:
    """One topic; `records` are those between its first offsets and its ends, None where nobody tells."""

    name: str
    partitions: int
    replicas: int
    records: int | None


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """How far a consumer group is in a topic."""

    group: str
    state: str
    topic: str
    offset: int
    lag: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """All of it, by name; `more` says what was left out, because there is too much of it."""

    brokers: list[BrokerSeen]
    topics: list[TopicSeen]
    groups: list[GroupSeen]
    more: str = ""


@dataclass(frozen=True, slots=True)
class PartitionSeen:
    """One partition: who leads it, who holds it, and its first and next offset."""

    number: int
    leader: int
    replicas: list[int]
    in_sync: list[int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TopicDetails:
    """Partitions and configuration of a topic; settings that differ from the default come first."""

    partitions: list[PartitionSeen]
    settings: list[tuple[str, str, bool]]  # name, value, whether it is the default


@dataclass(frozen=True, slots=True)
class MessageSeen:
    """One message without card numbers, secrets and, where the store keeps tokens, persons.

    `time_ms` is None where it has none.

    `schema` says how `value` was read: JSON, Avro or Protobuf by a schema, text, bytes in hexadecimal.
    """

    partition: int
    offset: int
    time_ms: int | None
    key: str
    headers: list[tuple[str, str]]
    schema: str
    value: str
    size: int


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """Which messages; without anything the newest.

    `offset` is of one partition, 0 where none is named. `key` and `match` are looked for in the newest
    messages, or from `offset` or `since_ms` on. With `follow` a search that is asked again goes on where it
    was, and keeps the newest of what it found.
    """

    partition: int | None = None
    offset: int | None = None
    since_ms: int | None = None
    key: str = ""
    match: str = ""
    count: int = 25
    follow: bool = False


@dataclass(frozen=True, slots=True)
class MessagesFound:
    """What was found, by time, and how much of the topic was looked through."""

    messages: list[MessageSeen]
    scanned: int
    is_cut: bool  # there is more that was not looked at


class TopicBrowser(Protocol):
    """The topics of some brokers. Any thread may ask; each question is bounded in time, bytes and records.

    `StoreError` while brokers do not answer or others are asking, `InputError` for what is not there.
    """

    @property
    def name(self) -> str:
        """Addresses of the brokers."""
        ...

    @property
    def topics(self) -> frozenset[str]:
        """Those that the settings name."""
        ...

    def cluster(self) -> Cluster:
        """Brokers, topics and groups."""
        ...

    def details(self, topic: str) -> TopicDetails:
        """Of one topic."""
        ...

    def messages(self, topic: str, wanted: MessageQuery) -> MessagesFound:
        """Some of a topic."""
        ...

    def close(self) -> None:
        """Leave the brokers; asked again, it comes back."""
        ...
