"""Enhanced fan-out: AWS pushes the records of each shard to a consumer of its own, in the words of polling.

    SubscribeToShard, five minutes ──► a thread for each shard ──► two answers that wait ──► GetRecords

What is not taken waits at AWS: a thread whose answers nobody takes gives its subscription up, and the next
question subscribes again behind the last record that was taken.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import count
from queue import Empty, Full, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from ringfence.adapters.kinesis.told import code_of
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_WAITING: Final = 2  # answers of a shard, of some megabytes each
_ANSWER_SECONDS: Final = 0.05  # that a question waits for one
_PATIENCE_SECONDS: Final = 30.0  # after which what nobody takes is given up
_AFTER: Final = "AFTER_SEQUENCE_NUMBER"
_REGISTER: Final = "aws kinesis register-stream-consumer --stream-arn {arn} --consumer-name {name}"


@dataclass(slots=True)
class _Subscription:
    """One shard: where it goes on, and the answers that AWS has pushed. None is the end of them."""

    stream: str
    shard: str
    position: dict[str, Any]
    behind_ms: int = 1
    answers: Queue[dict[str, Any] | Exception | None] | None = None


class FanOut:
    """A client of `kinesis` that subscribes where others poll."""

    def __init__(self, client: Any, consumer: str) -> None:
        """`client` is boto3's; `consumer` is registered with each stream by this name."""
        self.meta = client.meta
        self.list_shards = client.list_shards
        self._client, self._consumer = client, consumer
        self._consumers: dict[str, str] = {}
        self._subscriptions: dict[str, _Subscription] = {}
        self._numbers = count(1)

    def describe_stream_summary(self, *, StreamName: str) -> dict[str, Any]:  # noqa: N803 (AWS's words, here and below)
        """As of Kinesis; `InputError` where the stream has no such consumer, or not yet."""
        found: dict[str, Any] = self._client.describe_stream_summary(StreamName=StreamName)
        if StreamName not in self._consumers:
            self._consumers[StreamName] = self._arn(found["StreamDescriptionSummary"]["StreamARN"])
        return found

    def get_shard_iterator(
        self,
        *,
        StreamName: str,  # noqa: N803
        ShardId: str,  # noqa: N803
        ShardIteratorType: str,  # noqa: N803
        StartingSequenceNumber: str = "",  # noqa: N803
        Timestamp: float = 0.0,  # noqa: N803
    ) -> dict[str, Any]:
        """Where a subscription begins; none is made yet."""
        position: dict[str, Any] = {"Type": ShardIteratorType}
        if StartingSequenceNumber:
            position["SequenceNumber"] = StartingSequenceNumber
        elif Timestamp:
            position["Timestamp"] = Timestamp
        place = f"{StreamName}/{ShardId}/"
        for token in [one for one in self._subscriptions if one.startswith(place)]:
            del self._subscriptions[token]
        token = f"{place}{next(self._numbers)}"
        self._subscriptions[token] = _Subscription(StreamName, ShardId, position)
        return {"ShardIterator": token}

    def get_records(self, *, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803, ARG002 (AWS says how many)
        """What has been pushed next; nothing where nothing has come yet."""
        one = self._subscriptions[ShardIterator]
        if one.answers is None and not self._subscribe(one):
            return self._nothing(ShardIterator)
        assert one.answers is not None
        try:
            answer = one.answers.get(timeout=_ANSWER_SECONDS)
        except Empty:
            return self._nothing(ShardIterator)
        if answer is None or isinstance(answer, Exception):
            one.answers = None
            if answer is not None:
                raise answer
            return self._nothing(ShardIterator)
        one.behind_ms = int(answer["MillisBehindLatest"])
        found = {"Records": answer["Records"], "MillisBehindLatest": one.behind_ms}
        after = answer.get("ContinuationSequenceNumber")
        if not after:  # the shard has been closed, and this was its end
            del self._subscriptions[ShardIterator]
            return found
        one.position = {"Type": _AFTER, "SequenceNumber": after}
        return found | {"NextShardIterator": ShardIterator}

    def _nothing(self, token: str) -> dict[str, Any]:
        behind_ms = self._subscriptions[token].behind_ms
        return {"Records": [], "MillisBehindLatest": behind_ms, "NextShardIterator": token}

    def _arn(self, stream: str) -> str:
        try:
            told = self._client.describe_stream_consumer(StreamARN=stream, ConsumerName=self._consumer)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            raise InputError(
                f"the stream has no consumer {self._consumer!r}: "
                f"{_REGISTER.format(arn=stream, name=self._consumer)}"
            ) from None
        return str(told["ConsumerDescription"]["ConsumerARN"])

    def _subscribe(self, one: _Subscription) -> bool:
        """Whether AWS agrees; it refuses for five seconds where the shard has been subscribed to just now."""
        try:
            answer = self._client.subscribe_to_shard(
                ConsumerARN=self._consumers[one.stream], ShardId=one.shard, StartingPosition=one.position
            )
        except ClientError as error:
            if code_of(error) != "ResourceInUseException":
                raise
            return False
        one.answers = Queue(_WAITING)
        pushed = _Pushed(answer["EventStream"], one.answers)
        Thread(target=pushed.hand_over, name="ringfence-fan-out", daemon=True).start()
        return True


class _Pushed:
    """The events of one subscription, on their way into a queue."""

    def __init__(self, events: Any, answers: Queue[dict[str, Any] | Exception | None]) -> None:
        self._events, self._answers = events, answers

    def hand_over(self) -> None:
        """Until the subscription ends, or nobody takes."""
        with closing(self._events):
            for answer in self._each():
                try:
                    self._answers.put(answer, timeout=_PATIENCE_SECONDS)
                except Full:
                    break
            else:
                return
        self._answers.put(None)  # for whoever takes again, behind what waits

    def _each(self) -> Iterator[dict[str, Any] | Exception | None]:
        try:
            for event in self._events:
                if "SubscribeToShardEvent" in event:
                    yield event["SubscribeToShardEvent"]
        except ClientError as error:
            yield error
            return
        except (BotoCoreError, HTTPError, OSError):
            pass  # a line that broke is a subscription that ended: the next one goes on behind it
        yield None
