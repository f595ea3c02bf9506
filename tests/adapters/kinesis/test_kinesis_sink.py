"""Decisions as records of a stream: each key in order, whatever is refused, and nothing left out."""

import json
from collections import defaultdict
from contextlib import contextmanager

import pytest
from tests.follow.test_members import StorePlace

from ringfence.adapters.aws import aws_client
from ringfence.adapters.kinesis.address import KinesisAddress
from ringfence.adapters.kinesis.sink import OPTIONS, KinesisSink
from ringfence.adapters.sqlite import Store
from ringfence.errors import RingfenceError
from ringfence.follow import catch_up
from ringfence.ports import DECISIONS, FLAG_MATCHES
from ringfence.testing.exams.follower import FollowerExam


class SinkPlace(StorePlace):
    def __init__(self, store, aws):
        super().__init__(store, store.folder / "kinesis-sink.json")
        self.aws, self.waited = aws, []
        self.client = aws_client("kinesis")
        for stream in ("decisions", "matches"):
            aws.make(stream)

    def follower(self, more=""):
        address = KinesisAddress.of(f"kinesis://decisions?flag_matches=matches{more}", OPTIONS)
        return KinesisSink(self.log, self.client, address, self.store.folder, sleep=self.waited.append)

    def content(self):
        """What a receiver knows that passes over what it has seen."""
        found = {}
        for stream in ("decisions", "matches"):
            for key, said in self.sent(stream):
                assert found.setdefault((stream, said["offset"]), (key, said)) == (key, said)
        return sorted(found.items())

    def sent(self, stream="decisions"):
        """Key and content of each record, in the order in which they were taken."""
        records = self.aws.streams[stream]["shards"]["shardId-000000000000"]["records"]
        return [(key, json.loads(data)) for _, _, key, data in records]

    def follow(self):
        catch_up(self.log, self.follower(), all_of_it=True)


@contextmanager
def sink_place(tmp_path, aws):
    with Store.open(tmp_path / "data") as store:
        made = SinkPlace(store, aws)
        yield made
        made.client.close()


@pytest.fixture
def place(tmp_path, aws):
    with sink_place(tmp_path, aws) as made:
        yield made


class TestKinesisSink(FollowerExam):
    cannot_empty = "records stay in a stream until its retention takes them"

    @pytest.fixture
    def place(self, tmp_path, aws):
        with sink_place(tmp_path, aws) as made:
            yield made


def test_each_decision_is_a_record_with_its_key_and_its_place(place):
    place.fill(2)
    place.follow()
    sent = place.sent()
    assert [one["offset"] for _, one in sent] == list(range(place.log.end_offset(DECISIONS)))
    assert {(one["log"], one["topic"]) for _, one in sent} == {(place.log.identity, DECISIONS)}
    assert sent[0][1]["data"]["transaction_id"] == "t0"
    assert {key for key, _ in sent} == {"c0", "c1", "c2"}
    assert len(place.sent("matches")) == place.log.end_offset(FLAG_MATCHES)


def test_what_a_call_refuses_goes_again_and_each_key_stays_in_order(place):
    place.fill(3)
    place.aws.refused = [n % 3 == 1 for n in range(40)]
    place.follow()
    by_key = defaultdict(list)
    for key, one in place.sent():
        by_key[key].append(one["offset"])
    assert all(offsets == sorted(offsets) for offsets in by_key.values())
    whole = [offset for offsets in by_key.values() for offset in offsets]
    assert sorted(whole) == list(range(place.log.end_offset(DECISIONS)))
    assert place.waited


def test_a_stream_that_takes_a_part_of_each_call_is_gone_on_with(place):
    place.fill(6)
    place.aws.refused = [n % 3 > 0 for n in range(200)]
    place.follow()
    assert {one["offset"] for _, one in place.sent()} == set(range(place.log.end_offset(DECISIONS)))
    assert len(place.waited) > 8


def test_a_stream_that_takes_nothing_moves_no_position_and_what_waits_comes_later(place):
    place.fill(1)
    place.aws.refused = [True] * 1000
    with pytest.raises(RingfenceError, match=r"takes none of .*ProvisionedThroughput.*more shards"):
        place.follow()
    assert place.follower().positions()[DECISIONS] == 0
    assert len(place.waited) == 7
    place.aws.refused = []
    place.follow()
    assert {one["offset"] for _, one in place.sent()} == set(range(place.log.end_offset(DECISIONS)))


def test_killed_before_its_position_is_kept_it_sends_again_what_a_receiver_knows(place):
    place.fill(1)
    place.follow()
    at = place.folder.read_bytes()
    place.fill(1)
    place.follow()
    once = {one["offset"]: one for _, one in place.sent()}
    place.folder.write_bytes(at)  # as a crash between the records and the position leaves it
    place.follow()
    twice = [one for _, one in place.sent()]
    assert len(twice) > len(once) == place.log.end_offset(DECISIONS)
    assert all(once[one["offset"]] == one for one in twice)


def test_packed_each_key_is_in_order_in_a_call_or_two_whatever_is_refused(place, monkeypatch):
    """Without packing a call takes one message of a key."""
    monkeypatch.setattr("ringfence.adapters.kinesis.sink._PACKED_BYTES", 4000)
    place.fill(4)
    place.aws.refused = [n % 3 == 1 for n in range(40)]
    catch_up(place.log, place.follower("&pack=lines"), all_of_it=True)
    records = place.aws.streams["decisions"]["shards"]["shardId-000000000000"]["records"]
    by_key = defaultdict(list)
    for _, _, key, data in records:
        assert len(data) <= 4000
        by_key[key] += [json.loads(line)["offset"] for line in data.splitlines()]
    assert all(offsets == sorted(offsets) for offsets in by_key.values())
    whole = [offset for offsets in by_key.values() for offset in offsets]
    assert sorted(whole) == list(range(place.log.end_offset(DECISIONS)))
    assert len(records) < len(whole) / 2
