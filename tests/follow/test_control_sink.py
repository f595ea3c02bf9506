"""Versions, lists, flags and profiles in a control topic of a real Kafka: what was made here only."""

import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing, contextmanager

import pyarrow as pa
import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.follow.test_members import StorePlace
from tests.kafka import broker
from tests.lakes import events
from tests.rulebooks import reviews_above
from tests.waiting import until

from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.adapters.kafka.control_sink import ControlSink
from ringfence.adapters.sqlite import Store
from ringfence.errors import InputError, RingfenceError
from ringfence.events import codec
from ringfence.events.activation import Part, activation
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.model import ADDED_BY
from ringfence.events.origin import EventOrigin
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.follow import catch_up
from ringfence.ports import EVENTS, LogBatch
from ringfence.rulebook.entries import Entry, to_events
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.rulesets.actions import ListKind
from ringfence.sharded.changes import change_in, is_change
from ringfence.sharded.references import is_reference, reference_in
from ringfence.testing.exams.follower import FollowerExam

KEYS = "0123456789abcdef"
NOW_MS = 1_700_000_000_000
TOKENIZER = Tokenizer(bytes(16))


def event_in(value):
    return json.loads(bytes(reference_in(value, KEYS).event))


class ControlPlace(StorePlace):
    def __init__(self, store, kafka, topic=None):
        super().__init__(store, store.folder)
        self.kafka = kafka
        self.topic = topic or kafka.topic()
        self.limits = itertools.count(1)
        self.broken = False

    def fill(self, count):
        for _ in range(count):
            self.activate(reviews_above(next(self.limits)))
            self.store.commit([events(self.log.end_offset(EVENTS), 10)])

    def activate(self, version, place="", part=Part.RULES):
        if version.digest:
            self.store.registry.register(part, version.digest, version.to_json(), 7)
        put = activation(part, version.digest, 7, author="mira", note="calmer", place=place)
        offset = self.log.end_offset(EVENTS)
        self.store.commit([LogBatch(EVENTS, offset, 1, 7, 7, codec.encode(put))])
        return offset

    def put(self, *made, origin=EventOrigin.HERE):
        """Profiles, list entries and flags as batches of the log."""
        for one in made:
            offset = self.log.end_offset(EVENTS)
            batch = LogBatch(EVENTS, offset, len(one), 7, 7, codec.encode(one, origin))
            self.store.commit([batch])

    def follower(self, address=None):
        client = KafkaClient(KafkaAddress.of(f"kafka://{address or self.kafka.address}/{self.topic}", {}), {})
        return ControlSink(self.log, client, self.store.folder, self.text_of, KEYS)

    def text_of(self, part, digest):
        if self.broken:
            raise OSError("no room")
        found = self.store.registry.find(part, digest)
        return found and found.body

    def damage(self):
        self.broken = True
        return self.mend

    def mend(self):
        self.broken = False

    def records(self):
        """Offset here, part and digest of each record, in order."""
        found = []
        for message in self.kafka.content(self.topic):
            headers = dict(message.headers())
            assert headers["ringfence-log"].decode() == self.log.identity
            if is_reference(message.value()):
                continue
            told = change_in(message.value())
            found.append((int(headers["ringfence-offset"]), told.part, told.digest))
        return found

    def events(self):
        """What each record with a list entry, flag or profile brings, in order."""
        values = [message.value() for message in self.kafka.content(self.topic)]
        return [event_in(value) for value in values if is_reference(value)]

    def content(self):
        """What is in force for who follows the topic."""
        return {part: digest for _, part, digest in self.records()}


@contextmanager
def control_place(tmp_path):
    with Store.open(tmp_path / "data") as store:
        yield ControlPlace(store, broker())


@pytest.fixture
def place(tmp_path):
    with control_place(tmp_path) as made:
        yield made


class TestControlSink(FollowerExam):
    cannot_empty = "records stay in a topic until its retention takes them"

    @pytest.fixture
    def place(self, tmp_path):
        with control_place(tmp_path) as made:
            yield made


def take_all(place):
    with closing(place.follower()) as follower:
        catch_up(place.log, follower, all_of_it=True)
    until(lambda: end_of(place, "read_committed") == end_of(place, "read_uncommitted"))


def end_of(place, isolation):
    """Where the topic ends for a reader: what is committed is so a moment later for the partition."""
    settings = {"bootstrap.servers": place.kafka.address, "group.id": "look", "isolation.level": isolation}
    with closing(Consumer(settings)) as consumer:
        return consumer.get_watermark_offsets(TopicPartition(place.topic, 0), timeout=30, cached=False)[1]


def test_an_activation_comes_with_its_text_and_who_made_it(place):
    rules = reviews_above(5)
    offset = place.activate(rules)
    take_all(place)
    [message] = place.kafka.content(place.topic)
    told = change_in(message.value())
    assert (told.part, told.digest, told.body) == (
        Part.RULES,
        reviews_above(5).digest,
        reviews_above(5).to_json(),
    )
    assert (told.author, told.note) == ("mira", "calmer")
    assert place.records() == [(offset, Part.RULES, rules.digest)]


def test_what_was_taken_over_from_the_topic_is_never_sent_back(place):
    place.activate(reviews_above(5), place=f"{place.topic}/0/3")
    take_all(place)
    assert place.records() == []
    place.activate(reviews_above(6))
    place.activate(reviews_above(7), place=f"{place.topic}/0/4")  # came behind it
    take_all(place)
    assert place.records() == []


def test_of_versions_that_wait_the_last_of_each_part_is_sent(place, monkeypatch):
    """Also where one take does not reach it."""
    monkeypatch.setattr(ControlSink, "most", 11)
    place.fill(3)
    models = Deployment(champion="a" * 16)
    place.activate(models, part=Part.MODELS)
    last = place.activate(reviews_above(99))
    place.fill(0)
    take_all(place)
    assert [(part, digest) for _, part, digest in place.records()] == [
        (Part.MODELS, models.digest),
        (Part.RULES, reviews_above(99).digest),
    ]
    assert place.records()[-1][0] == last
    place.activate(Deployment(), part=Part.MODELS)
    take_all(place)
    assert place.records()[-1][1:] == (Part.MODELS, "")


FOLLOWING = """
    import sys
    from contextlib import closing
    from tests.follow.test_control_sink import ControlPlace
    from tests.kafka import Broker
    from pathlib import Path
    from ringfence.adapters.sqlite import Store
    from ringfence.follow import catch_up

    folder, port, topic = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with Store.open(folder, read_only=True) as store:
        place = ControlPlace(store, Broker(folder, folder, port, 0, 0), topic)
        with closing(place.follower()) as follower:
            print("ready", flush=True)
            while True:
                catch_up(store.log, follower)
"""


def test_killed_at_any_moment_it_sends_each_once(place):
    """For who reads committed records: kill -9 of its process while versions come, twelve times."""
    script = textwrap.dedent(FOLLOWING)
    command = [sys.executable, "-c", script, str(place.store.folder), str(place.kafka.port), place.topic]
    made = []
    for number in range(12):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as running:
            assert running.stdout.readline() == "ready\n"
            for _ in range(number % 4 + 1):
                made.append((place.activate(reviews_above(1000 + len(made))), Part.RULES))
                place.put(listed(f"d-{len(made)}"))
                place.kafka.content(place.topic, committed=False)  # takes a moment
            running.send_signal(signal.SIGKILL)
    take_all(place)
    found = place.records()
    assert [one[0] for one in found] == sorted({one[0] for one in found})
    assert {one[:2] for one in found} <= set(made)
    assert found[-1][2] == reviews_above(1000 + len(made) - 1).digest
    assert len(found) > 1
    assert [one["entity_id"] for one in place.events()] == [f"d-{n + 1}" for n in range(len(made))]


def listed(*ids, removed=False, author="mira", list_name="stolen"):
    entries = [Entry(one, "device", None, "2030-01-01") for one in ids]
    return to_events(
        entries,
        list_name,
        ListKind.BLOCK,
        author=author,
        now_ms=NOW_MS,
        tokenizer=TOKENIZER,
        removed=removed,
    )[0]


def said(**fields):
    line = json.dumps({"event_time": NOW_MS, "entity_type": "device"} | fields).encode()
    return JsonDecoder(TOKENIZER).decode_one(line, NOW_MS)


def test_lists_flags_and_profiles_go_in_the_order_of_the_log_among_versions(place):
    place.put(listed("d-1", "d-2"))
    place.activate(reviews_above(5))
    place.put(said(kind="flag", entity_id="d-3", effective_at=NOW_MS))
    place.put(said(kind="profile", entity_id="d-4", attributes={"risk": 2, "name": "till"}))
    place.put(listed("d-2", removed=True), listed("d-5"))
    take_all(place)
    kinds = [
        "activation" if is_change(one.value()) else event_in(one.value())["kind"]
        for one in place.kafka.content(place.topic)
    ]
    assert kinds == ["list_entry", "activation", "flag", "profile", "list_entry", "list_entry"]
    told = place.events()
    assert [one["entity_id"] for one in told] == ["d-1", "d-3", "d-4", "d-2", "d-5"]  # d-2 was taken off
    assert told[0]["expires_at"] == "2030-01-01T00:00:00.000Z"
    assert told[2]["attributes"] == {"risk": 2.0, "name": "till"}
    assert told[3]["removed"]
    first = place.kafka.content(place.topic)[0]
    assert reference_in(first.value(), KEYS).author == "mira"


def labelled(*ids, is_fraud=True, **fields):
    lines = [
        json.dumps(
            {"kind": "label", "event_time": NOW_MS, "transaction_id": one, "label": is_fraud, **fields}
        ).encode()
        for one in ids
    ]
    return JsonDecoder(TOKENIZER).decode_lines(lines, NOW_MS, "test")[0]


def test_labels_that_were_given_here_go_to_the_topic_the_last_of_each_source(place):
    """What people wrote with them stays here; those of topics are read there."""
    place.put(labelled("tx-1", "tx-2", label_source="case", note="Mira called", reason_code="10.4"))
    place.put(labelled("tx-3", "tx-4"), origin=EventOrigin.STREAM)
    place.put(labelled("tx-5"), origin=EventOrigin.CONTROL)
    place.put(labelled("tx-2", is_fraud=False, label_source="customer"), listed("d-1"))
    place.put(labelled("tx-1", is_fraud=False, label_source="case"))
    place.put(labelled("tx-6"))
    place.put(labelled("tx-6", is_fraud=False), origin=EventOrigin.STREAM)
    take_all(place)
    told = [one for one in place.events() if one["kind"] == "label"]
    assert [(one["transaction_id"], one["label"]) for one in told] == [
        ("tx-2", True),
        ("tx-2", False),
        ("tx-1", False),
    ]
    assert (told[0]["label_source"], told[0]["reason_code"]) == ("case", "10.4")
    assert not any("note" in one for one in told)
    assert [one.key() for one in place.kafka.content(place.topic)] == [b"tx-2", b"tx-2", b"d-1", b"tx-1"]


def test_what_others_read_as_well_or_have_sent_is_not_sent_again(place):
    """The entries of rules here are; of what older versions logged, those with an author."""
    ruled = listed("d-3").table.append_column(ADDED_BY, pa.array(["velocity"]))
    place.put(listed("d-1"), said(kind="flag", entity_id="d-1"), origin=EventOrigin.STREAM)
    place.put(
        listed("d-2"), said(kind="profile", entity_id="d-2", attributes={"a": 1}), origin=EventOrigin.CONTROL
    )
    place.put(EventBatch(ruled), origin=EventOrigin.STREAM)
    place.put(said(kind="flag", entity_id="d-4"), listed("d-5"), origin=None)
    take_all(place)
    assert [one["entity_id"] for one in place.events()] == ["d-3", "d-5"]


def test_what_the_log_says_otherwise_by_now_is_not_sent(place, monkeypatch):
    """A new follower on an old log undoes nothing that came from elsewhere; also where a take ends before."""
    monkeypatch.setattr(ControlSink, "most", 1)
    place.put(listed("d-1"), listed("d-2"), listed("d-3"))
    place.put(said(kind="profile", entity_id="d-4", attributes={"a": 1, "b": 1}))
    place.put(said(kind="flag", entity_id="d-5", effective_at=NOW_MS))
    place.put(said(kind="flag", entity_id="d-6", effective_at=NOW_MS))
    place.put(listed("d-1", removed=True, author="topic"), origin=EventOrigin.STREAM)
    place.put(listed("d-2", removed=True, author="other"), origin=EventOrigin.CONTROL)
    place.put(said(kind="profile", entity_id="d-4", attributes={"b": 2}), origin=EventOrigin.STREAM)
    place.put(said(kind="flag", entity_id="d-5", removed=True), origin=EventOrigin.STREAM)
    take_all(place)
    told = place.events()
    assert [one["entity_id"] for one in told] == ["d-3", "d-4", "d-6"]
    assert told[1]["attributes"] == {"a": 1.0}


def test_a_list_is_imported_in_several_transactions_and_each_entry_goes_once(place, monkeypatch):
    """Also where the process is gone between two of them."""
    monkeypatch.setattr(ControlSink, "at_once", 10)
    ids = [f"d-{n}" for n in range(35)]
    place.put(listed(*ids))
    commit, done = ControlSink._commit, []

    def end_after_two(self, *args):
        if len(done) == 2:
            raise OSError("no more")
        done.append(commit(self, *args))

    with monkeypatch.context() as patched, closing(place.follower()) as follower:
        patched.setattr(ControlSink, "_commit", end_after_two)
        with pytest.raises(OSError, match="no more"):
            catch_up(place.log, follower, all_of_it=True)
    assert len(place.events()) == 20
    take_all(place)
    assert [one["entity_id"] for one in place.events()] == ids
    take_all(place)
    assert len(place.events()) == 35


def test_a_topic_of_several_partitions_is_refused_with_the_remedy(place):
    place.topic = place.kafka.topic(2)
    place.activate(reviews_above(5))
    with closing(place.follower()) as follower, pytest.raises(InputError, match="one partition"):
        catch_up(place.log, follower, all_of_it=True)
    place.topic = place.kafka.topic()
    take_all(place)
    assert len(place.records()) == 1


def test_a_broker_that_is_away_or_a_topic_that_is_missing_is_named(place):
    place.activate(reviews_above(5))
    away = pytest.raises(RingfenceError, match=r"127\.0\.0\.1:1")
    with closing(place.follower("127.0.0.1:1")) as follower, away:
        follower.positions()
    place.topic = "nowhere"
    with closing(place.follower()) as follower, pytest.raises(RingfenceError, match="nowhere"):
        catch_up(place.log, follower, all_of_it=True)
