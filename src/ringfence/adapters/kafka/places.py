"""Where a partition goes on, and whether what comes next there is still there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from confluent_kafka import KafkaException, TopicCollection

from ringfence.adapters.kafka.client import ADMIN, SECONDS
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.adapters.kafka.client import KafkaClient

_POLICY: Final = "cleanup.policy"


class PartitionMark(msgspec.Struct, frozen=True):
    """Where a partition goes on; `topic_id` tells a topic from one that was made again under its name."""

    offset: int
    topic_id: str = ""


class TopicPlaces:
    """The topics of one address as they were when they were taken up."""

    def __init__(self, client: KafkaClient, say: Callable[[str], None]) -> None:
        """`say` hears of what is missing where the address says to go on."""
        self._client = client
        self._say = say
        self._ids: dict[str, str] = {}

    def take_up(self) -> None:
        """Learn which topics these are. `InputError` where one is compacted, unless the address says so."""
        self._ids = self._asked_ids()
        if untold := sorted(set(self._client.address.topics) - self._ids.keys()):
            self._say(
                f"Warning: the brokers do not tell the ids of {', '.join(untold)} yet: a topic that is "
                "deleted and made again meanwhile is known by its offsets only"
            )
        compacted, untold = self._compacted()
        if untold:
            self._say(
                f"Warning: the brokers do not tell the cleanup.policy of {', '.join(untold)} (this user may "
                "lack the right DescribeConfigs): make sure that it is not compacted, or records may be gone "
                "before they are read"
            )
        for topic in compacted:
            said = (
                f"topic {topic} is compacted (cleanup.policy): the brokers delete a record once a later one "
                "has its key, so records may be gone before they are read, and nobody could tell"
            )
            if not self._goes_on:
                raise InputError(
                    f"{said}. Set cleanup.policy=delete for it, or add on_gap=continue to the address to "
                    "read what is left, as for profiles, of which the last counts"
                )
            self._say(f"Warning: {said}. Reading what is left, as on_gap=continue says")

    def look_again(self) -> None:
        """`InputError` where a topic was deleted and made again since: its offsets begin anew."""
        for topic, found in self._asked_ids().items():
            if found != self._ids.setdefault(topic, found):
                raise InputError(
                    f"topic {topic} was deleted and made again while it was read: offsets in it are others "
                    "now. Start again: it says where it would go on, and on_gap=continue goes on there"
                )

    def mark(self, topic: str, offset: int) -> str:
        """What the journal keeps of a place."""
        return msgspec.json.encode(PartitionMark(offset, self._ids.get(topic, ""))).decode()

    def next_in(self, topic: str, number: int, kept: str, low: int, high: int) -> int:
        """Offset at which a partition from `low` to `high` goes on that was left at `kept`.

        `InputError` where what came next there is not there any more, unless the address says to go on.
        """
        mark = mark_in(kept)
        known = self._ids.get(topic, "")
        if mark.topic_id and known and mark.topic_id != known:
            gone, at = "the topic was deleted and made again since: all it holds is new", low
        elif mark.offset > high:
            gone, at = f"it ends at offset {high:,} already: it was cut off, or made again", low
        elif mark.offset < low:
            count = low - mark.offset
            gone, at = f"its {count:,} records up to offset {low:,} are gone: retention took them", low
        else:
            return mark.offset
        said = f"{topic}/{number} should go on at offset {mark.offset:,}, but {gone}"
        if not self._goes_on:
            raise InputError(
                f"{said}. Add on_gap=continue to the address to go on at offset {at:,}, with a hole"
            )
        self._say(f"Warning: {said}. Going on at offset {at:,}, as on_gap=continue says")
        return at

    @property
    def _goes_on(self) -> bool:
        return self._client.address.options.get("on_gap") == "continue"

    def _asked_ids(self) -> dict[str, str]:
        """Ids of the topics; without those of which brokers tell none, or not this user."""
        admin, found = self._client.made(ADMIN.AdminClient), {}
        names = TopicCollection(list(self._client.address.topics))
        for topic, answer in admin.describe_topics(names, request_timeout=SECONDS).items():
            try:
                found[topic] = str(answer.result().topic_id)
            except KafkaException:
                continue
        return found

    def _compacted(self) -> tuple[list[str], list[str]]:
        """Topics that brokers compact, and those of which they do not tell this user."""
        admin, found, untold = self._client.made(ADMIN.AdminClient), [], []
        named = [ADMIN.ConfigResource(ADMIN.ResourceType.TOPIC, name) for name in self._client.address.topics]
        for asked, answer in admin.describe_configs(named, request_timeout=SECONDS).items():
            try:
                policy = answer.result()[_POLICY].value
            except (KafkaException, KeyError):
                untold.append(asked.name)
                continue
            if "compact" in policy:
                found.append(asked.name)
        return found, untold


def mark_in(kept: str) -> PartitionMark:
    """A place that the journal keeps."""
    return msgspec.json.decode(kept, type=PartitionMark)
