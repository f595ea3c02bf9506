"""State grows a little at a time: what a step copies is bounded by its payments, not by what came before."""

from __future__ import annotations

import os

import numpy as np
import pytest
from benchmarks.growth import NEW, payments
from benchmarks.workload import Workload

from ringfence.events.model import Kind
from ringfence.features.catalog import CATALOG
from ringfence.features.engine import Engine
from ringfence.features.growth import Growth
from ringfence.features.kernel import layout as at
from ringfence.features.kernel.tables import reinsert
from ringfence.features.memory import extended, zeros
from ringfence.features.spec import FeatureSpec, entity
from ringfence.testing.oracle import measure
from ringfence.testing.streams import log_of

ROWS = 16
BOUND = (
    3 * 16 * ROWS * 8 + 4096
)  # places of three tables, at sixteen for each of at most eight entries of a payment
GROWING = ("rows", "slots", "pairs", "arena", "pool", "pairs_known", "pair_stamp")
TABLES = {"table": "table_larger", "pair_table": "pair_larger", "id_table": "id_larger"}


def steps(engine, work, rows=ROWS):
    """The engine after each step."""
    for batch in work.batches(8192):
        inputs, places = engine._input(batch, engine.advance(batch))
        for begin in range(0, len(inputs), rows):
            part = inputs[begin : begin + rows]
            out = np.empty((len(engine.spec.features), len(part)))
            engine.run(part, places[begin : begin + rows], out)
            yield engine._state


def test_a_step_copies_so_many_places_and_rows_however_large_the_state():
    engine = Engine(CATALOG)
    copied, most, sizes = 0, 0, set()
    for state in steps(engine, payments(80_000)):
        most = max(most, engine._growth.copied - copied)
        copied = engine._growth.copied
        sizes |= {(name, len(getattr(state, name))) for name in TABLES}
    assert max(size for name, size in sizes if name == "table") >= 1 << 19
    assert max(size for name, size in sizes if name == "pair_table") >= 1 << 18
    assert copied > 1 << 19
    assert most <= BOUND


def test_restarts_take_no_memory():
    """A service that restarts often, and has few pairs, keeps its tables as they are."""
    number = np.arange(2_000)
    work = Workload(1_700_000_000_000 + 1000 * number, 100 + number, dict.fromkeys(NEW, number % 2))
    whole = Engine(CATALOG)
    expected = np.concatenate([whole.measure(batch) for batch in work.batches(200)], axis=1)
    engine, found = Engine(CATALOG), []
    for batch in work.batches(200):
        engine = Engine.from_arrays(CATALOG, 0, {name: at.copy() for name, at in engine.arrays().items()})
        found.append(engine.measure(batch))
    np.testing.assert_array_equal(np.concatenate(found, axis=1), expected)
    assert len(engine._state.pair_table) == len(whole._state.pair_table)


def test_a_table_that_restarts_have_doubled_shrinks():
    work = payments(2_000)
    engine, other = Engine(CATALOG), Engine(CATALOG)
    first, second = work.batches(1_000)
    engine.measure(first)
    other.measure(first)
    arrays = {name: at.copy() for name, at in other.arrays().items()}
    large = np.zeros(1 << 20, np.int64)
    reinsert(arrays["pair_table"], large, 0, len(arrays["pair_table"]))
    other = Engine.from_arrays(CATALOG, 0, arrays | {"pair_table": large})
    assert len(other._state.pair_table) < 1 << 18
    np.testing.assert_array_equal(other.measure(second), engine.measure(second))


def test_large_arrays_stay_where_they_are_as_they_grow():
    engine = Engine(CATALOG)
    places, moved, grown = {}, [], set()
    for state in steps(engine, payments(80_000), rows=256):
        for name in GROWING:
            array = getattr(state, name)
            if array.nbytes < 1 << 20:
                continue
            length, place = places.get(name, (len(array), array.ctypes.data))
            if len(array) != length:
                grown.add(name)
            if place != array.ctypes.data:
                moved.append(name)
            places[name] = len(array), array.ctypes.data
    assert not moved
    assert grown >= {"rows", "slots", "arena", "pool", "pairs_known"}


def faster_and_faster(count):
    """Payments by ever new cards, of which more and more are remembered and many forgotten, and labels."""
    pauses = np.linspace(3_000, 150, count).astype(int)
    times = (1_700_000_000_000 + np.cumsum(pauses)).tolist()
    rows = []
    for number, time in enumerate(times):
        ids = {"card_id": f"c{number}", "device_id": f"d{number % 997}"}
        rows.append({"transaction_id": f"t{number}", "event_time_ms": time, **ids})
        if number % 7 == 6:
            labelled = {"transaction_id": f"t{number - 5}", "label": number % 2 == 0}
            rows.append({"kind": int(Kind.LABEL), "event_time_ms": time, **labelled})
    return log_of(rows)


SPEC = FeatureSpec.of(
    entity("card").count("5m"),
    entity("card").distinct("device", "5m"),
    entity("device").distinct("card", "10m"),
    entity("device").label_count("10m"),
    allowed_lateness="0s",
)


@pytest.fixture
def slowly(monkeypatch):
    """Moves that take many steps even for small tables."""
    monkeypatch.setattr("ringfence.features.moving.LEAST", 8)
    monkeypatch.setattr("ringfence.features.moving.PACE", 6)


def entries(table):
    return set(table[table != 0].tolist())


def assert_every_entry_is_found(table):
    """Between where an entry belongs and where it stands, there is no empty place."""
    mask = len(table) - 1
    for place in np.flatnonzero(table).tolist():
        home = (int(table[place]) >> 32) & mask
        while home != place:
            assert table[home] != 0
            home = (home + 1) & mask


def test_while_a_table_moves_entries_are_made_and_removed_in_both(slowly):
    log = faster_and_faster(6_000)
    engine = Engine(SPEC)
    finished, removed, moving = dict.fromkeys(TABLES, 0), dict.fromkeys(TABLES, 0), {}
    for begin in range(0, len(log), 8):
        engine.measure(log.slice(begin, min(begin + 8, len(log))))
        state = engine._state
        for name, larger in TABLES.items():
            table, other = entries(getattr(state, name)), entries(getattr(state, larger))
            assert other <= table
            left = engine._growth._left.get(name)
            if left is not None:
                assert entries(getattr(state, name)[left:]) <= other
                removed[name] += len(moving.get(name, set()) - table)
                moving[name] = table
            elif moving.pop(name, None):
                finished[name] += 1
                assert_every_entry_is_found(getattr(state, name))
        counters = state.counters
        counts = [int(counters[word]) for word in (at.KEYS, at.PAIRS, at.IDS)]
        assert [len(entries(getattr(state, name))) for name in TABLES] == counts
    assert min(finished.values()) >= 1
    assert min(removed.values()) >= 1


@pytest.mark.parametrize("restored", [False, True])
def test_values_are_exact_while_tables_move(restored, slowly):
    log = faster_and_faster(2_500)
    engine = Engine(SPEC)
    found = []
    for begin in range(0, len(log), 8):
        found.append(engine.measure(log.slice(begin, min(begin + 8, len(log)))))
        if restored and engine._growth._left and begin % 5 == 0:
            arrays = {name: array.copy() for name, array in engine.arrays().items()}
            engine = Engine.from_arrays(SPEC, 0, arrays)
    np.testing.assert_array_equal(np.concatenate(found, axis=1), measure(log, SPEC))


@pytest.mark.parametrize("oldest", [0, 700, 1024, 1500, 2047, 2048])
def test_a_ring_that_doubles_keeps_every_event_and_moves_only_those_with_another_place(oldest):
    state = Engine(SPEC, ring=1024)._state
    end = oldest + 1000
    for seq in range(oldest, end):
        state.rows[seq & 1023, 0] = seq
    state.counters[at.SEQ_END] = end
    growth = Growth()
    larger = growth.ring(state, oldest, 100)
    assert len(larger.rows) == 2048
    assert [int(larger.rows[seq & 2047, 0]) for seq in range(oldest, end)] == list(range(oldest, end))
    assert growth.copied == sum(seq & 1023 != seq & 2047 for seq in range(oldest, end))


def test_a_ring_that_is_nearly_full_doubles_early_where_no_event_moves():
    state = Engine(SPEC, ring=1 << 14)._state
    state.counters[at.SEQ_END] = (1 << 14) + 50
    growth = Growth()
    assert len(growth.ring(state, 60, 8).rows) == 1 << 15
    assert growth.copied == 50
    assert len(Growth().ring(state, 3_000, 8).rows) == 1 << 14


def test_an_array_grows_in_place_into_zeros_and_a_forked_child_keeps_what_it_had():
    array = zeros((1 << 16, 4), np.int64, growing=True)
    array[:] = 7
    larger = extended(array, 1 << 17)
    assert larger.ctypes.data == array.ctypes.data
    assert (larger[: 1 << 16] == 7).all()
    assert not larger[1 << 16 :].any()
    reader, writer = os.pipe()
    ready, go = os.pipe()
    child = os.fork()
    if not child:
        os.read(ready, 1)
        os.write(writer, bytes([int(larger[0, 0])]))
        os._exit(0)
    larger[0, 0] = 9
    os.write(go, b"x")
    os.waitpid(child, 0)
    assert os.read(reader, 1) == bytes([7])


def test_where_no_addresses_are_reserved_an_array_is_copied(monkeypatch):
    monkeypatch.setattr("ringfence.features.memory._mapped", lambda _size, **_how: None)
    array = zeros((1 << 16, 4), np.int64, growing=True)
    array[-1] = 5
    larger = extended(array, 1 << 17)
    assert (larger[(1 << 16) - 1] == 5).all()
    assert not larger[1 << 16 :].any()
