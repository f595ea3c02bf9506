"""List entries, activations and labels in memory say what the analysis tables say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ringfence.adapters.lake import Lake, LogAnnotations
from ringfence.analysis.list_history import audit, entries, lists
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.rules import activations
from ringfence.compose.deciding.session import open_session
from ringfence.events.activation import Part, activation
from ringfence.events.batch import EventBatch
from ringfence.events.ids.hashing import hash_text
from ringfence.events.model import Kind
from ringfence.rulebook.entries import Entry, to_events
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.actions import ListKind

NOW_MS = 1_709_288_100_000


@pytest.fixture
def session(tmp_path):
    with open_session(tmp_path / "data", load_definitions(None, None), Snapshotting()) as opened:
        yield opened


@pytest.fixture
def annotations(session):
    found = LogAnnotations(session.store.log, session.store.tables, session.store.meta.hash_seed)
    yield found
    found.close()


def log(session, *rows, at_ms=NOW_MS):
    """Payments ("t1",) and labels ("t1", True) in this order, a millisecond apart."""
    session.runner.ingest(
        EventBatch(
            pa.RecordBatch.from_pydict(
                {
                    "kind": pa.array(
                        [Kind.LABEL if len(row) > 1 else Kind.TRANSACTION for row in rows], pa.uint8()
                    ),
                    "event_time_ms": [at_ms + number for number in range(len(rows))],
                    "event_id": [f"e{number}-{row}" for number, row in enumerate(rows)],
                    "transaction_id": [row[0] for row in rows],
                    "label": [row[1] if len(row) > 1 else None for row in rows],
                    "label_source": ["bank" if len(row) > 1 else None for row in rows],
                }
            )
        )
    )


def listed(session, *ids, name="stolen", removed=False):
    given = [Entry(one, "device", note="why") for one in ids]
    events, _ = to_events(
        given,
        name,
        ListKind.BLOCK,
        author="mira",
        now_ms=NOW_MS,
        tokenizer=session.tokenizer,
        removed=removed,
    )
    session.runner.ingest(events)


def test_the_last_label_counts_and_all_are_told_in_order(session, annotations):
    log(session, ("t1",), ("t2",), ("t3",), ("t1", True), ("t2", False))
    assert [one["label"] for one in annotations.labels_of("t1")] == [True]
    later = NOW_MS + 1000
    log(session, ("t1", False), ("t2", True), at_ms=later)  # another question comes after more of the log
    log(session, ("t1", True), at_ms=later - 500)  # by its own date it is not the last
    keys = np.array([hash_text(name, session.store.meta.hash_seed) for name in ("t1", "t2", "t3", "t4")])
    assert annotations.fraud(keys).tolist() == [0, 1, -1, -1]
    assert [one["label"] for one in annotations.labels_of("t1")] == [True, False, True]
    assert annotations.labels_of("t1") == Lake(session.store).labels_of("t1")
    assert annotations.labels_of("t3") == []


def test_without_a_label_nobody_is_a_fraud(annotations):
    assert annotations.fraud(np.array([1, 2])).tolist() == [-1, -1]
    assert annotations.labels_of("t1") == []


def test_lists_are_those_of_the_analysis_tables(session, annotations):
    assert lists(annotations, NOW_MS) == []
    listed(session, "d1", "d2")
    log(session, ("t1",))
    listed(session, "d1", removed=True)
    listed(session, "d9", name="watched")
    lake = Lake(session.store)
    assert lists(annotations, NOW_MS) == lists(lake, NOW_MS)
    assert entries(annotations, "stolen", NOW_MS) == entries(lake, "stolen", NOW_MS)
    assert audit(annotations) == audit(lake)
    assert [one.entity_id for one in entries(annotations, "stolen", NOW_MS)] == ["d2"]


def test_activations_are_those_of_the_analysis_tables(session, annotations):
    digest = session.runner.pipeline.rules.ruleset.digest
    change = activation(Part.RULES, digest, NOW_MS, author="mira", note="again")
    session.runner.commit([session.runner.activate(change)])
    found = activations(session.store, annotations)
    assert [one.author for one in found][-1] == "mira"
    assert found == activations(session.store, Lake(session.store))
