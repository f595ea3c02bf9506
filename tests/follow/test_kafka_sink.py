"""Decisions as messages of a real Kafka: each is there with its key and its offset, whatever is killed."""

import json
from contextlib import contextmanager

import pytest
from tests.follow.test_members import StorePlace, flag_matches
from tests.kafka import broker
from tests.lakes import decisions, events

from ringfence.adapters.kafka import transactions
from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.adapters.kafka.sink import OPTIONS, KafkaSink
from ringfence.adapters.sink_messages import QUARANTINE
from ringfence.adapters.sqlite import Store
from ringfence.errors import RingfenceError, StoreError
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.follow import catch_up
from ringfence.ports import DECISIONS, FLAG_MATCHES
from ringfence.testing.exams.follower import FollowerExam


class SinkPlace(StorePlace):
    def __init__(self, store, kafka):
        super().__init__(store, store.folder / "kafka-sink.json")
        self.kafka = kafka
        self.to = {DECISIONS: kafka.topic(3), FLAG_MATCHES: kafka.topic()}

    def follower(self, address=None, **options):
        options["flag_matches"] = self.to[FLAG_MATCHES]
        said = "&".join(f"{name}={value}" for name, value in options.items())
        text = f"kafka://{address or self.kafka.address}/{self.to[DECISIONS]}?{said}"
        client = KafkaClient(KafkaAddress.of(text, OPTIONS), {})
        return KafkaSink(self.log, client, self.store.folder, self.store.quarantine)

    def content(self):
        """What a receiver knows that passes over what it has seen."""
        found = {}
        for topic, name in self.to.items():
            for message in self.kafka.content(name):
                headers = dict(message.headers())
                place = (topic, headers["ringfence-log"].decode(), int(headers["ringfence-offset"]))
                said = (message.key(), message.value())
                assert found.setdefault(place, said) == said
        return sorted(found.items())


@contextmanager
def sink_place(tmp_path):
    kafka = broker()
    with Store.open(tmp_path / "data") as store:
        yield SinkPlace(store, kafka)


@pytest.fixture
def place(tmp_path):
    with sink_place(tmp_path) as made:
        yield made


class TestKafkaSink(FollowerExam):
    cannot_empty = "messages stay in a topic until its retention takes them"

    @pytest.fixture
    def place(self, tmp_path):
        with sink_place(tmp_path) as made:
            yield made


def test_each_decision_is_a_message_with_its_key_and_its_place(place):
    place.fill(2)
    follower = place.follower()
    catch_up(place.log, follower, all_of_it=True)
    follower.close()
    content = place.content()
    of_decisions = [(where[2], key, value) for (where, (key, value)) in content if where[0] == DECISIONS]
    assert [offset for offset, _, _ in of_decisions] == list(range(place.log.end_offset(DECISIONS)))
    assert {key for _, key, _ in of_decisions} == {b"c0", b"c1", b"c2"}
    assert b'"transaction_id":"t0"' in of_decisions[0][2]
    assert {where[1] for where, _ in content} == {place.log.identity}
    assert len(content) == place.log.end_offset(DECISIONS) + place.log.end_offset(FLAG_MATCHES)
    partition_of = {}
    for message in place.kafka.content(place.to[DECISIONS]):
        assert partition_of.setdefault(message.key(), message.partition()) == message.partition()


def test_killed_before_its_position_is_kept_it_sends_again_what_a_receiver_knows(place):
    place.fill(1)
    catch_up(place.log, place.follower(), all_of_it=True)
    before, at = place.content(), place.folder.read_bytes()
    place.fill(1)
    catch_up(place.log, place.follower(), all_of_it=True)
    whole = place.content()
    place.folder.write_bytes(at)  # as a crash between the messages and the position leaves it
    follower = place.follower()
    assert follower.positions()[DECISIONS] < place.log.end_offset(DECISIONS)
    catch_up(place.log, follower, all_of_it=True)
    assert before != whole == place.content()
    messages = place.kafka.content(place.to[DECISIONS])
    assert len(messages) == place.log.end_offset(DECISIONS) + 9  # nine of them twice


def test_a_broker_that_is_away_moves_no_position(place, monkeypatch):
    monkeypatch.setattr(KafkaSink, "seconds", 1.0)
    place.fill(1)
    follower = place.follower("127.0.0.1:1")
    with pytest.raises(RingfenceError, match=r"127\.0\.0\.1:1"):
        follower.take(DECISIONS, place.log.read(DECISIONS))
    assert follower.positions()[DECISIONS] == 0


def test_another_topic_begins_anew(place):
    place.store.commit([events(0, 10), decisions(0, 10), flag_matches(0, 10)])
    catch_up(place.log, place.follower(), all_of_it=True)
    place.to[DECISIONS] = place.kafka.topic()
    assert place.follower().positions()[DECISIONS] == 0
    assert place.follower().positions()[FLAG_MATCHES] == 10


def test_in_a_transaction_each_decision_is_there_once_for_who_reads_committed_messages(place, monkeypatch):
    """Killed before the commit: what was written stays behind as aborted; nobody reads it."""
    place.fill(1)
    follower = place.follower(mode="transactional")
    catch_up(place.log, follower, all_of_it=True)
    before = place.log.end_offset(DECISIONS)
    place.fill(1)
    broken = place.follower(mode="transactional")
    with monkeypatch.context() as patch:
        patch.setattr(transactions.Transactions, "write", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            catch_up(place.log, broken, all_of_it=True)
    assert place.follower(mode="transactional").positions()[DECISIONS] == before
    with pytest.raises(StoreError):  # its transactional id is the other one's now
        catch_up(place.log, follower, all_of_it=True)
    follower.close()
    catch_up(place.log, follower, all_of_it=True)
    assert follower.positions()[DECISIONS] == place.log.end_offset(DECISIONS)
    follower.close()
    broken.close()
    kept = [int(dict(one.headers())["ringfence-offset"]) for one in place.kafka.content(place.to[DECISIONS])]
    assert sorted(kept) == list(range(place.log.end_offset(DECISIONS)))
    written = place.kafka.content(place.to[DECISIONS], committed=False)
    assert len(written) > len(kept)


@pytest.mark.parametrize("mode", ["idempotent", "transactional"])
def test_quarantined_records_go_to_a_topic_of_their_own_with_their_ids(place, mode):
    topic = place.kafka.topic()
    follower = place.follower(quarantine=topic, mode=mode)
    faults = (Fault(Reason.MALFORMED, "", "no JSON"),)
    bad = [BadRecord("pay/1", n, faults, value, "json", "own") for n, value in enumerate([b"text", b"\xff"])]
    place.store.commit(bad_records=bad, now_ms=5)
    catch_up(place.log, follower)
    assert QUARANTINE not in follower.topics
    place.store.commit(bad_records=[*bad, BadRecord("pay/1", 7, faults, b"", "json", "own")], now_ms=6)
    catch_up(place.log, follower)
    assert not follower.tend()
    follower.close()
    found = place.kafka.content(topic)
    told = [json.loads(message.value()) for message in found]
    assert [(one["position"], one["received_ms"]) for one in told] == [(0, 5), (1, 5), (7, 6)]
    assert (told[0]["original"], told[1]["original_base64"], told[0]["reason"]) == (
        "text",
        "/w==",
        "malformed",
    )
    assert [dict(one.headers())["ringfence-quarantine"].decode() for one in found] == [
        one["id"] for one in told
    ]
    assert {one.key() for one in found} == {b"pay/1"}
