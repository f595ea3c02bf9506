"""What a distributed host's stages cost, and that they decide the same: python -m benchmarks.sharded.

The stages run in one process, without a cluster: what is measured is the work that a host distributes, in
payments per second of processor time, beside the embedded engine on the same payments in the same run. Then a
log with labels, lists, flags, profiles, late and repeated events over four partitions, with rules changed in
the middle, is decided by both; stages are made again from what they keep, and shards rescaled, meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from benchmarks import workload
from benchmarks.report import machine, show, versions
from ringfence.decisions.decision import DecisionBatch
from ringfence.events.activation import Part, activation
from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.catalog import CATALOG
from ringfence.features.engine import Engine
from ringfence.intake import Intake
from ringfence.pipeline import Pipeline
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.rules import RuleSet, fit
from ringfence.sharded import STAGES, ShardedPlan
from ringfence.sharded.decide import Decide
from ringfence.sharded.library import ControlLibrary
from ringfence.sharded.wire import to_bytes, to_events
from ringfence.testing.local_host import LocalHost
from ringfence.testing.memory.event_log import MemoryDisk, MemoryLog
from ringfence.testing.streams import seeded_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

PARTITIONS = 4
SHARDS = 8
BARS = {2000: 0.20, 500: 0.12}
"""By payments in a batch: least share of the embedded engine's rate."""

NO_RULES, _ = fit(RuleSet(rules=()), workload.r1_spec())


def never(*_: object) -> Any:
    """Stands where records would be read: the events are at hand."""
    raise AssertionError


class Timed(LocalHost):
    """A host that knows what each stage costs."""

    def __init__(self, plan: ShardedPlan, *, features_only: bool = False) -> None:
        super().__init__(plan)
        self.spent = dict.fromkeys(STAGES, 0.0)
        self.measured: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        self._features_only = features_only

    def stage(self, name: str, key: int) -> Any:
        """See `LocalHost.stage`."""
        return Clocked(self, name, super().stage(name, key))


class Clocked:
    """A stage whose processor time is counted."""

    def __init__(self, host: Timed, name: str, stage: Any) -> None:
        self._host, self._name, self._stage = host, name, stage

    def take(self, data: bytes) -> list[Any]:
        """See `ShardedStage.take`."""
        return self._clocked(lambda: self._stage.take(data))

    def events(self, payload: NDArray[np.uint8], append_ms: NDArray[np.int64]) -> list[Any]:
        """See `Door.events`; the events come as bytes, as from another process."""
        return self._clocked(lambda: self._stage.events(to_events(payload), append_ms))

    def close(self) -> list[Any]:
        """See `Door.close`."""
        return self._stage.close()

    def _clocked(self, act: Callable[[], list[Any]]) -> list[Any]:
        begin = time.process_time()
        found = act()
        self._host.spent[self._name] += time.process_time() - begin
        return found


class Gathered(Decide):
    """Puts features together and judges nothing."""

    found: list[tuple[NDArray[np.int64], NDArray[np.float64]]]

    def judged(self, _: EventBatch, features: NDArray[np.float64], places: NDArray[np.int64]) -> bytes:
        """See `Decide.judged`."""
        Gathered.found.append((places[0], features))
        return b""


class FeaturesOnly(Timed):
    """A host whose last stage stops once the features are together."""

    def __init__(self, plan: ShardedPlan) -> None:
        super().__init__(plan)
        Gathered.found = []

    def stage(self, name: str, key: int) -> Any:
        """See `LocalHost.stage`."""
        if name == "decide" and (name, key) not in self._stages:
            state = self.states.setdefault((name, key), {})
            self._stages[name, key] = Gathered(self.plan, key, state)
        return super().stage(name, key)


def plan_of(rows: int, *, spec: Any, rules: Any, library: ControlLibrary | None = None) -> ShardedPlan:
    """Four partitions of payments and one that puts rules in force."""
    names = [*(f"payments/{number}" for number in range(PARTITIONS)), "control/0"]
    lanes = 1 if rows < 1000 else 2
    return ShardedPlan(
        spec,
        rules,
        names,
        never,
        7,
        library=library,
        controls=frozenset({PARTITIONS}),
        shards=SHARDS,
        id_shards=2,
        lanes=lanes,
    )


def features(events: int, rows: int) -> tuple[list[str], float]:
    """The first reference through the stages, and through one engine: a row of the table, and the share."""
    spec = workload.r1_spec()
    plan = plan_of(rows, spec=spec, rules=NO_RULES)
    work = EventBatch.concat(list(workload.r1(events).batches(65_536)))
    owner = np.random.default_rng(3).integers(0, PARTITIONS, events)
    parts = [work.take(np.flatnonzero(owner == number)) for number in range(PARTITIONS)]
    chunks: list[list[tuple[NDArray[np.uint8], NDArray[np.int64]]]] = [
        [
            (
                to_bytes(part.slice(begin, min(begin + rows, len(part)))),
                part.event_time_ms[begin : begin + rows],
            )
            for begin in range(0, len(part), rows)
        ]
        for part in parts
    ]
    host = FeaturesOnly(plan)
    begin = time.process_time()
    for turn in range(max(map(len, chunks))):
        for number, part in enumerate(chunks):
            if turn < len(part):
                host.send(host.stage("door", number).events(*part[turn]), "door", number)
        if not turn:
            host.send(host.stage("door", PARTITIONS).close(), "door", PARTITIONS)
        host.run()
    spent = time.process_time() - begin
    kept = sum(len(value) for state in host.states.values() for value in state.values())
    begin = time.process_time()
    for number in range(PARTITIONS):
        host.send(host.stage("door", number).close(), "door", number)
    host.run()
    spent += time.process_time() - begin
    payloads = [to_bytes(work.slice(at, min(at + 8192, events))) for at in range(0, events, 8192)]
    engine = Engine(spec, plan.seed)
    begin = time.process_time()
    alone = np.concatenate([engine.measure(to_events(payload)) for payload in payloads], axis=1)
    embedded = time.process_time() - begin
    differing = sum(
        int((features.view(np.int64) != alone[:, offsets].view(np.int64)).any(axis=0).sum())
        for offsets, features in ((o, np.ascontiguousarray(f)) for o, f in Gathered.found)
    )
    assert sum(len(offsets) for offsets, _ in Gathered.found) == events
    share = embedded / spent
    stages = " ".join(f"{name} {1e6 * taken / events:.2f}" for name, taken in host.spent.items())
    row = [f"{rows:,}", f"{events / spent:,.0f}", f"{events / embedded:,.0f}", f"{share:.2f}", stages]
    return [*row, f"{kept / events:,.0f}", f"{differing:,}"], share


def world(events: int, seed: int) -> list[EventBatch]:
    """Simulated payments with labels, in four partitions; a tenth of a per cent comes twice."""
    stream = seeded_stream(seed, events, cards=max(400, events // 50), merchants=max(60, events // 1000))
    rng = np.random.default_rng(seed)
    rows = np.arange(len(stream))
    repeated = np.flatnonzero((rng.random(len(stream)) < 0.001) & stream.is_transaction)
    order = np.argsort(np.concatenate([rows, repeated + rng.integers(1, 5000, len(repeated))]), kind="stable")
    whole = stream.take(np.concatenate([rows, repeated])[order])
    owner = rng.integers(0, PARTITIONS, len(whole))
    return [whole.take(np.flatnonzero(owner == number)) for number in range(PARTITIONS)]


def control(events: int, books: list[Any], begin_ms: int, end_ms: int, rng: Any) -> tuple[EventBatch, Any]:
    """Lists, flags and profiles of cards, and rules put in force by turns; when each was appended."""
    count = max(20, events // 2000)
    times = np.sort(rng.integers(begin_ms, end_ms, count))
    made = []
    for number, at in enumerate(times.tolist()):
        card = f"c{int(rng.integers(0, 400))}"
        said: dict[str, Any] = {"event_id": f"control-{number}", "event_time_ms": at, "entity_id": card}
        kind = (Kind.LIST_ENTRY, Kind.FLAG, Kind.PROFILE)[number % 3]
        said |= {"kind": int(kind), "entity_type": "card"}
        if kind is Kind.LIST_ENTRY:
            said |= {"list_name": "blocked_cards", "list_kind": "block", "removed": number % 4 == 0}
        elif kind is Kind.PROFILE:
            said |= {"attributes.risk": float(number % 7)}
        made.append(EventBatch(pa.RecordBatch.from_pylist([said])))
    for number, place in enumerate(np.linspace(0, count - 1, 5).astype(int)[1:4].tolist()):
        book = books[(number + 1) % 2].ruleset
        made[place] = activation(Part.RULES, book.digest, int(times[place]), author="bench")
    named = pa.schema([("kind", pa.uint8())])
    tables = [
        one.table.set_column(
            one.table.schema.get_field_index("kind"),
            named.field(0),
            one.table.column("kind").cast(pa.uint8()),
        )
        for one in made
    ]
    return EventBatch.concat([EventBatch(table) for table in tables]), times


def equality(events: int, rows: int, seed: int) -> tuple[list[str], int]:
    """Both hosts over one log: a row of the table, and how many decisions differ."""
    rng = np.random.default_rng(seed)
    one, _ = fit(default_book(), CATALOG)
    other, _ = fit(RuleSet(rules=default_book().rules[::2], name="half"), CATALOG)
    library = ControlLibrary(CATALOG, one)
    library.learn(Part.RULES, other.ruleset.to_json())
    plan = plan_of(rows, spec=CATALOG, rules=one, library=library)
    parts = world(events, seed)
    arrived = [np.sort(rng.integers(0, 86_400_000, len(part))) for part in parts]
    steering, moments = control(events, [one, other], 0, 86_400_000, rng)
    parts.append(steering)
    arrived.append(moments)
    host = Timed(plan)
    at = [0] * len(parts)
    lost, sizes = 0, iter([3, SHARDS])
    begin = time.process_time()
    while any(at[number] < len(part) for number, part in enumerate(parts)):
        number = min((n for n in range(len(parts)) if at[n] < len(parts[n])), key=lambda n: arrived[n][at[n]])
        end = min(at[number] + int(rng.integers(1, 2 * rows)), len(parts[number]))
        piece = to_bytes(parts[number].slice(at[number], end))
        host.send(host.stage("door", number).events(piece, arrived[number][at[number] : end]), "door", number)
        at[number] = end
        host.run()
        if rng.random() < 8 * rows / events:
            lost += 1
            host.lose_all()
        if sum(at) > events * (lost > 2) and (size := next(sizes, None)):
            host.rescale(size)
    for number in range(len(parts)):
        host.send(host.stage("door", number).close(), "door", number)
    host.run()
    spent = time.process_time() - begin
    wanted = _embedded(plan, parts, arrived)
    found = [DecisionBatch.decode(element.data) for element in host.outputs["decisions"]]
    differing, total = _compared(wanted, found)
    cells = [f"{total:,}", f"{total / spent:,.0f}", f"{lost}", f"8, 3, {host.plan.shards}", f"{differing:,}"]
    return cells, differing


def _embedded(plan: ShardedPlan, parts: list[EventBatch], arrived: list[Any]) -> list[DecisionBatch]:
    """One engine over the merged log."""
    clocks = [np.maximum.accumulate(times) for times in arrived]
    number = np.concatenate([np.full(len(part), place) for place, part in enumerate(parts)])
    order = np.lexsort((number, np.concatenate(clocks)))
    log = EventBatch.concat(parts).take(order)
    intake = Intake(MemoryLog(MemoryDisk()), plan.seed)
    pipeline = Pipeline(plan.spec, plan.rules, plan.seed, library=plan.library)
    changes = np.flatnonzero(log.kind == Kind.ACTIVATION).tolist()
    edges = sorted({0, *changes, *(one + 1 for one in changes), len(log)})
    found = []
    for begin, end in pairwise(edges):
        admitted = intake.admit_now(log.slice(begin, end), pipeline.offset)
        if len(admitted.events):
            found.append(pipeline.step(admitted.events).decisions)
    return [one for one in found if one is not None]


def _compared(wanted: list[DecisionBatch], found: list[DecisionBatch]) -> tuple[int, int]:
    """How many decisions differ in any field but when they were made, and how many there are."""
    one, other = _table(wanted), _table(found)
    total = len(one)
    if len(other) != total:
        return abs(len(other) - total), total
    differs = np.zeros(total, np.bool_)
    for name in one.column_names:
        left, right = (table.column(name).combine_chunks() for table in (one, other))
        if pa.types.is_floating(left.type):
            bits = [side.to_numpy(zero_copy_only=False).view(np.int64) for side in (left, right)]
            differs |= bits[0] != bits[1]
        elif not left.equals(right):
            differs |= np.array([a != b for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True)])
    return int(differs.sum()), total


def _table(batches: list[DecisionBatch]) -> pa.Table:
    tables = []
    for batch in batches:
        table = pa.Table.from_batches([DecisionBatch.decode(batch.encode()).table])
        rules = pa.array([table.schema.metadata[b"rules"].decode()] * len(table))
        plain = table.drop_columns(["decided_at_ms", "latency_us"]).append_column("rules_digest", rules)
        fields = [
            field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
            for field in plain.schema
        ]
        tables.append(plain.cast(pa.schema(fields)).replace_schema_metadata(None))
    return pa.concat_tables(tables).sort_by("offset")


def verdicts(shares: dict[int, float], differing: int) -> Iterator[str]:
    """A line for each bar, PASS or FAIL."""
    for rows, share in shares.items():
        bar = BARS[rows]
        said = f"features at batches of {rows:,}: {share:.2f} of the embedded engine (at least {bar:.2f})"
        yield f"{'PASS' if share >= bar else 'FAIL'}: {said}"
    yield f"{'FAIL' if differing else 'PASS'}: {differing:,} decisions differ from the embedded host's"


def main() -> int:
    """Run it; 1 where decisions differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="payments of the rates")
    parser.add_argument("--decisions", type=int, default=1_000_000, help="payments that both hosts decide")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{machine()}\n{versions('numba', 'numpy', 'pyarrow')}")
    features(5_000, 500)  # compiles
    rows, shares = [], {}
    for size in BARS:
        row, shares[size] = features(options.events, size)
        rows.append(row)
    head = ["batch", "stages/CPU s", "engine/CPU s", "share", "µs a payment by stage", "state B", "differing"]
    show(f"Features only, {options.events:,} payments", head, rows)
    cells, differing = equality(options.decisions, 1000, options.seed)
    show("The same decisions", ["decisions", "decisions/CPU s", "lost", "shards", "differing"], [cells])
    for line in verdicts(shares, differing):
        print(line)
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
