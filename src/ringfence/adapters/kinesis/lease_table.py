"""Leases of shards in a table of DynamoDB: who reads one, and which records each node has claimed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.aws.clients import explained
from ringfence.adapters.kinesis.shards import ShardMark
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_START: Final = "(start)"  # among the names of shards, which have no brackets
_IS_NEW: Final = "attribute_not_exists(#name)"
_CREATE: Final = (
    "aws dynamodb create-table --table-name {table} --billing-mode PAY_PER_REQUEST "
    "--attribute-definitions AttributeName=stream,AttributeType=S AttributeName=shard,AttributeType=S "
    "--key-schema AttributeName=stream,KeyType=HASH AttributeName=shard,KeyType=RANGE"
)


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node has claimed of a shard since it took its lease: all behind `start`, up to `until`.

    `before` is the last record of the shard that was in the node's journal then; both are sequence numbers.
    `seen_ms` is about when it was written.
    """

    start: ShardMark
    until: str = ""
    before: str = ""
    seen_ms: int = 0


class StreamStart(msgspec.Struct, frozen=True):
    """Where the shards of a stream begin, as the first `node` has put down for all, in one item.

    A shard that is not in `marks` is read whole. `made_ms` is when the stream was made.
    """

    stream: str
    node: str
    made_ms: int
    marks: dict[str, ShardMark]


class Lease(msgspec.Struct, frozen=True):
    """One shard's item.

    Attributes:
        stream: ARN of the stream.
        shard: its name.
        mark: where the next record stands that nobody has claimed.
        owner: the node that reads it, by the identity of its log; empty while it is free.
        holder: the process of that node.
        counter: is raised by each write, and the condition of the next one.
        claims: the latest of each node.
    """

    stream: str
    shard: str
    mark: ShardMark
    owner: str = ""
    holder: str = ""
    counter: int = 0
    claims: dict[str, Claim] = {}


class LeaseTable:
    """The items of one table; every write is conditional."""

    def __init__(self, client: Any, table: str) -> None:
        """`client` is boto3's of DynamoDB."""
        self.name = table
        self._client = client

    def of(self, stream: str) -> dict[str, Lease]:
        """All leases of a stream, by shard; `InputError` where there is no such table."""
        found: dict[str, Lease] = {}
        asked: dict[str, Any] = {}
        while True:
            with explained(f"table {self.name}"):
                try:
                    answer = self._client.query(
                        TableName=self.name,
                        KeyConditionExpression="#stream = :stream",
                        ExpressionAttributeNames={"#stream": "stream"},
                        ExpressionAttributeValues={":stream": {"S": stream}},
                        ConsistentRead=True,
                        **asked,
                    )
                except self._client.exceptions.ResourceNotFoundException:
                    raise InputError(
                        f"there is no table {self.name!r} for leases in {self._client.meta.region_name}: "
                        f"{_CREATE.format(table=self.name)}"
                    ) from None
            items = [one for one in answer["Items"] if one["shard"]["S"] != _START]
            found |= {lease.shard: lease for lease in map(_lease, items)}
            if "LastEvaluatedKey" not in answer:
                return found
            asked = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def start(self, stream: str) -> StreamStart | None:
        """Where a stream begins; None where nobody has said."""
        item = self._get(stream, _START)
        return None if item is None else msgspec.json.decode(item["start"]["S"], type=StreamStart)

    def begin(self, start: StreamStart) -> None:
        """Say where a stream begins, unless somebody has said so of the stream that was made then."""
        item = {"stream": {"S": start.stream}, "shard": {"S": _START}, "made": {"N": str(start.made_ms)}}
        item["start"] = {"S": msgspec.json.encode(start).decode()}
        self._put(item, "made", f"{_IS_NEW} OR #name <> :value", start.made_ms)

    def write(self, lease: Lease) -> bool:
        """Write a lease over the one with the counter before it; whether that was there.

        A write whose answer was lost counts as written: nobody else writes as this holder.
        """
        before = lease.counter - 1
        if self._put(_item(lease), "counter", "#name = :value" if before else _IS_NEW, before):
            return True
        item = self._get(lease.stream, lease.shard)
        return item is not None and _lease(item) == lease

    def _put(self, item: dict[str, Any], name: str, condition: str, value: int) -> bool:
        """Whether the item was written, on a condition about its number `name`."""
        values = {":value": {"N": str(value)}} if ":value" in condition else {}
        with explained(f"table {self.name}"):
            try:
                self._client.put_item(
                    TableName=self.name,
                    Item=item,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#name": name},
                    **({"ExpressionAttributeValues": values} if values else {}),
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def _get(self, stream: str, shard: str) -> dict[str, Any] | None:
        key = {"stream": {"S": stream}, "shard": {"S": shard}}
        with explained(f"table {self.name}"):
            found = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        item: dict[str, Any] | None = found.get("Item")
        return item


def _item(lease: Lease) -> dict[str, Any]:
    texts = {name: {"S": getattr(lease, name)} for name in ("stream", "shard", "owner", "holder")}
    return texts | {
        "counter": {"N": str(lease.counter)},
        "mark": {"S": msgspec.json.encode(lease.mark).decode()},
        "claims": {"S": msgspec.json.encode(lease.claims).decode()},
    }


def _lease(item: Mapping[str, Any]) -> Lease:
    return Lease(
        stream=item["stream"]["S"],
        shard=item["shard"]["S"],
        mark=msgspec.json.decode(item["mark"]["S"], type=ShardMark),
        owner=item["owner"]["S"],
        holder=item["holder"]["S"],
        counter=int(item["counter"]["N"]),
        claims=msgspec.json.decode(item["claims"]["S"], type=dict[str, Claim]),
    )
