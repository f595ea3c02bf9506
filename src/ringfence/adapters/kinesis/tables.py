"""Streams of DynamoDB tables in the words of Kinesis, so that one reader reads both.

They have shards, parents, iterators and sequence numbers as streams of Kinesis do, keep records for a day,
and say neither how far a reader is behind nor which keys a shard has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {
    "mapping": None,
    "keep": None,
    "on_gap": ("stop", "continue"),
}
"""As of `source.OPTIONS`."""

_KEPT_HOURS: Final = 24
_MOST: Final = 1000  # records that GetRecords gives
_KEYS: Final = {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)}
_WITH_ROWS: Final = ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")
_ENABLE: Final = (
    "aws dynamodb update-table --table-name {table} --stream-specification "
    "StreamEnabled=true,StreamViewType=NEW_IMAGE"
)


class TableStreams:
    """A client of `dynamodbstreams` as one of `kinesis`; a stream's name is its table's."""

    def __init__(self, client: Any) -> None:
        """`client` is boto3's."""
        self.meta = client.meta
        self._client = client
        self._arns: dict[str, str] = {}

    def describe_stream_summary(self, *, StreamName: str) -> dict[str, Any]:  # noqa: N803 (AWS's words, here and below)
        """Of the table's latest stream; `InputError` where it has none, or one without rows."""
        answer = self._client.list_streams(TableName=StreamName)
        if not answer["Streams"]:
            raise InputError(
                f"table {StreamName!r} has no stream in {self.meta.region_name}: look at its name and "
                f"region, or {_ENABLE.format(table=StreamName)}"
            )
        latest = max(answer["Streams"], key=lambda one: one["StreamLabel"])
        self._arns[StreamName] = latest["StreamArn"]
        told = self._described(StreamName)
        if told.get("StreamViewType") not in _WITH_ROWS:
            raise InputError(
                f"the stream of table {StreamName!r} does not carry new images: disable it, then "
                f"{_ENABLE.format(table=StreamName)}"
            )
        summary = {
            "StreamARN": latest["StreamArn"].partition("/stream/")[0],  # the table's, which outlives streams
            "StreamCreationTimestamp": told["CreationRequestDateTime"],
            "RetentionPeriodHours": _KEPT_HOURS,
            "OpenShardCount": sum("EndingSequenceNumber" not in _span(one) for one in told["Shards"]),
        }
        return {"StreamDescriptionSummary": summary, "ResponseMetadata": answer["ResponseMetadata"]}

    def list_shards(self, *, StreamName: str = "", NextToken: str = "") -> dict[str, Any]:  # noqa: N803
        """A page of them; the next one by `NextToken` alone."""
        name, _, last = NextToken.partition(" ") if NextToken else (StreamName, "", "")
        told = self._described(name, last)
        shards = [one | {"HashKeyRange": _KEYS, "SequenceNumberRange": _span(one)} for one in told["Shards"]]
        last = told.get("LastEvaluatedShardId", "")
        return {"Shards": shards} | ({"NextToken": f"{name} {last}"} if last else {})

    def get_shard_iterator(self, *, StreamName: str, **asked: Any) -> dict[str, Any]:  # noqa: N803
        """As of Kinesis."""
        if "StartingSequenceNumber" in asked:
            asked["SequenceNumber"] = asked.pop("StartingSequenceNumber")
        found: dict[str, Any] = self._client.get_shard_iterator(StreamArn=self._arns[StreamName], **asked)
        return found

    def get_records(self, *, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803
        """Changes as the table's stream to Kinesis has them."""
        answer = self._client.get_records(ShardIterator=ShardIterator, Limit=min(Limit, _MOST))
        records = [_record(one) for one in answer["Records"]]
        return answer | {"Records": records}

    def _described(self, name: str, after: str = "") -> dict[str, Any]:
        begin = {"ExclusiveStartShardId": after} if after else {}
        answer = self._client.describe_stream(StreamArn=self._arns[name], **begin)
        found: dict[str, Any] = answer["StreamDescription"]
        return found


def _span(shard: Mapping[str, Any]) -> dict[str, Any]:
    return dict(shard.get("SequenceNumberRange", {}))


def _record(told: Mapping[str, Any]) -> dict[str, Any]:
    row = told["dynamodb"]
    at = row["ApproximateCreationDateTime"]
    image = {"NewImage": row["NewImage"]} if "NewImage" in row else {}
    change = {
        "eventName": told["eventName"],
        "dynamodb": image | {"ApproximateCreationDateTime": int(at.timestamp() * 1000)},
    }
    return {
        "SequenceNumber": row["SequenceNumber"],
        "PartitionKey": msgspec.json.encode(row.get("Keys", {})).decode(),
        "ApproximateArrivalTimestamp": at,
        "Data": msgspec.json.encode(change),
    }
