"""Activations as records of a control topic on a real Kafka: what was put in force here, nothing else."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing, contextmanager

import pytest
from tests.follow.test_members import StorePlace
from tests.kafka import broker
from tests.lakes import events
from tests.rulebooks import reviews_above

from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.adapters.kafka.control_sink import ControlSink
from ringfence.adapters.sqlite import Store
from ringfence.errors import InputError, RingfenceError
from ringfence.events import codec
from ringfence.events.activation import Part, activation
from ringfence.follow import catch_up
from ringfence.ports import EVENTS, LogBatch
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.sharded.changes import change_in
from ringfence.testing.exams.follower import FollowerExam


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

    def follower(self, address=None):
        client = KafkaClient(KafkaAddress.of(f"kafka://{address or self.kafka.address}/{self.topic}", {}), {})
        return ControlSink(self.log, client, self.store.folder, self.text_of)

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
            told = change_in(message.value())
            found.append((int(headers["ringfence-offset"]), told.part, told.digest))
        return found

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
                place.kafka.content(place.topic, committed=False)  # takes a moment
            running.send_signal(signal.SIGKILL)
    take_all(place)
    found = place.records()
    assert [one[0] for one in found] == sorted({one[0] for one in found})
    assert {one[:2] for one in found} <= set(made)
    assert found[-1][2] == reviews_above(1000 + len(made) - 1).digest
    assert len(found) > 6


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
