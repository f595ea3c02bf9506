"""Streams of Kinesis as sources: each record is decided once, and parents before their children."""

import hashlib
import json
from contextlib import contextmanager

import boto3
import pytest
from tests.adapters.kafka.test_kafka_source import OWN, ids, lines, paid, take
from tests.adapters.kinesis.emulator import REGION
from tests.spine import Tick, open_store

from ringfence.adapters.aws import aws_client
from ringfence.adapters.kinesis import source as module
from ringfence.adapters.kinesis.address import KinesisAddress
from ringfence.adapters.kinesis.aggregates import AggregateError, taken_apart
from ringfence.adapters.kinesis.records import NAMES
from ringfence.adapters.kinesis.source import KinesisSource
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.errors import InputError, StoreError
from ringfence.events.mapping import load_mapping, parse_mapping
from ringfence.events.privacy.tokens import Tokenizer

OWN_KINESIS = OWN.replace("kafka_timestamp", "kinesis_timestamp").replace("kafka_key", "kinesis_key")
OWN_KINESIS = OWN_KINESIS.partition("[records.attributes]")[0]
ADDRESS = "kinesis://payments"


@pytest.fixture(autouse=True)
def no_pause(aws, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "data") as made:
        yield made


@contextmanager
def opened(store, address=ADDRESS, mapping=None, told=None, now_ms=None, **more):
    used = mapping or load_mapping("canonical")
    decoding = StreamDecoding(used, Tokenizer(store.meta.token_key), NAMES, **more)
    said = (told if told is not None else []).append
    client = aws_client("kinesis")
    source = KinesisSource(
        KinesisAddress.of(address, module.OPTIONS),
        client,
        decoding,
        store.positions,
        now_ms or Tick().now_ms,
        say=said,
    )
    try:
        source.open()
        yield source
    finally:
        source.close()
        client.close()


def all_of(store, address=ADDRESS, rows=1000, **more):
    with opened(store, address, **more) as source:
        return take(store, source, rows)


def values(count, first=0):
    return [json.loads(line) for line in lines(count, first)]


def aggregate(*records, damaged=False):
    """As the Kinesis Producer Library packs (key, value) pairs."""

    def field(number, content):
        return bytes([number << 3 | 2]) + varint(len(content)) + content

    def varint(value):
        out = b""
        while value > 0x7F:
            out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
        return out + bytes([value])

    keys = list(dict.fromkeys(key for key, _ in records))
    body = b"".join(field(1, key.encode()) for key in keys)
    for key, value in records:
        tag = field(1, b"tag")  # of a field that nobody reads
        body += field(3, b"\x08" + varint(keys.index(key)) + field(3, value) + field(4, tag))
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return b"\xf3\x89\x9a\xc2" + body + (digest[::-1] if damaged else digest)


def test_each_record_is_decided_once_and_the_next_run_goes_on_behind_it(aws, store):
    aws.make("payments", shards=3)
    for shard in range(3):
        aws.put("payments", shard, *values(20, 100 * shard))
    assert all_of(store, rows=7).transactions == 60
    again = all_of(store)
    assert (again.events, again.duplicates) == (0, 0)
    aws.put("payments", 1, *values(5, 500))
    again = all_of(store)
    assert (again.transactions, again.duplicates) == (5, 0)
    found = ids(store)
    for shard in range(3):
        own = [int(one[1:]) for one in found if int(one[1:]) // 100 == shard]
        assert own == sorted(own)


def test_children_begin_once_their_parents_are_read_through_splits_and_merges(aws, store):
    aws.make("payments", shards=2)
    aws.put("payments", 0, *values(30))
    left, right = aws.split("payments", 0)
    aws.put("payments", left, *values(10, 100))
    child = aws.merge("payments", right, 1)[0]
    aws.put("payments", 1, *values(10, 30))
    aws.put("payments", child, *values(10, 200))
    assert all_of(store, rows=4).transactions == 60
    place = {identity: at for at, identity in enumerate(ids(store))}
    last_of_parents = max(place[f"t{n}"] for n in range(40))
    assert max(place[f"t{n}"] for n in range(30)) < min(place[f"t{n}"] for n in range(100, 110))
    assert last_of_parents < min(place[f"t{n}"] for n in range(200, 210))
    assert all_of(store).events == 0
    aws.trim("payments", 0)  # a parent whose retention is over, and which has been read
    aws.put("payments", child, *values(1, 300))
    assert all_of(store).transactions == 1


def test_a_stream_that_is_split_while_it_is_read_goes_on_with_its_children(aws, store):
    aws.make("payments")
    aws.put("payments", 0, *values(3))
    seen = 0
    with opened(store) as source:
        for batch in source.batches(2, is_over=lambda: False):
            seen += len(batch.events)
            if seen == 3 and source.moves == 1:
                for child in aws.split("payments", 0):
                    aws.put("payments", child, *values(2, 10 * child))
            if seen == 7:
                break
        assert (source.parts, source.moves) == (2, 2)


def test_aggregates_are_taken_apart_and_a_damaged_one_is_quarantined(aws, store):
    aws.make("payments")
    packed = [("a" * 200, json.dumps(paid(n)).encode()) for n in range(300)]
    own = parse_mapping(OWN_KINESIS, "own.toml")
    aws.put("payments", 0, aggregate(*packed), aggregate(*packed, damaged=True), b"\xf3\x89\x9a\xc2short")
    totals = all_of(store, rows=64)
    assert (totals.transactions, totals.bad) == (300, 2)
    assert {one.reason for one in store.quarantine.records()} == {"malformed"}
    aws.put("payments", 0, aggregate(("k1", b'{"paid": 5}'), ("k2", b'{"paid": 6}')))
    aws.now_ms = Tick().now_ms()
    assert all_of(store, mapping=own).transactions == 2
    assert [one.rpartition("/")[2] for one in ids(store)[-2:]] == ["1", "2"]


def test_half_an_aggregate_is_gone_on_with(aws, store):
    """Without ids of their own the first half would be decided again."""
    aws.make("payments")
    aws.put("payments", 0, aggregate(*(("k", json.dumps(paid(n)).encode()) for n in range(50))), paid(50))
    at_work = 0
    with opened(store) as source:
        batches = source.batches(20, is_over=lambda: False)
        first = next(batches)
        at_work += len(first.events)
        store.commit(positions=first.positions, now_ms=0)
    with opened(store) as source:
        rest = list(source.batches(1000, until_end=True, is_over=lambda: False))
    found = [one for batch in rest for one in batch.events.column("transaction_id").to_pylist()]
    assert (at_work, found) == (20, [f"t{n}" for n in range(20, 51)])


@pytest.mark.parametrize("value", [b"", b"\xf3\x89\x9a\xc2", b"\xf3\x89\x9a\xc2" + bytes(40)])
def test_what_is_no_aggregate_is_said_to_be_none(value):
    with pytest.raises(AggregateError):
        taken_apart(value)


def test_what_is_no_record_goes_to_quarantine_with_shard_and_sequence_number(aws, store):
    aws.make("payments")
    aws.put("payments", 0, paid(0), b"no json", b"card 4111111111111111", b"\0\0\0\0\x01avro", paid(1))
    totals = all_of(store)
    assert (totals.transactions, totals.bad) == (2, 3)
    kept = store.quarantine.records()
    assert all(one.source.startswith("payments/shardId-000000000000/49") for one in kept)
    assert not any(b"4111111111111111" in one.original for one in kept)
    assert all_of(store).bad == 0


def test_iterators_that_expire_and_throttling_are_survived(aws, store, monkeypatch):
    monkeypatch.setattr(module, "_THROTTLED_SECONDS", 0.0)
    aws.make("payments", shards=2)
    for shard in range(2):
        aws.put("payments", shard, *values(10, 100 * shard))
    throttled = "ProvisionedThroughputExceededException"
    aws.failures = {"GetRecords": ["ExpiredIteratorException", *[throttled] * 7]}
    told = []
    with opened(store) as source:
        batches = source.batches(3, until_end=True, is_over=lambda: False)
        first = next(batches)
        told.append(source.problem)
        aws.expire()
        rest = list(batches)
    assert "throttles" in told[0]
    assert sum(len(batch.events) for batch in [first, *rest]) == 20
    assert source.problem == ""


def test_an_aggregate_whose_shard_was_split_is_left_out_as_its_producer_sends_it_again(aws, store):
    aws.make("payments")
    low, _ = aws.split("payments", 0)
    packed = aggregate(*((f"card-{n}", json.dumps(paid(n)).encode()) for n in range(20)))
    aws.put("payments", low, packed, *values(2, 100))
    totals = all_of(store)
    assert (totals.transactions, totals.bad) == (2, 0)


def test_a_shard_that_is_trimmed_while_it_is_read_is_named(aws, store, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    aws.make("payments")
    aws.put("payments", 0, *values(3))
    with opened(store) as source:
        batches = source.batches(10, is_over=lambda: False)
        assert len(next(batches).events) == 3
        aws.split("payments", 0)
        aws.trim("payments", 0)
        with pytest.raises(InputError, match="is not there any more"):
            next(batches)


def test_a_reader_that_retention_overtakes_says_so(aws, store, monkeypatch):
    aws.make("payments", hours=24)
    monkeypatch.setattr(module, "_MOST_RECORDS", 2)
    aws.put("payments", 0, *values(3))
    aws.now_ms += 25 * 3_600_000
    with opened(store) as source, pytest.raises(InputError, match="more slowly than retention"):
        list(source.batches(10, until_end=True, is_over=lambda: False))


def test_a_closed_parent_that_says_so_one_answer_late_is_not_the_end(aws, store):
    aws.make("payments")
    aws.put("payments", 0, *values(3))
    child, _ = aws.split("payments", 0)
    aws.put("payments", child, *values(2, 100))
    aws.late = True
    assert all_of(store).transactions == 5


def test_from_the_end_is_from_the_moment_at_which_it_was_first_opened(aws, store):
    aws.make("payments", shards=2)
    aws.put("payments", 0, *values(10))
    aws.split("payments", 0)
    clock = Tick()
    clock.ms = aws.now_ms + 90_000  # ahead of AWS, which refuses a time to come
    assert all_of(store, f"{ADDRESS}?from=end", now_ms=clock.now_ms).events == 0
    aws.now_ms += 60_000
    aws.put("payments", 1, *values(3, 100))
    assert all_of(store, f"{ADDRESS}?from=end", now_ms=clock.now_ms).transactions == 3


class TestWhatIsGone:
    """Named, and passed over only where the address says so."""

    def test_a_stream_that_was_made_again(self, aws, store):
        aws.make("payments")
        aws.put("payments", 0, *values(5))
        all_of(store)
        aws.make("payments")
        aws.put("payments", 0, *values(5, 100))
        with pytest.raises(InputError, match="deleted and made again"):
            all_of(store)
        assert all_of(store, f"{ADDRESS}?on_gap=continue").transactions == 5
        assert all_of(store).events == 0

    def test_a_shard_that_was_not_read_to_its_end(self, aws, store):
        aws.make("payments")
        aws.put("payments", 0, *values(5))
        all_of(store)
        child, _ = aws.split("payments", 0)
        aws.trim("payments", 0)
        aws.put("payments", child, *values(2, 100))
        with pytest.raises(InputError, match="is not there any more"):
            all_of(store)
        told = []
        assert all_of(store, f"{ADDRESS}?on_gap=continue", told=told).transactions == 2
        assert "Going on" in told[0]
        assert all_of(store).events == 0

    def test_records_that_came_and_went_while_nobody_read(self, aws, store):
        aws.make("payments", hours=24)
        aws.put("payments", 0, *values(5))
        clock = Tick()
        all_of(store, now_ms=clock.now_ms)
        clock.ms += 25 * 3_600_000
        with pytest.raises(InputError, match="last read 25 hours ago, and the stream keeps records for 24"):
            all_of(store, now_ms=clock.now_ms)
        assert all_of(store, f"{ADDRESS}?on_gap=continue", now_ms=clock.now_ms).events == 0
        assert all_of(store, now_ms=clock.now_ms).events == 0

    @pytest.mark.parametrize("action", ["GetShardIterator", "GetRecords"])
    def test_records_of_a_tables_stream_that_were_trimmed(self, aws, store, action):
        aws.make("payments")
        aws.put("payments", 0, *values(5))
        all_of(store)
        aws.forget("payments", 0)
        aws.put("payments", 0, *values(2, 100))
        aws.failures = {action: ["TrimmedDataAccessException"]}
        with pytest.raises(InputError, match=r"payments/shardId-0+: the records .*trimmed.*on_gap=continue"):
            all_of(store)
        told = []
        aws.failures = {action: ["TrimmedDataAccessException"]}
        assert all_of(store, f"{ADDRESS}?on_gap=continue", told=told).transactions == 2
        assert "trimmed. Going on" in told[0]
        begun = [asked["ShardIteratorType"] for what, asked in aws.asked if what == "GetShardIterator"]
        assert begun[-1] == "TRIM_HORIZON"
        assert all_of(store).events == 0

    def test_a_stream_that_is_read_while_it_is_idle_is_not_taken_for_one(self, aws, store):
        aws.make("payments", hours=24)
        clock = Tick()
        for _ in range(5):
            all_of(store, now_ms=clock.now_ms)
            clock.ms += 20 * 3_600_000


@pytest.mark.parametrize(
    ("address", "kind", "told"),
    [
        ("kinesis://missing", InputError, f"there is no stream 'missing' in {REGION}"),
        ("kinesis://payments?no_such=1", InputError, "is no option"),
        ("kinesis://payments?form=x", InputError, "format"),
        ("kinesis://", InputError, "names no stream"),
        ("kinesis://payments/labels", InputError, "has a path"),
        ("kinesis://a%20b", InputError, "has 'a b'"),
        ("kinesis://AKIA:hunter2@payments", InputError, "holds no credentials"),
        ("kinesis://payments?on_gap=perhaps", InputError, "one of stop, continue"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_message_without_secrets(aws, store, address, kind, told):
    with pytest.raises(kind) as raised:
        all_of(store, address)
    assert told in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_right_that_is_missing_is_named_with_the_action(aws, store):
    aws.make("payments")
    aws.failures = {"GetRecords": ["AccessDeniedException"]}
    with pytest.raises(StoreError, match=r"GetRecords fails with AccessDeniedException.*allow the action"):
        all_of(store)


def test_how_far_it_is_behind_is_told(aws, store, monkeypatch):
    monkeypatch.setattr(module, "_MOST_RECORDS", 2)
    aws.make("payments")
    aws.put("payments", 0, *values(5))
    aws.now_ms += 90_000
    with opened(store) as source:
        batches = source.batches(2, is_over=lambda: False)
        next(batches)
        assert (source.behind_ms, source.parts, source.lag) == (90_000, 1, 0)
        list(zip(range(3), batches, strict=False))
        assert source.behind_ms == 0


def test_an_emulator_of_others_gives_the_same(store, monkeypatch):
    from tests.adapters.aws import emulator  # noqa: PLC0415 (it starts a server)

    emulator.environment(monkeypatch)
    client = boto3.client("kinesis")
    client.create_stream(StreamName="others", ShardCount=2)
    for n, line in enumerate(lines(20)):
        client.put_record(StreamName="others", Data=line, PartitionKey=f"card-{n}")
    assert all_of(store, "kinesis://others").transactions == 20
    assert all_of(store, "kinesis://others").events == 0
    client.close()
