"""What is decided does not depend on who shares the step: rules that add entries, labels that fall due."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.spine import START_MS, Rows, Tick, batch

from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.features.spec import FeatureSpec, entity
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS
from ringfence.replay import verify
from ringfence.runner import Runner
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.manifest import Bands
from ringfence.scoring.artifacts.models import Models
from ringfence.scoring.rulesets.rules import RuleSet
from ringfence.testing.memory.event_log import MemoryLog

HOUR_MS = 3_600_000
SPEC = FeatureSpec.of(
    entity("card").count("1h"), entity("merchant").label_count("7d", delay="0s"), entity("card").count("1d")
)
ADDING = [
    {
        "id": "big",
        "when": "amount >= 100",
        "add_to": {"list": "big", "kind": "block", "entity": "card", "days": 2, "cap_per_day": 2},
    },
    {"id": "busy", "when": "card.count_1h >= 3", "add_to": {"list": "busy", "entity": "merchant"}},
    {
        "id": "watched",
        "when": "merchant.watched",
        "outcome": "review",
        "add_to": {"list": "all", "entity": "customer"},
    },
]
READING = [
    {"id": "blocked", "when": "card.blocked", "outcome": "decline"},
    {"id": "known", "when": "customer_id in list 'all'", "outcome": "challenge"},
    {"id": "bad", "when": "merchant.label_count_7d >= 1", "outcome": "challenge"},
    {"id": "said", "when": "model.probability > 0.5", "outcome": "review"},
]
BOOK = RuleSet.from_json(
    json.dumps(
        {
            "name": "own",
            "rules": [
                {"title": rule["id"], "points": 5, "reason": rule["id"].upper(), "analyst": "Why."} | rule
                for rule in ADDING + READING
            ],
        }
    )
)


class AfraidOfTheListed:
    """`ringfence.scoring.artifacts.models.Scorer` whose score depends on a list."""

    digest, inputs, zone, waits = "afraid", ("card.blocked", "amount"), "UTC", False
    bands, reasons = Bands(), {}

    def score(self, inputs):
        return np.where(inputs[:, 0] > 0, 0.9, 0.1)

    def contributions(self, inputs):
        return np.column_stack([inputs[:, 0], inputs[:, 1] / 1000, np.zeros(len(inputs))])


MODELS = Models(Deployment(champion="afraid"), {"afraid": AfraidOfTheListed()})


class MemoryJournal:
    """`ringfence.ports.Journal` without a disk."""

    def __init__(self):
        self.log, self.held, self.bad = MemoryLog(), None, []

    def commit(self, batches=(), *, bad_records=(), schedule=None, **_):
        self.log.append(batches)
        self.bad += bad_records
        self.held = self.held if schedule is None else schedule

    def schedule(self):
        return self.held


def pay(number, card="c0", merchant="m0", amount=5, hours=0.0, **more):
    return {
        "transaction_id": f"t{number}",
        "event_time_ms": START_MS + int(hours * HOUR_MS),
        "card_id": card,
        "merchant_id": merchant,
        "customer_id": f"owner of {card}",
        "amount_minor": amount * 100,
        "currency": "EUR",
    } | more


def label(number, hours):
    return {
        "kind": Kind.LABEL,
        "event_id": f"label {number}",
        "transaction_id": f"t{number}",
        "event_time_ms": START_MS + int(hours * HOUR_MS),
        "label": True,
    }


def entry(number, card, *, removed):
    return {
        "kind": Kind.LIST_ENTRY,
        "event_id": f"entry {number}",
        "event_time_ms": START_MS,
        "list_name": "big",
        "list_kind": "block",
        "entity_type": "card",
        "entity_id": card,
        "removed": removed,
    }


def flag(number, card):
    return {
        "kind": Kind.FLAG,
        "event_id": f"flag {number}",
        "event_time_ms": START_MS,
        "entity_type": "card",
        "entity_id": card,
        "effective_at_ms": START_MS - HOUR_MS,
    }


cards, merchants = st.sampled_from(("c0", "c1", "c2", None)), st.sampled_from(("m0", "m1"))
numbers = st.integers(0, 25)  # few enough to come again, with equal or other content
hours = st.integers(0, 60).map(lambda half: half / 2)
events = st.one_of(
    st.builds(pay, numbers, cards, merchants, st.sampled_from((5, 100)), hours),
    st.builds(pay, numbers, cards, merchants, st.sampled_from((5, 100)), hours),
    st.builds(pay, numbers, st.just("c0"), st.just("m0"), st.just(100), st.just(1.0)),
    st.builds(label, numbers, hours),
    st.builds(entry, numbers, cards, removed=st.booleans()),
    st.builds(flag, numbers, cards),
)
FILE = [pay(100 + number, f"c{number % 3}", f"m{number % 2}") for number in range(6)]


def at_work(journal):
    runner = Runner(journal, Pipeline(SPEC, BOOK, 7, models=MODELS), Tick())
    runner.recover()
    return runner


def told(journal, due, steps):
    """A file whose labels wait, then live steps; the runner, and where each live event went."""
    runner = at_work(journal)
    runner.run([Rows(batch(FILE), batch(due) if due else None)])
    places = []
    for rows in steps:
        work = runner.take(batch(rows))
        runner.commit([work])
        places += work.admitted.offsets[work.admitted.own].tolist()
    return runner, places


def everything(journal):
    """Events and decisions as they are kept, without what the wall clock says."""
    logged = [
        row for item in journal.log.read(EVENTS) for row in codec.decode(item.payload).table.to_pylist()
    ]
    logged = [
        {name: value for name, value in row.items() if value is not None and name != "ingest_time_ms"}
        for row in logged
    ]
    tables = [DecisionBatch.decode(item.payload).table for item in journal.log.read(DECISIONS)]
    made = pa.Table.from_batches(tables).drop_columns(["decided_at_ms", "latency_us"])
    refused = [(record.position, record.original, record.faults) for record in journal.bad]
    return logged, made.to_pylist(), refused


def contiguous(journal):
    end = 0
    for item in journal.log.read(EVENTS):
        assert item.base_offset == end
        end = item.next_offset
    return end


def replayed(journal):
    """How many stored decisions differ from what the log leads to, cannot be compared, or are alone."""
    found = verify(
        journal.log, [SPEC], {BOOK.digest: BOOK}, 7, lambda *_: None, lambda _spec, _digest: MODELS
    )
    return found.differing, found.unknown, found.undecided, found.unpaid, found.incomplete


BURST = [pay(number, "c1", "m1", 100, 20 + number / 100) for number in range(5)]


@settings(deadline=None, max_examples=50)
@example(rows=BURST, due=[label(101, 20.015)], cuts=set())
@example(rows=[*BURST, *BURST[:2], pay(9, "c1", "m1", 7, 21), pay(2, "c1", "m1", 8, 22)], due=[], cuts={3})
@given(
    rows=st.lists(events, min_size=1, max_size=14),
    due=st.lists(st.builds(label, st.integers(100, 105), hours), max_size=4),
    cuts=st.sets(st.integers(1, 13), max_size=4),
)
def test_events_together_lead_to_what_they_lead_to_one_by_one(rows, due, cuts):
    """
    one by one    t0 │ entry │ t1 │ label │ t2 │ ...
    in company    t0   entry   t1 │ label   t2   ...
    """
    edges = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    alone, company = MemoryJournal(), MemoryJournal()
    _, one_by_one = told(alone, due, [[row] for row in rows])
    runner, together = told(company, due, [rows[a:b] for a, b in pairwise(edges)])
    assert everything(company) == everything(alone)
    assert together == one_by_one
    assert contiguous(company) == runner.pipeline.offset
    assert replayed(company) == (0, 0, 0, 0, 0)
    later = [row for row in rows if row.get("kind", Kind.TRANSACTION) == Kind.TRANSACTION]
    later += [pay(50, "c0", "m0", 5, 30), pay(51, "c1", "m1", 100, 30)]
    restarted = at_work(company)
    again = [made.take(batch(later)).admitted for made in (runner, restarted)]
    live, recovered = (admitted.offsets[admitted.own].tolist() for admitted in again)
    assert live == recovered


def test_a_step_of_many_hits_is_decided_as_one_by_one():
    """Hundreds of payments, an entry behind every third: the pieces are looked at a little at a time."""
    book = [pay(number, f"c{number // 3}", f"m{number // 50}", 100, number / 100) for number in range(300)]
    alone, company = MemoryJournal(), MemoryJournal()
    told(alone, [], [[row] for row in book])
    told(company, [], [book])
    assert everything(company) == everything(alone)
    assert sum(row["kind"] == Kind.LIST_ENTRY for row in everything(company)[0]) > 2
