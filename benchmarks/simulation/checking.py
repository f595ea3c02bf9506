"""What must hold at the end of every history, worked out apart from the product."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.simulation.disk import IDENTITY
from benchmarks.simulation.product import RULES, SEED, SPEC, TOPICS, decisions_at, without_clock
from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.cases.store import SqliteCases
from ringfence.audit import Trust, check_chain, compare
from ringfence.cases.book import CaseQuery
from ringfence.cases.fold import fold
from ringfence.cases.model import CaseState
from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from benchmarks.simulation.world import World


def check(world: World) -> list[str]:
    """What is wrong, in words."""
    assert world.product is not None
    log = world.product.journal.log
    events = [codec.decode(batch.payload) for batch in log.read(EVENTS)]
    decided = [
        row for batch in log.read(DECISIONS) for row in DecisionBatch.decode(batch.payload).table.to_pylist()
    ]
    wrong: list[str] = []
    wrong += _answers(world, events, decided)
    wrong += _replayed(events, decided)
    wrong += _copied(world, log)
    wrong += _delivered(world, decided)
    wrong += _cases(world, decided)
    wrong += _sealed(world, log)
    return wrong


def _answers(world: World, events: list[Any], decided: list[dict[str, Any]]) -> list[str]:
    """Each payment is decided once, and everybody was told that decision, however often they asked."""
    logged = Counter(
        row["transaction_id"] if row["kind"] == Kind.TRANSACTION else row["event_id"]
        for batch in events
        for row in batch.table.to_pylist()
    )
    wrong = [
        f"{one.identity} stands {logged[one.identity]} times in the log"
        for one in world.requests
        if logged[one.identity] != 1
    ]
    known = Counter(row["transaction_id"] for row in decided)
    wrong += [f"{identity} was decided {count} times" for identity, count in known.items() if count != 1]
    assert world.product is not None
    kept = {
        row["transaction_id"]: row
        for row in decisions_at(world.product.journal, {one["offset"] for one in decided}).values()
    }
    for request in world.requests:
        answers = world.answers.get(request.identity, [])
        if not answers:
            wrong.append(f"{request.identity} was never answered")
        if "kind" not in request.row and any(one != kept.get(request.identity) for one in answers):
            wrong.append(f"{request.identity} was told another decision than the log has")
    return wrong


def _replayed(events: list[Any], decided: list[dict[str, Any]]) -> list[str]:
    """The log decides the decisions: all of it in one go, from nothing, gives the same bytes."""
    pipeline = Pipeline(SPEC, RULES, SEED, stopwatch=lambda: 0.0)
    again = []
    for batch in events:
        found = pipeline.step(batch, 0).decisions
        again += found.table.to_pylist() if found is not None else []
    if [without_clock(row) for row in again] != [without_clock(row) for row in decided]:
        return ["a replay of the log from its beginning decides otherwise"]
    return []


def _copied(world: World, log: Any) -> list[str]:
    wrong = []
    for topic in (EVENTS, DECISIONS):
        found = [offset for name, offset in world.copy.records if name == topic]
        if found != list(range(log.end_offset(topic))):
            wrong.append(f"a follower's copy of {topic} is not the log")
    return wrong


def _delivered(world: World, decided: list[dict[str, Any]]) -> list[str]:
    """Each message at least once, under an id that tells its place, and in the order of its key."""
    places = {row["offset"]: place for place, row in enumerate(decided)}
    due = {
        f"{IDENTITY}:{DECISIONS}:{places[row['offset']]}:team"
        for row in decided
        if row["outcome"] != "approve"
    }
    got = [identity for identity, _ in world.receiver.got]
    wrong = [f"message {identity} was never delivered" for identity in sorted(due - set(got))]
    wrong += [f"message {identity} is about nothing" for identity in sorted(set(got) - due)]
    first: dict[str, list[int]] = {}
    for identity, event in world.receiver.got:
        key = msgspec.json.decode(event)["partitionkey"]
        place = int(identity.split(":")[2])
        if place not in first.setdefault(key, []):
            first[key].append(place)
    wrong += [f"messages of {key} overtook each other" for key, at in first.items() if at != sorted(at)]
    return wrong


def _cases(world: World, decided: list[dict[str, Any]]) -> list[str]:
    """Each case is its events, and each payment that opens or joins one is in one case."""
    book = SqliteCases(world.folder)
    try:
        cases = book.cases(CaseQuery(states=tuple(CaseState), limit=1_000), world.now_ms)
        wrong = [f"case {one.id} is not its events" for one in cases if fold(book.events(one.id)) != one]
        held = Counter(
            payment.transaction_id for one in cases for payment in book.payments(one.id, limit=1_000)
        )
    finally:
        book.close()
    due = [row["transaction_id"] for row in decided if row["outcome"] in ("review", "decline")]
    wrong += [f"{identity} is in {held[identity]} cases" for identity in due if held[identity] != 1]
    return wrong


def _sealed(world: World, log: Any) -> list[str]:
    """The trail verifies, and the log holds what was sealed, all of it."""
    trail = SqliteTrail(world.folder)
    try:
        spans = trail.spans()
        _, findings = check_chain(trail.head().trail, trail.records(), trail.checkpoints(), Trust())
    finally:
        trail.close()
    _, _, finding = compare(log, spans)
    wrong = [f"audit: {one.problem}" for one in ([finding] if finding else []) + findings]
    for topic in TOPICS:
        ends = [span.next for span in spans if span.topic == topic]
        if max(ends, default=0) != log.end_offset(topic):
            wrong.append(f"audit: {topic} is not sealed to its end")
    return wrong
