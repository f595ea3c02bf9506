"""Nodes that begin at once, lose a lease amid an aggregate, come back too late, or find the table changed."""

import json

import msgspec
import pytest
from tests.adapters.kinesis.test_kinesis_source import aggregate, all_of, values
from tests.adapters.kinesis.test_leases import SECONDS, node
from tests.spine import open_store

from ringfence.adapters.aws import aws_client
from ringfence.adapters.kinesis.lease_table import Claim, LeaseTable
from ringfence.adapters.kinesis.shards import ShardMark
from ringfence.errors import InputError, StoreError


class Amid:
    """boto3's client; behind its first write of an item comes `then`."""

    def __init__(self, client, then):
        self._client, self._then = client, then

    def __getattr__(self, name):
        return getattr(self._client, name)

    def put_item(self, **asked):
        answer = self._client.put_item(**asked)
        then, self._then = self._then, lambda: None
        then()
        return answer


@pytest.mark.parametrize("alone", [False, True])
def test_a_node_that_starts_while_another_puts_down_where_a_stream_begins_begins_there_too(
    aws, shared, clock, tmp_path, alone
):
    options = "" if alone else "?from=end"
    other = node(tmp_path, "b", shared, clock, options=options)
    one = node(
        tmp_path, "a", shared, clock, options=options, client=Amid(aws_client("dynamodb"), other.start)
    )
    if alone:
        with open_store(one.path) as store:
            all_of(store)
    else:
        aws.now_ms += 1000
    with one, other.store:
        other.look()
        assert other.source.parts > 0
        other.decide()
        one.decide()
        assert other.ids() == []
        assert len(one.ids()) == (40 if alone else 0)
        other.source.close()


def test_one_who_has_read_alone_comes_too_late_to_those_who_share(shared, clock, tmp_path):
    late = node(tmp_path, "b", shared, clock)
    with open_store(late.path) as store:
        all_of(store)
    with (
        node(tmp_path, "a", shared, clock),
        pytest.raises(InputError, match="others have begun to share it without"),
    ):
        late.start()
    late.store.close()


def test_the_rest_of_an_aggregate_is_decided_though_the_lease_is_lost_with_the_next_record(
    aws, shared, clock, tmp_path
):
    packed = aggregate(*((f"card-{n}", json.dumps(one).encode()) for n, one in enumerate(values(6, 5000))))
    aws.make("payments")
    aws.put("payments", 0, packed, *values(4, 6000))
    with node(tmp_path, "a", shared, clock) as slow, node(tmp_path, "b", shared, clock) as quick:
        batches = slow.source.batches(4, is_over=lambda: False)
        assert len(next(batches).events) == 4  # of six that are claimed
        clock.seconds += 2 * SECONDS
        quick.look()
        clock.seconds += 2 * SECONDS  # in which nothing has moved
        quick.look()
        assert quick.source.parts == 1
        second = next(batches)  # two that are claimed, and two that are not
        assert len(second.events) == 2
        assert [json.loads(one.value).get("part", 0) for one in second.positions] == [0]
        quick.decide()
        assert len(quick.ids()) == 4


def test_claimed_records_that_retention_took_are_passed_over_once(aws, shared, clock, tmp_path):
    one = node(tmp_path, "a", shared, clock)
    one.start()
    next(one.source.batches(5, is_over=lambda: False))  # claimed, and never committed
    one.die()
    for shard in range(4):
        aws.forget("payments", shard)
    aws.put("payments", 0, *values(3, 1000))
    with pytest.raises(InputError, match="gone that this node has claimed and not decided"), one:
        one.decide()
    one.options = "?on_gap=continue"
    with one:
        one.decide()
        one.look()
        one.decide()
        assert len(one.ids()) == 3
    one.options = ""
    with one:
        one.decide()


def test_a_lease_that_somebody_has_deleted_is_named(aws, shared, clock, tmp_path):
    with node(tmp_path, "a", shared, clock) as one:
        stream = one.source._streams["payments"].arn
        for shard in range(4):
            key = {"stream": {"S": stream}, "shard": {"S": f"shardId-{shard:012}"}}
            aws_client("dynamodb").delete_item(TableName=shared, Key=key)
        with pytest.raises(StoreError, match="somebody has deleted the lease of shard"):
            one.decide()


def test_claims_older_than_the_streams_retention_go_once_there_are_many(shared, clock, tmp_path, monkeypatch):
    monkeypatch.setattr("ringfence.adapters.kinesis.leases._MOST_CLAIMS", 1)
    with node(tmp_path, "a", shared, clock) as one:
        stream = one.source._streams["payments"].arn
    table = LeaseTable(aws_client("dynamodb"), shared)
    for lease in table.of(stream).values():
        old = {"gone": Claim(ShardMark(), seen_ms=1), "new": Claim(ShardMark(), seen_ms=2**60)}
        table.write(msgspec.structs.replace(lease, counter=lease.counter + 1, claims=old))
    with one:
        found = {name for lease in table.of(stream).values() for name in lease.claims}
        assert found == {"new", one.store.log.identity}
