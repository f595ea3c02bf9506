"""Leases of shards in a table of DynamoDB: who reads one, and which records each node has claimed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.aws.clients import explained
from ringfence.adapters.kinesis.shards import ShardMark
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CREATE: Final = (
    "aws dynamodb create-table --table-name {table} --billing-mode PAY_PER_REQUEST "
    "--attribute-definitions AttributeName=stream,AttributeType=S AttributeName=shard,AttributeType=S "
    "--key-schema AttributeName=stream,KeyType=HASH AttributeName=shard,KeyType=RANGE"
)


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node has claimed of a shard since it took its lease: all behind `start`, up to `until`.

    `before` is the last record of the shard that was in the node's journal then; both are sequence numbers.
    """

    start: ShardMark
    until: str = ""
    before: str = ""


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
            found |= {lease.shard: lease for lease in map(_lease, answer["Items"])}
            if "LastEvaluatedKey" not in answer:
                return found
            asked = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def written(self, lease: Lease) -> Lease | None:
        """Write a lease over the one with the counter before it; None where that is not what is there.

        A write whose answer was lost counts as written: nobody else writes as this holder.
        """
        before = lease.counter - 1
        condition, values = "attribute_not_exists(#counter)", {}
        if before:
            condition, values = "#counter = :before", {":before": {"N": str(before)}}
        with explained(f"table {self.name}"):
            try:
                self._client.put_item(
                    TableName=self.name,
                    Item=_item(lease),
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#counter": "counter"},
                    **({"ExpressionAttributeValues": values} if values else {}),
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return lease if self._now(lease) == lease else None
        return lease

    def _now(self, lease: Lease) -> Lease | None:
        key = {"stream": {"S": lease.stream}, "shard": {"S": lease.shard}}
        found = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        return _lease(found["Item"]) if "Item" in found else None


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
