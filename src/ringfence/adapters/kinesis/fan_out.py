"""Enhanced fan-out: AWS pushes the records of each shard to a consumer of its own, in the words of polling.

    SubscribeToShard, five minutes ──► a thread for each shard ──► two answers that wait ──► GetRecords

What is not taken waits at AWS: a thread whose answers nobody takes gives its subscription up, and the next
question subscribes again behind the last record that was taken. A shard that is left gives up its own at its
next event, of which AWS sends one every few seconds, or when the line is silent for too long.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from ringfence.adapters.kinesis.descriptions import code_of
from ringfence.errors import InputError

_WAITING: Final = 2  # answers of a shard, of some megabytes each
_ANSWER_SECONDS: Final = 0.05  # that a question waits for one
_PATIENCE_SECONDS: Final = 30.0  # after which what nobody takes is given up
_AFTER: Final = "AFTER_SEQUENCE_NUMBER"
_REGISTER: Final = "aws kinesis register-stream-consumer --stream-arn {arn} --consumer-name {name}"


@dataclass(slots=True)
class _Subscription:
    """One shard: where it goes on, and what AWS pushes of it while it is subscribed to."""

    stream: str
    shard: str
    position: dict[str, Any]
    behind_ms: int = 1
    pushed: _Pushed | None = None
    is_left: bool = False

    def leave(self) -> None:
        """Take no more; a question on its way in another thread sees `is_left`."""
        self.is_left = True
        if self.pushed is not None:
            self.pushed.leave()


class FanOut:
    """A client of `kinesis` that subscribes where others poll."""

    def __init__(self, client: Any, consumer: str) -> None:
        """`client` is boto3's; `consumer` is registered with each stream by this name."""
        self.meta = client.meta
        self.list_shards = client.list_shards
        self._client, self._consumer = client, consumer
        self._consumers: dict[str, str] = {}
        self._subscriptions: dict[str, _Subscription] = {}

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
        self.leave(StreamName, ShardId)
        token = f"{StreamName}/{ShardId}"
        self._subscriptions[token] = _Subscription(StreamName, ShardId, position)
        return {"ShardIterator": token}

    def get_records(self, *, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803, ARG002 (AWS says how many)
        """What has been pushed next; nothing where nothing has come yet.

        `ClientError` as of SubscribeToShard, also where AWS ends a subscription with it.
        """
        one = self._subscriptions[ShardIterator]
        if one.pushed is None:
            self._subscribe(one)
        assert one.pushed is not None
        is_over = one.pushed.is_over.is_set()  # asked first: then what it has pushed is all there
        try:
            answer = one.pushed.answers.get(timeout=_ANSWER_SECONDS)
        except Empty:
            if is_over:
                ended, one.pushed = one.pushed, None
                if ended.failure is not None:
                    raise ended.failure from None
            return {"Records": [], "MillisBehindLatest": one.behind_ms, "NextShardIterator": ShardIterator}
        one.behind_ms = int(answer["MillisBehindLatest"])
        found = {"Records": answer["Records"], "MillisBehindLatest": one.behind_ms}
        after = answer.get("ContinuationSequenceNumber")
        if not after:  # the shard has been closed, and this was its end
            self.leave(one.stream, one.shard)
            return found
        one.position = {"Type": _AFTER, "SequenceNumber": after}
        return found | {"NextShardIterator": ShardIterator}

    def leave(self, stream: str, shard: str) -> None:
        """End the subscription to a shard that is not read any more, if there is one."""
        one = self._subscriptions.pop(f"{stream}/{shard}", None)
        if one is not None:
            one.leave()

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

    def _subscribe(self, one: _Subscription) -> None:
        """AWS refuses it for five seconds where the shard has been subscribed to just now."""
        answer = self._client.subscribe_to_shard(
            ConsumerARN=self._consumers[one.stream], ShardId=one.shard, StartingPosition=one.position
        )
        one.pushed = _Pushed(answer["EventStream"])
        Thread(target=one.pushed.hand_over, name="ringfence-fan-out", daemon=True).start()
        if one.is_left:
            one.pushed.leave()


class _Pushed:
    """The events of one subscription, on their way into a queue."""

    def __init__(self, events: Any) -> None:
        self.answers: Queue[dict[str, Any]] = Queue(_WAITING)
        self.is_over = Event()
        self.failure: ClientError | None = None  # with which AWS ended it
        self._events = events
        self._is_left = Event()

    def hand_over(self) -> None:
        """Until the subscription ends, or nobody takes."""
        try:
            with closing(self._events):
                self._push()
        except ClientError as error:
            self.failure = error
        except (BotoCoreError, HTTPError, OSError):
            pass  # a line that broke is a subscription that ended: the next one goes on behind it
        finally:
            self.is_over.set()

    def leave(self) -> None:
        """Let the thread end, and what it has pushed go."""
        self._is_left.set()
        with suppress(Empty):
            while True:
                self.answers.get_nowait()

    def _push(self) -> None:
        for event in self._events:
            if self._is_left.is_set():
                return
            if "SubscribeToShardEvent" in event:
                try:
                    self.answers.put(event["SubscribeToShardEvent"], timeout=_PATIENCE_SECONDS)
                except Full:
                    return
