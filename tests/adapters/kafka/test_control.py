"""A control topic of a real Kafka beside a topic of payments: its rules come between batches, and again."""

import json

import pytest
from tests.cli.conftest import payment
from tests.rulebooks import reviews_above

from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.adapters.kafka.control import ControlReading, SteeredSource
from ringfence.adapters.kafka.records import NAMES
from ringfence.adapters.kafka.source import OPTIONS, KafkaSource
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.followed_references import FollowedReferences
from ringfence.compose.deciding.followed_versions import FollowedVersions
from ringfence.compose.deciding.session import open_session
from ringfence.events.activation import Part, is_activation
from ringfence.events.mapping import load_mapping
from ringfence.ports import DECISIONS
from ringfence.saving import Snapshotting
from ringfence.sharded.changes import activation_record


def record(rules):
    return activation_record(Part.RULES, rules.digest, rules.to_json(), author="mira")


def paid(first, count):
    return [json.dumps(payment(n)).encode() for n in range(first, first + count)]


@pytest.fixture
def session(tmp_path):
    with open_session(tmp_path / "data", load_definitions(None, None), Snapshotting()) as opened:
        yield opened


@pytest.fixture
def topics(kafka):
    return kafka.topic(), kafka.topic()


@pytest.fixture
def told():
    return []


@pytest.fixture
def source(kafka, topics, session, told):
    decoding = StreamDecoding(load_mapping("canonical"), session.tokenizer, NAMES)
    reading = ControlReading(decoding, FollowedVersions(session, told.append), FollowedReferences(session))
    both = [
        KafkaSource(
            KafkaClient(KafkaAddress.of(f"kafka://{kafka.address}/{topic}", OPTIONS), {}),
            one,
            session.store.positions,
            session.clock.now_ms,
            group="tests",
        )
        for topic, one in zip(topics, (decoding, reading), strict=True)
    ]
    made = SteeredSource(*both, reading)
    made.open()
    yield made
    made.close()


def batches(source):
    return source.batches(16, until_end=True, wait_seconds=0.1, is_over=lambda: False)


def take(session, source):
    """All that is there; what it was, in order, without batches that only say where a topic goes on."""
    seen = []
    for one in batches(source):
        if is_activation(one.events):
            assert not one.positions  # the place behind them commits later
            seen.append("rules")
        elif len(one.events):
            seen.append(len(one.events))
        session.runner.commit([session.runner.take_in(one)])
    return seen


def test_rules_go_into_the_log_before_payments(kafka, topics, session, source):
    kafka.send(topics[0], paid(0, 3))
    kafka.send(topics[1], [record(reviews_above(5)), record(reviews_above(6))])
    assert take(session, source) == ["rules", 3]
    assert session.desk().force.active() == reviews_above(6).digest  # the last of a batch


def test_rules_whose_batch_fails_come_again(kafka, topics, session, source, told):
    kafka.send(topics[1], [record(reviews_above(5))])
    assert is_activation(next(batches(source)).events)  # handed over, and lost
    source.close()
    source.open()
    assert take(session, source) == ["rules"]
    assert session.desk().force.active() == reviews_above(5).digest
    source.close()
    source.open()
    assert take(session, source) == []
    assert len([one for one in told if reviews_above(5).digest in one]) == 2


def test_what_is_no_change_of_rules_goes_to_quarantine_and_hides_nothing_beside_it(
    kafka, topics, session, source
):
    entry = {"kind": "list", "list": "blocked", "entity": "card", "value": "card-7", "event_time": 1}
    kafka.send(topics[1], [*paid(0, 1), activation_record(Part.RULES, "none"), json.dumps(entry)])
    kafka.send(topics[1], [record(reviews_above(5))])
    take(session, source)
    assert session.desk().force.active() == reviews_above(5).digest
    kept = [one.message for one in session.store.quarantine.records()]
    assert any("a control topic has no payments" in one for one in kept)
    assert any("rules none came without their text" in one for one in kept)
    assert list(session.store.log.read(DECISIONS)) == []
