"""What other servers have said: all who read a control topic end with its last record."""

from __future__ import annotations

import itertools
import json

import pytest
from tests.spine import batch, payments

from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.followed_references import FollowedReferences
from ringfence.compose.deciding.session import open_session
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.model import AUTHOR, LIST_SOURCE
from ringfence.events.origin import EventOrigin, origin_of
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.ports import EVENTS
from ringfence.ports.sources import StreamBatch
from ringfence.rulebook.entries import Entry, to_events
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.actions import ListKind
from ringfence.sharded.changes import ControlRecord
from ringfence.sharded.references import keys_of, reference_record

NOW_MS = 1_700_000_000_000
CARD = "4111111111111111"


@pytest.fixture
def session(tmp_path):
    with open_session(tmp_path / "data", load_definitions(None, None), Snapshotting()) as opened:
        opened.runner.ingest(batch(payments(3)))
        yield opened


@pytest.fixture
def topic(session):
    return Topic(session)


class Topic:
    """A control topic, as a store that follows it and writes to it sees it."""

    def __init__(self, session):
        self.session = session
        self.follow = FollowedReferences(session)
        self.places = itertools.count()

    @property
    def log(self):
        return self.session.store.log

    def here(self, events):
        """A change that is made on this server; its record, to be sent and read later."""
        offset = self.log.end_offset(EVENTS)
        self.session.runner.commit([self.session.runner.put(events)])
        return reference_record(events, 0, keys_of(self.session.tokenizer), ["a", "b"]), offset

    def there(self, events):
        """One of another server with the same keys."""
        return reference_record(events, 0, keys_of(self.session.tokenizer), ["a", "b"]), None

    def read(self, *records):
        """Hand over what some records of the topic become; what is wrong with others."""
        told = [
            ControlRecord(
                value,
                NOW_MS,
                f"rules/0/{next(self.places)}",
                "other" if offset is None else self.log.identity,
                offset or 0,
            )
            for value, offset in records
        ]
        return self.follow.take(told)

    def take(self, *records):
        events, faults = self.read(*records)
        assert faults == {}
        self.commit(events)
        return len(events)

    def commit(self, events):
        told = StreamBatch(events, None, [], (), 0, None, origin=EventOrigin.CONTROL)
        self.session.runner.commit([self.session.runner.take_in(told)])

    def newest(self):
        last = list(self.log.read(EVENTS))[-1]
        return codec.decode(last.payload)


def listed(session, *, removed=False, at_ms=NOW_MS, entity_id="d-1", source=None):
    entry = Entry(entity_id, "device", None, None, None, source)
    return to_events(
        [entry],
        "stolen",
        ListKind.BLOCK,
        author="mira",
        now_ms=at_ms,
        tokenizer=session.tokenizer,
        removed=removed,
    )[0]


def profile(session, **attributes):
    record = {"kind": "profile", "event_time": NOW_MS, "entity_type": "device", "entity_id": "d-1"}
    line = json.dumps(record | {"attributes": attributes}).encode()
    return JsonDecoder(session.tokenizer).decode_one(line, NOW_MS)


def holds(session):
    reference = session.runner.pipeline.reference
    ids = listed(session).hashes("entity_id", reference.seed)
    return bool(reference.lists.holds("stolen", "device", ids, listed(session).event_time_ms)[0])


def test_an_entry_of_another_server_says_who_made_it_and_that_it_came_by_the_topic(session, topic):
    assert topic.take(topic.there(listed(session, source="consortium"))) == 1
    assert holds(session)
    kept = topic.newest()
    assert kept.column(AUTHOR).to_pylist() == ["mira"]
    assert kept.column(LIST_SOURCE).to_pylist() == ["consortium"]
    assert origin_of(kept) is EventOrigin.CONTROL


def test_what_was_made_here_and_over_http_is_told_apart_from_what_came_by_a_stream(session, topic):
    topic.here(listed(session))
    assert origin_of(topic.newest()) is EventOrigin.HERE
    session.runner.ingest(profile(session, a=1))
    assert origin_of(topic.newest()) is EventOrigin.HERE
    streamed = StreamBatch(profile(session, a=2), None, [], (), 0, None)
    session.runner.commit([session.runner.take_in(streamed)])
    assert origin_of(topic.newest()) is EventOrigin.STREAM
    session.runner.ingest(batch([payments(9)[8]]))
    assert origin_of(topic.newest()) is None  # payments go nowhere


def test_what_was_made_here_is_passed_over_when_it_comes_back(session, topic):
    first = topic.here(listed(session))
    second = topic.here(listed(session, removed=True))
    assert topic.take(first) == 0
    assert not holds(session)
    assert topic.take(second) == 0
    assert topic.take(first, second) == 0


def test_the_last_record_of_the_topic_counts_where_two_servers_changed_one_entry(session, topic):
    """This one came later in the topic, and earlier into the log."""
    theirs = topic.there(listed(session))
    mine = topic.here(listed(session, removed=True))
    assert topic.take(theirs) == 1
    assert holds(session)
    assert topic.take(mine) == 1
    assert not holds(session)
    topic.places = itertools.count(1)
    end = topic.log.end_offset(EVENTS)
    topic.take(mine)  # read again after a crash
    assert topic.log.end_offset(EVENTS) == end


def test_also_where_theirs_is_on_its_way_to_the_log(session, topic):
    theirs, mine = topic.there(listed(session)), topic.here(listed(session, removed=True))
    events, _ = topic.read(theirs, mine)
    assert len(events) == 2
    topic.commit(events)
    assert not holds(session)


def test_what_was_handed_over_and_lost_is_forgotten(session, topic):
    mine = topic.here(listed(session, removed=True))
    topic.read(topic.there(listed(session)))
    topic.follow.forget()
    assert topic.take(mine) == 0


def test_a_profile_counts_by_its_attributes(session, topic):
    mine = topic.here(profile(session, a=1))
    topic.take(topic.there(profile(session, b=7)))
    assert topic.take(mine) == 0
    again = topic.here(profile(session, a=2))
    topic.take(topic.there(profile(session, a=7)))
    assert topic.take(again) == 1


def label(session, payment):
    record = {"kind": "label", "event_time": NOW_MS, "transaction_id": payment, "label": True}
    line = json.dumps(record | {"event_id": f"l-{payment}", "label_source": "case"}).encode()
    return JsonDecoder(session.tokenizer).decode_one(line, NOW_MS)


def test_a_label_of_another_server_is_taken_once_and_one_of_this_server_is_passed_over(session, topic):
    theirs = topic.there(label(session, "tx-1"))
    assert topic.take(theirs) == 1
    assert topic.newest().column("label_source").to_pylist() == ["case"]
    assert origin_of(topic.newest()) is EventOrigin.CONTROL
    end = topic.log.end_offset(EVENTS)
    topic.take(theirs)  # the topic is read again: the log has it
    assert topic.log.end_offset(EVENTS) == end
    assert topic.take(topic.here(label(session, "tx-2"))) == 0


def test_what_a_restored_log_has_lost_is_taken_over(session, topic):
    value, _ = topic.there(listed(session))
    assert topic.take((value, 900)) == 1
    assert holds(session)


def test_a_claim_to_come_from_this_log_is_looked_up(session, topic):
    """Of another event at that place, or of that event at another place."""
    _, offset = topic.here(listed(session, entity_id="d-9"))
    value, _ = topic.there(listed(session))
    assert topic.take((value, offset)) == 1
    again, offset = topic.here(listed(session, removed=True))
    assert topic.take((again, 0)) == 1
    assert topic.take((again, offset)) == 1  # behind what claimed to be it


def test_bad_records_are_named_and_harm_no_other(session, topic):
    other = Tokenizer(bytes(32))
    card = to_events(
        [Entry(CARD, "card")], "stolen", ListKind.BLOCK, author="x", now_ms=NOW_MS, tokenizer=other
    )[0]
    foreign = reference_record(card, 0, keys_of(other))
    unknown = json.loads(topic.there(listed(session))[0])
    unknown["event"]["expires_at"] = "soon"
    records = [
        foreign,
        b'{"kind": "reference"}',
        json.dumps(unknown).encode(),
        topic.there(listed(session))[0],
    ]
    events, faults = topic.read(*((one, None) for one in records))
    assert len(events) == 1
    assert sorted(faults) == [0, 1, 2]
    assert "keys of one data folder" in faults[0]
    assert "soon" in faults[2]


def test_an_author_who_writes_a_card_number_is_cleaned(session, topic):
    told = json.loads(topic.there(listed(session))[0]) | {"author": f"mira {CARD}" + "a" * 900}
    topic.take((json.dumps(told).encode(), None))
    [author] = topic.newest().column(AUTHOR).to_pylist()
    assert CARD not in author
    assert len(author) <= 200


def test_ten_thousand_entries_that_nobody_asks_about_are_not_remembered(session, topic, monkeypatch):
    monkeypatch.setattr("ringfence.compose.deciding.followed_references._MOST_GIVEN", 5)
    for number in range(20):
        topic.take(topic.there(listed(session, entity_id=f"d-{number}")))
    assert len(topic.follow._given) <= 6


def test_entries_and_profiles_of_one_reading_keep_their_order_and_columns(session, topic):
    odd = profile(session, a=1, author=5.0)
    value, _ = topic.there(odd)
    events, faults = topic.read(
        topic.there(listed(session)), (value, None), topic.there(listed(session, removed=True))
    )
    assert faults == {}
    assert isinstance(events, EventBatch)
    assert events.kind.tolist() == [3, 2, 3]
    assert events.written(AUTHOR).to_pylist()[::2] == ["mira", "mira"]
