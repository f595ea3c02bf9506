"""Who is on which list, and who changed it, as the log says."""

from __future__ import annotations

import pytest
from tests.spine import batch, payments

from ringfence.adapters.lake import Lake
from ringfence.analysis.list_history import audit, entries, lists
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.ids.hashing import hash_text
from ringfence.rulebook.entries import Entry, to_events
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.actions import ListKind

NOW_MS = 1_709_288_100_000
LATER_MS = NOW_MS + 100_000


@pytest.fixture
def session(tmp_path):
    with open_session(tmp_path / "data", load_definitions(None, None), Snapshotting()) as opened:
        yield opened


def put(session, *given, name="stolen", kind=ListKind.BLOCK, at_ms=NOW_MS, author="mira", removed=False):
    events, refused = to_events(
        given, name, kind, author=author, now_ms=at_ms, tokenizer=session.tokenizer, removed=removed
    )
    assert refused == []
    session.runner.ingest(events)


def test_a_list_holds_the_last_word_on_each_id(session):
    put(session, Entry("d-1", "device"), Entry("d-2", "device", note="old"), Entry("m-1"))
    put(session, Entry("d-2", "device", expires_at=LATER_MS, note="new", source="bank"), at_ms=NOW_MS + 1)
    put(session, Entry("d-1", "device"), at_ms=NOW_MS + 2, removed=True)
    put(session, Entry("vip", "customer"), name="friends", kind=ListKind.ALLOW)
    lake = Lake(session.store)
    assert [(one.entity_id, one.note, one.source) for one in entries(lake, "stolen", NOW_MS)] == [
        ("d-2", "new", "bank"),
        ("m-1", None, None),
    ]
    assert [one.entity_id for one in entries(lake, "stolen", LATER_MS)] == ["m-1"], "an entry ends"
    assert [(one.name, one.kind, one.entries, one.ended) for one in lists(lake, NOW_MS)] == [
        ("friends", "allow", 1, 0),
        ("stolen", "block", 2, 1),
    ]


def test_what_is_shown_is_what_rules_see(session):
    put(session, Entry("d-1", "device"), Entry("d-2", "device"))
    put(session, Entry("d-1", "device"), at_ms=NOW_MS + 2, removed=True)
    shown = {one.entity_id for one in entries(Lake(session.store), "stolen", NOW_MS)}
    reference = session.runner.pipeline.reference
    seen = {
        name
        for name in ("d-1", "d-2", "d-3")
        if reference.lists.of("device", hash_text(name, session.runner.pipeline.seed), NOW_MS)
    }
    assert shown == seen == {"d-2"}


def test_every_change_is_on_record_with_who_when_and_why(session):
    put(session, Entry("d-1", "device", note="seen thrice"))
    put(session, Entry("d-1", "device", note="a mistake"), author="noor", at_ms=NOW_MS + 5, removed=True)
    newest, first = audit(Lake(session.store), "stolen")
    assert (newest.author, newest.note, newest.removed, newest.at_ms) == (
        "noor",
        "a mistake",
        True,
        NOW_MS + 5,
    )
    assert (first.author, first.removed, first.offset) == ("mira", False, 0)
    assert audit(Lake(session.store), before_offset=1) == [first]


def test_an_entry_that_a_system_sent_names_no_author(session):
    line = b'{"kind":"list_entry","event_time":"2024-03-01T00:00:00Z","list_name":"x","list_kind":"watch",'
    line += b'"entity_id":"i-1"}'
    session.runner.ingest(JsonDecoder(session.tokenizer).decode_one(line, NOW_MS))
    (change,) = audit(Lake(session.store))
    assert (change.list, change.entity_type, change.author) == ("x", None, None)


def test_a_store_without_lists_has_none(session):
    session.runner.ingest(batch(payments(3)))
    lake = Lake(session.store)
    assert (lists(lake, NOW_MS), entries(lake, "x'; DROP", NOW_MS), audit(lake)) == ([], [], [])
