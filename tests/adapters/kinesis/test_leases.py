"""Several nodes on one stream: each record is decided once over all logs, whoever dies or comes late."""

import json
import shutil
import uuid

import boto3
import pytest
from tests.adapters.aws import emulator
from tests.adapters.kafka.test_kafka_source import ids
from tests.adapters.kinesis.leasing import make_table
from tests.adapters.kinesis.test_kinesis_source import aggregate, all_of, values
from tests.spine import Tick, open_store, runner

from ringfence.adapters.aws import aws_client
from ringfence.adapters.kinesis import source as module
from ringfence.adapters.kinesis.address import KinesisAddress
from ringfence.adapters.kinesis.lease_table import LeaseTable
from ringfence.adapters.kinesis.leases import ShardLeases
from ringfence.adapters.kinesis.records import NAMES
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.errors import InputError, StoreError
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer

SECONDS = 10.0


class Node:
    """One node: a data folder, and what reads the stream into it."""

    def __init__(self, path, table, clock, *, options="", client=None):
        self.path, self.table, self.clock, self.options, self.client = path, table, clock, options, client
        self.store = self.source = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.source.close()
        self.store.close()

    def start(self):
        """Begin in its folder, as a process does."""
        self.store = open_store(self.path).__enter__()
        self.take_up()

    def take_up(self):
        leases = ShardLeases(
            LeaseTable(self.client or aws_client("dynamodb"), self.table),
            node=self.store.log.identity,
            holder=uuid.uuid4().hex,
            seconds=SECONDS,
            monotonic=self.clock,
        )
        self.source = module.KinesisSource(
            KinesisAddress.of(f"kinesis://payments{self.options}", module.OPTIONS),
            aws_client("kinesis"),
            StreamDecoding(load_mapping("canonical"), Tokenizer(self.store.meta.token_key), NAMES),
            self.store.positions,
            Tick().now_ms,
            leases=leases,
        )
        self.source.open()

    def die(self):
        """End without a word: leases stay, what was not committed is lost."""
        self.source._leases = None  # its close would let go of them
        self.source.close()
        self.store.close()

    def look(self):
        """One look at shards and leases."""
        self.source._look()

    def decide(self):
        """What its shards hold: until nothing has come for a while."""
        at_work, left = runner(self.store), [6]
        try:
            return at_work.run(self._batches(left))
        finally:
            at_work.close()

    def _batches(self, left):
        for batch in self.source.batches(1000, wait_seconds=0.0, is_over=lambda: not left[0]):
            left[0] = 6 if len(batch.events) else left[0] - 1
            yield batch

    def ids(self):
        return ids(self.store)


def once_over(*nodes):
    """The ids of all logs, none of which is there twice."""
    found = [one for node in nodes for one in node.ids()]
    assert len(found) == len(set(found))
    return set(found)


def node(tmp_path, name, shared, clock, **more):
    return Node(tmp_path / name, shared, clock, **more)


def test_a_second_node_takes_half_of_the_shards_and_each_record_is_decided_once(aws, shared, clock, tmp_path):
    with node(tmp_path, "a", shared, clock) as one, node(tmp_path, "b", shared, clock) as other:
        other.look()
        other.look()
        one.look()
        assert (one.source.parts, other.source.parts) == (2, 2)
        one.decide()
        other.decide()
        aws.put("payments", 0, *values(5, 1000))
        aws.put("payments", 3, *values(5, 2000))
        one.decide()
        other.decide()
        assert len(once_over(one, other)) == 50
        assert all(node.ids() for node in (one, other))


def test_a_lease_that_is_lost_in_a_race_lets_nothing_be_written(aws, shared, clock, tmp_path, monkeypatch):
    monkeypatch.setattr(module.KinesisSource, "_look_seconds", 3600.0)  # a look would take shards back
    with node(tmp_path, "a", shared, clock) as slow:
        batches = slow.source.batches(5, is_over=lambda: False)
        first = next(batches)  # of forty that it has read, five are claimed and handed over
        assert len(first.events) == 5
        quick = node(tmp_path, "b", shared, clock)
        quick.start()
        clock.seconds += 2 * SECONDS  # in which the first one stands still
        quick.look()
        assert quick.source.parts == 4
        quick.decide()
        rest = [next(batches) for _ in range(8)]
        assert sum(len(batch.events) for batch in rest) == 0
        assert len(quick.ids()) == 35
        assert slow.source.parts == 0
        quick.die()


def test_what_a_node_had_claimed_when_it_died_it_decides_when_it_is_back_and_nobody_else(
    aws, shared, clock, tmp_path
):
    one = node(tmp_path, "a", shared, clock)
    one.start()
    batches = one.source.batches(5, is_over=lambda: False)
    assert len(next(batches).events) == 5  # and never committed
    one.die()
    with node(tmp_path, "b", shared, clock) as other:
        clock.seconds += 2 * SECONDS
        other.look()
        other.decide()
        assert len(other.ids()) == 35
        with one:
            one.decide()
            assert len(once_over(one, other)) == 40
            aws.put("payments", 0, *values(5, 1000))
            one.decide()
            other.decide()
            assert len(once_over(one, other)) == 45


def test_half_an_aggregate_stays_with_the_node_that_began_it(aws, shared, clock, tmp_path):
    packed = aggregate(*((f"card-{n}", json.dumps(one).encode()) for n, one in enumerate(values(20, 5000))))
    aws.make("payments")
    aws.put("payments", 0, packed)
    with node(tmp_path, "a", shared, clock) as slow, node(tmp_path, "b", shared, clock) as quick:
        batches = slow.source.batches(5, is_over=lambda: False)
        assert quick.source.parts == 0
        seen = len(next(batches).events)
        clock.seconds += 2 * SECONDS
        quick.look()
        assert quick.decide().events == 0
        seen += sum(len(next(batches).events) for _ in range(6))
        assert seen == 20


def test_a_node_that_comes_back_before_anybody_has_noticed_goes_on(aws, shared, clock, tmp_path):
    one = node(tmp_path, "a", shared, clock)
    one.start()
    next(one.source.batches(5, is_over=lambda: False))  # claimed, and never committed
    one.die()
    with one:
        one.decide()
        assert len(once_over(one)) == 40


def test_children_are_read_once_any_node_has_read_their_parents(aws, shared, clock, tmp_path):
    with node(tmp_path, "a", shared, clock) as one, node(tmp_path, "b", shared, clock) as other:
        children = aws.split("payments", 0)
        for child in children:
            aws.put("payments", child, *values(3, 100 * child))
        for _ in range(3):
            for each in (one, other):
                each.look()
                each.decide()
        assert len(once_over(one, other)) == 46
        place = {identity: at for each in (one, other) for at, identity in enumerate(each.ids())}
        for each in (one, other):
            own = each.ids()
            both = [identity for identity in own if int(identity[1:]) < 10 or int(identity[1:]) >= 400]
            assert both == sorted(both, key=lambda identity: place[identity])


class Twice:
    """boto3's client, whose writes all arrive and are made once more, as after an answer that was lost."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)

    def put_item(self, **asked):
        self._client.put_item(**asked)
        return self._client.put_item(**asked)


def test_a_claim_whose_answer_is_lost_is_ours(aws, shared, clock, tmp_path):
    with node(tmp_path, "a", shared, clock, client=Twice(aws_client("dynamodb"))) as one:
        one.decide()
        assert len(one.ids()) == 40


def test_a_stream_that_is_made_again_is_read_from_its_beginning_whatever_the_leases_say(
    aws, shared, clock, tmp_path
):
    with node(tmp_path, "a", shared, clock) as one:
        one.decide()
    aws.make("payments", shards=2)
    aws.put("payments", 1, *values(5, 1000))
    with pytest.raises(InputError, match="deleted and made again"):
        one.start()
    one.store.close()
    one.options = "?on_gap=continue"
    with one:
        one.decide()
        assert len(once_over(one)) == 45


@pytest.mark.usefixtures("shared")
class TestWhatIsRefused:
    """Because records would be decided twice, or not at all."""

    def test_a_table_that_is_not_there(self, clock, tmp_path):
        with pytest.raises(
            InputError, match=r"no table 'others' for leases in .*: aws dynamodb create-table"
        ):
            node(tmp_path, "a", "others", clock).start()

    def test_reading_alone_what_others_read_too(self, shared, clock, tmp_path):
        with node(tmp_path, "a", shared, clock) as one:
            one.decide()
        with open_store(one.path) as store, pytest.raises(InputError, match="add leases=TABLE"):
            all_of(store)

    def test_leases_that_are_gone(self, shared, clock, tmp_path):
        with node(tmp_path, "a", shared, clock) as one:
            one.decide()
        one.table = f"leases-{uuid.uuid4().hex}"
        make_table(boto3.client("dynamodb", region_name=emulator.REGION), one.table)
        with pytest.raises(InputError, match="the leases of stream payments are gone"):
            one.start()
        one.store.close()

    def test_an_old_backup(self, shared, clock, tmp_path):
        with node(tmp_path, "a", shared, clock) as one:
            pass
        shutil.copytree(one.path, tmp_path / "backup")
        for _ in range(2):  # the second time it takes leases of shards that its journal knows
            with one:
                one.decide()
        one.path = tmp_path / "backup"
        with pytest.raises(InputError, match=r"the journal lacks what this node had read before"):
            one.start()
        one.store.close()

    def test_two_processes_with_copies_of_a_folder(self, shared, clock, tmp_path):
        with node(tmp_path, "a", shared, clock) as one:
            pass
        shutil.copytree(one.path, tmp_path / "copy")
        with (
            one,
            node(tmp_path, "copy", shared, clock),
            pytest.raises(StoreError, match="a copy of this data"),
        ):
            one.decide()


def test_the_first_node_that_shares_begins_where_it_was_alone(aws, shared, clock, tmp_path):
    one = node(tmp_path, "a", shared, clock)
    with open_store(one.path) as store:
        all_of(store)
    aws.put("payments", 2, *values(5, 1000))
    with one, node(tmp_path, "b", shared, clock) as other:
        for each in (one, other):
            each.look()
            each.decide()
        assert len(once_over(one, other)) == 45
