"""The audit item of each decision in DynamoDB, as a follower: by account and transaction, and by account."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.aws.clients import explained
from ringfence.adapters.finder.rows import leading, rows_of
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import StoreError
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ringfence.ports import EventLog, LogBatch

_OWNERS: Final = ("account_id", "customer_id", "card_id")
_TEXTS: Final = ("outcome", "currency", "merchant_id", "country", "channel", "card_last4")
_NUMBERS: Final = ("offset", "event_time_ms", "decided_at_ms", "score", "probability", "amount")
_LISTS: Final = ("reasons", "rules", "degraded")
_POSITION: Final = "#position"  # no payment's key: a first # is doubled in those
_AT_ONCE: Final = 25  # items that BatchWriteItem takes
_TRIES: Final = 8
_KEY_BYTES: Final = 1024
_DAY_S: Final = 86_400


class AuditTable:
    """A `ringfence.follow.Follower`.

    Items are functions of the log, so that what comes twice changes nothing. The position is an item of its
    own, written under the condition that nobody else has moved it: of two processes one stops.

    Args:
        log: the log that is followed.
        client: boto3's of DynamoDB.
        table: its name; keys are `account_id` and `transaction_id`, both texts.
        log_id: identity of the log.
        days: how long an item stays after its payment; 0 for ever.
        sleep: waits so many seconds, before what DynamoDB has not taken is sent again.
    """

    name: Final = "dynamodb"
    topics: Final = (DECISIONS,)
    least: Final = 1
    most: Final = 2_000

    def __init__(
        self,
        log: EventLog,
        client: Any,
        table: str,
        log_id: str,
        *,
        days: int = 0,
        sleep: Callable[[float], None],
    ) -> None:
        self.table = table
        self._log, self._client, self._days, self._sleep = log, client, days, sleep
        self._key = {"account_id": {"S": _POSITION}, "transaction_id": {"S": log_id}}

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`. Payments of decisions are looked up."""
        found = self._position()
        return {DECISIONS: found.get("next_offset", 0), EVENTS: found.get("events", 0)}

    def take(self, _topic: str, batches: Iterable[LogBatch]) -> None:
        """See `Follower.take`."""
        before = self._position().get("next_offset")
        end = last = 0
        for batch in batches:
            decisions = DecisionBatch.decode(batch.payload)
            rows = rows_of([leading(decisions)], self._log).to_pylist()
            self._write([{"PutRequest": {"Item": self.item(row)}} for row in rows])
            end, last = batch.next_offset, int(decisions.numbers("offset")[-1]) + 1
        if end:
            self._move(before, end, last)

    def reset(self) -> None:
        """See `Follower.reset`. The position goes first: whatever a crash leaves comes again."""
        with explained(f"table {self.table}"):
            self._client.delete_item(TableName=self.table, Key=self._key)
        keys: list[dict[str, Any]] = []
        for item in self._own_items("account_id, transaction_id"):
            keys.append({"DeleteRequest": {"Key": item}})
            if len(keys) == self.most:
                self._write(keys)
                keys = []
        self._write(keys)

    def close(self) -> None:
        """See `Follower.close`. Connections of boto3 close by themselves."""

    def find(self, account: str, transaction_id: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Items of an account, by transaction id, or the one of a transaction."""
        names = {"#a": "account_id"} | ({"#t": "transaction_id"} if transaction_id else {})
        values = {":a": {"S": key_of(account)}}
        condition = "#a = :a"
        if transaction_id:
            values[":t"] = {"S": _short(transaction_id)}
            condition += " AND #t = :t"
        with explained(f"table {self.table}"):
            found = self._client.query(
                TableName=self.table,
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                Limit=limit,
                ConsistentRead=True,
            )
        return [_plain(item) for item in found["Items"]]

    def item(self, row: dict[str, Any]) -> dict[str, Any]:
        """The item of a decision beside its payment, in DynamoDB's types."""
        owner = next((name for name in _OWNERS if row[name]), None)
        item: dict[str, Any] = {
            "account_id": {"S": key_of(row[owner]) if owner else "unknown"},
            "transaction_id": {"S": _short(row["transaction_id"])},
            "owner": {"S": owner.removesuffix("_id") if owner else "none"},
            "log_id": self._key["transaction_id"],
        }
        item |= {name: {"S": row[name]} for name in _TEXTS if row[name]}
        item |= {name: {"N": f"{row[name]:.15g}"} for name in _NUMBERS if row[name] is not None}
        item |= {name: {"L": [{"S": text} for text in row[name]]} for name in _LISTS if row.get(name)}
        if self._days:
            item["expires_at"] = {"N": str(row["event_time_ms"] // 1000 + self._days * _DAY_S)}
        return item

    def _position(self) -> dict[str, int]:
        with explained(f"table {self.table}"):
            found = self._client.get_item(TableName=self.table, Key=self._key, ConsistentRead=True)
        item = found.get("Item", {})
        return {name: int(item[name]["N"]) for name in ("next_offset", "events") if name in item}

    def _move(self, before: int | None, end: int, events: int) -> None:
        values = {":end": {"N": str(end)}, ":events": {"N": str(events)}}
        condition = "attribute_not_exists(next_offset)"
        if before is not None:
            condition, values[":before"] = "next_offset = :before", {"N": str(before)}
        with explained(f"table {self.table}"):
            try:
                self._client.update_item(
                    TableName=self.table,
                    Key=self._key,
                    UpdateExpression="SET next_offset = :end, events = :events",
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                raise StoreError(
                    f"table {self.table}: another process has moved the position from {before}: one follower "
                    "at a time writes there"
                ) from error

    def _write(self, requests: list[dict[str, Any]]) -> None:
        for begin in range(0, len(requests), _AT_ONCE):
            waiting = _without_twins(requests[begin : begin + _AT_ONCE])
            for attempt in range(_TRIES):
                with explained(f"table {self.table}"):
                    said = self._client.batch_write_item(RequestItems={self.table: waiting})
                waiting = said.get("UnprocessedItems", {}).get(self.table, [])
                if not waiting:
                    break
                self._sleep(min(0.05 * 2**attempt, 5.0))
            else:
                raise StoreError(
                    f"table {self.table}: DynamoDB leaves {len(waiting)} items unprocessed after {_TRIES} "
                    "tries: raise its capacity, or make it on demand"
                )

    def _own_items(self, names: str) -> Iterator[dict[str, Any]]:
        """Without those that followers of other logs put into the same table."""
        with explained(f"table {self.table}"):
            pages = self._client.get_paginator("scan")
            for page in pages.paginate(
                TableName=self.table,
                ProjectionExpression=names,
                FilterExpression="log_id = :log_id",
                ExpressionAttributeValues={":log_id": self._key["transaction_id"]},
                ConsistentRead=True,
            ):
                yield from page["Items"]


def create_table(client: Any, table: str) -> bool:
    """Make the table, on demand, with expiry; False where it is there already."""
    keys = {"account_id": "HASH", "transaction_id": "RANGE"}
    with explained(f"table {table}"):
        try:
            client.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
                BillingMode="PAY_PER_REQUEST",
                SSESpecification={"Enabled": True},
            )
        except client.exceptions.ResourceInUseException:
            return False
        client.get_waiter("table_exists").wait(TableName=table)
        expiry = {"Enabled": True, "AttributeName": "expires_at"}
        client.update_time_to_live(TableName=table, TimeToLiveSpecification=expiry)
    return True


def key_of(account: str) -> str:
    """An account as a key: no account takes the place of the position."""
    return _short(f"#{account}" if account.startswith("#") else account)


def _short(text: str) -> str:
    """A key that DynamoDB takes; longer ones by their hash."""
    raw = text.encode(errors="replace")
    return text if len(raw) <= _KEY_BYTES else f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _without_twins(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """DynamoDB refuses a request that names a key twice; the later one counts."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for request in requests:
        key = request.get("PutRequest", {}).get("Item") or request["DeleteRequest"]["Key"]
        found[key["account_id"]["S"], key["transaction_id"]["S"]] = request
    return list(found.values())


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item without DynamoDB's types."""
    return {name: _value(typed) for name, typed in item.items()}


def _value(typed: dict[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    if kind == "N":
        number = float(value)
        return int(number) if number.is_integer() else number
    return [_value(one) for one in value] if kind == "L" else value
