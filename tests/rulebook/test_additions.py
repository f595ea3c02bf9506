"""A rule that fires may put somebody on a list: within its cap, from the next payment on; replay agrees."""

from __future__ import annotations

import msgspec
import pytest
from tests.spine import START_MS, batch

from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.given import given_of
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.ports import DECISIONS, EVENTS
from ringfence.ports.sources import StreamBatch
from ringfence.replay import verify
from ringfence.rulebook.entries import Entry, to_events
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.actions import ListKind
from ringfence.scoring.rulesets.rules import RuleSet

DAY_MS = 86_400_000
BOOK = """
name: own
rules:
  - {id: big, title: Big, when: amount >= 100, points: 5, reason: BIG, analyst: Big., mode: %s,
     add_to: {list: big spenders, kind: block, entity: card, days: 2, cap_per_day: 2}}
  - {id: listed, title: Listed, when: card.blocked, outcome: decline, reason: LISTED, analyst: Listed.}
"""


@pytest.fixture
def start(tmp_path):
    def opened(mode="active"):
        path = tmp_path / "rules.yaml"
        path.write_text(BOOK % mode)
        return open_session(tmp_path / "data", load_definitions(None, path), Snapshotting(every_events=1))

    return opened


def pay(name, card, amount=100, at_ms=0):
    fields = {"transaction_id": name, "card_id": card, "amount_minor": amount * 100, "currency": "EUR"}
    return fields | {"event_time_ms": START_MS // DAY_MS * DAY_MS + at_ms}


def entries(session):
    rows = [
        row for item in session.store.log.read(EVENTS) for row in codec.decode(item.payload).table.to_pylist()
    ]
    return [row for row in rows if row["kind"] == Kind.LIST_ENTRY]


def outcomes(session):
    batches = [DecisionBatch.decode(item.payload) for item in session.store.log.read(DECISIONS)]
    return {one.transaction_id: str(one.outcome) for part in batches for one in part}


def agrees(session):
    store = session.store
    books = {one.digest: RuleSet.from_json(one.body) for one in store.registry.versions("rules")}
    result = verify(store.log, [session.definitions.spec], books, store.meta.hash_seed, lambda *_: None)
    return (result.differing, result.unknown, result.compared)


def test_an_entry_takes_effect_with_the_next_payment(start):
    """
    a: big      ->  card-1 goes on the list
    b: card-1       declined, also where it shares a batch with a
    """
    with start() as session:
        session.runner.ingest(batch([pay("a", "card-1"), pay("b", "card-1", 5)]))
        session.runner.ingest(batch([pay("c", "card-1", 5), pay("d", "card-2", 5)]))
        assert outcomes(session) == {"a": "approve", "b": "decline", "c": "decline", "d": "approve"}
        (entry,) = entries(session)
        assert (entry["list_name"], entry["list_kind"], entry["entity_type"], entry["entity_id"]) == (
            "big spenders",
            "block",
            "card",
            "card-1",
        )
        assert (entry["attributes.author"], entry["note"]) == ("rule:big", "payment a")
        assert entry["expires_at_ms"] == entry["event_time_ms"] + 2 * DAY_MS
        assert agrees(session) == (0, 0, 4)


def test_who_is_on_the_list_is_not_added_again_until_the_entry_ends(start):
    with start() as session:
        for number, at in enumerate([0, DAY_MS, 2 * DAY_MS - 1, 2 * DAY_MS]):
            session.runner.ingest(batch([pay(f"p{number}", "card-1", at_ms=at)]))
        assert [entry["note"] for entry in entries(session)] == ["payment p0", "payment p3"]


def test_a_cap_holds_over_batches_and_restarts_and_begins_anew_each_day(start):
    with start() as session:
        session.runner.ingest(batch([pay("a", "card-1")]))
    with start() as session:
        session.runner.ingest(batch([pay(f"b{n}", f"card-b{n}") for n in range(3)]))
        assert [entry["note"] for entry in entries(session)] == ["payment a", "payment b0"]
        assert (session.runner.additions.made, session.runner.additions.capped) == (1, 2)
    with start() as session:
        session.runner.ingest(batch([pay(f"c{n}", f"card-c{n}", at_ms=DAY_MS) for n in range(3)]))
        assert len(entries(session)) == 4
        assert agrees(session) == (0, 0, 7)


def test_a_shadow_rule_adds_nobody(start):
    with start("shadow") as session:
        session.runner.ingest(batch([pay("a", "card-1")]))
        assert entries(session) == []


def test_a_payment_that_another_host_decided_adds_nobody(start):
    with start() as session:
        runner = session.runner
        runner.ingest(batch([pay("a", "card-1", 5)]))
        (made,) = DecisionBatch.decode(next(iter(session.store.log.read(DECISIONS))).payload)
        told = given_of([msgspec.json.encode(msgspec.structs.replace(made, transaction_id="b"))])
        arrival = StreamBatch(batch([pay("b", "card-1")]), None, [], (), 1, None, decided=told)
        runner.commit([runner.take_in(arrival)])
        assert outcomes(session) == {"a": "approve", "b": "approve"}
        assert entries(session) == []


def test_a_payment_without_the_entity_adds_nobody(start):
    with start() as session:
        session.runner.ingest(batch([pay("a", None), pay("b", "card-1")]))
        assert [entry["entity_id"] for entry in entries(session)] == ["card-1"]


def test_a_payment_sent_again_adds_nobody_again(start):
    with start() as session:
        session.runner.ingest(batch([pay("a", "card-1")]))
        session.runner.ingest(batch([pay("a", "card-1")]))
        assert len(entries(session)) == 1


def test_a_change_of_a_list_made_today_releases_no_labels_of_an_old_stream(start):
    with start() as session:
        runner = session.runner
        label = {"kind": Kind.LABEL, "event_id": "l", "transaction_id": "a", "label": True}
        runner.ingest(batch([pay("a", "card-1")]), batch([label | {"event_time_ms": START_MS + DAY_MS}]))
        events, _ = to_events(
            [Entry("card-9", "card")],
            "x",
            ListKind.WATCH,
            author="mira",
            now_ms=session.clock.now_ms(),
            tokenizer=session.tokenizer,
        )
        runner.commit([runner.put(events)])
        logged = [codec.decode(item.payload) for item in session.store.log.read(EVENTS)]
        assert not any((part.kind == Kind.LABEL).any() for part in logged)
        assert len(runner.intake.schedule) > 0
