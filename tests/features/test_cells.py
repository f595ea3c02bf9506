"""Keys move among engines of one entity at any point of the log, and no feature shows it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.features.test_oracle_engine import EVERYTHING

from ringfence.errors import CellError, CorruptError
from ringfence.events.batch import EventBatch
from ringfence.events.ids.hashing import hash_text
from ringfence.features import cell as cells
from ringfence.features.cell import shard_of
from ringfence.features.engine import Engine
from ringfence.features.spec import FeatureSpec, entity
from ringfence.testing.strategies import scenarios
from ringfence.testing.streams import log_of, seeded_stream, split

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "100"))
thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
SMALLEST_RING = 8
ENGINES = 3
card = entity("card")
SPEC = FeatureSpec.of(
    card.count("1h"), card.distinct("device", "1d"), card.label_count("7d"), card.max("amount", "1d")
)


class Host:
    """Several engines of one entity, which know together what a single one would know.

    Every engine hears of every label; or only the one that has the payment's key, and a label that comes
    before its payment waits for it.
    """

    def __init__(self, spec, seed, *, labels_to_all):
        self.spec, self.seed, self.labels_to_all = spec, seed, labels_to_all
        self.engines = [Engine(spec, seed, ring=SMALLEST_RING) for _ in range(ENGINES)]
        self.owner = {}  # key -> engine
        self.home = {}  # transaction id -> key
        self.waiting = {}  # transaction id -> its label, as a batch
        self.flying = []  # (keys, cell, where to)

    def measure(self, batch, clock):
        """Features of the batch, each measured by the engine that has the payment's key."""
        keys = self.engines[0].key_hashes(batch)
        self.land(set(keys.tolist()))
        ids = batch.take(batch.is_transaction).column("transaction_id").to_pylist()
        self.home |= dict(zip(ids, keys.tolist(), strict=True))
        owners = np.array([self.owner.setdefault(key, key % ENGINES) for key in keys.tolist()], np.int64)
        if not self.labels_to_all:
            batch = EventBatch.concat([*(self.waiting.pop(i) for i in ids if i in self.waiting), batch])
        goes = np.full(len(batch), -1)
        goes[batch.is_transaction] = owners
        found = np.empty((len(self.spec.features), len(keys)))
        for number, engine in enumerate(self.engines):
            self._address_labels(batch, goes, number)
            here = owners == number
            found[:, here] = engine.measure(batch.take(goes == number), clock[here])
        return found

    def _address_labels(self, batch, goes, number):
        """Labels for one engine."""
        for row in np.flatnonzero(~batch.is_transaction).tolist():
            name = batch.column("transaction_id")[row].as_py()
            if self.labels_to_all:
                goes[row] = number
            elif name in self.home:
                goes[row] = self.owner[self.home[name]]
            else:
                self.waiting[name] = batch.slice(row, row + 1)

    def send(self, keys, to):
        """The keys leave their engines; they arrive at another at once, or before they are needed."""
        self.land(set(keys))
        for number, engine in enumerate(self.engines):
            moving = [key for key in keys if self.owner[key] == number]
            if moving and number != to:
                self.flying.append((moving, engine.take(moving), to))
        self.owner |= dict.fromkeys(keys, to)

    def land(self, wanted=None):
        """What is under way arrives, if it is wanted."""
        for journey in self.flying[:]:
            keys, cell, to = journey
            if wanted is None or wanted & set(keys):
                self.engines[to].put(cell)
                self.flying.remove(journey)

    def restore(self, number):
        """An engine goes through a snapshot."""
        saved = {name: array.copy() for name, array in self.engines[number].arrays().items()}
        self.engines[number] = Engine.from_arrays(self.spec, self.seed, saved)

    def rescale(self):
        """All keys into one engine, and from there into as many as before."""
        self.land()
        first, *others = self.engines
        first.merge(others)
        assert not any(len(engine.keys) for engine in others)
        self.engines = first.split(ENGINES)
        assert not len(first.keys)
        for number, engine in enumerate(self.engines):
            assert (shard_of(engine.keys, ENGINES) == number).all()
        for key in self.owner:
            self.owner[key] = int(shard_of(np.array([key]), ENGINES)[0]) if key else 0


def assert_never_moved(spec, log, cuts, moves, *, labels_to_all=True, seed=7):
    """However keys move between the batches, every value is that of an engine which keeps them all."""
    single = Engine(spec, seed)
    host = Host(spec, seed, labels_to_all=labels_to_all)
    for batch, (what, chosen, to) in zip(split(log, cuts), moves, strict=False):
        known = sorted(host.owner.keys() - {0})
        if what == "move" and known:
            host.send(sorted({known[place % len(known)] for place in chosen}), to)
        elif what == "restore":
            host.restore(to)
        elif what == "rescale":
            host.rescale()
        elif what == "land":
            host.land()
        clock = single.clock
        ahead = clock.advance(batch.take(batch.is_transaction))
        np.testing.assert_array_equal(host.measure(batch, ahead), single.measure(batch))


STEPS = st.tuples(
    st.sampled_from(("move", "move", "move", "move", "land", "restore", "rescale")),
    st.lists(st.integers(0, 9), min_size=1, max_size=3),
    st.integers(0, ENGINES - 1),
)


@st.composite
def journeys(draw, *, longest=60):
    """A specification of one entity, a log, where it is cut, and what moves at each cut."""
    spec, log = draw(scenarios(longest=longest))
    spec = spec.of_entity(draw(st.sampled_from([item.name for item in spec.entities])))
    cuts = draw(st.lists(st.integers(0, len(log)), min_size=2, max_size=8))
    return spec, log, cuts, draw(st.lists(STEPS, min_size=len(cuts) + 1, max_size=len(cuts) + 1))


@settings(thorough, max_examples=max(2, EXAMPLES // 2))
@given(journeys())
def test_every_value_is_as_if_no_key_had_ever_moved(journey):
    """Late events, ties, labels early and late, all kinds of features; every engine hears of every label."""
    assert_never_moved(*journey)


@settings(thorough, max_examples=max(2, EXAMPLES // 4))
@given(journeys())
def test_a_label_may_go_only_to_the_engine_that_has_the_key(journey):
    """A host that knows where a payment went need not tell all engines of its label."""
    assert_never_moved(*journey, labels_to_all=False)


@pytest.mark.parametrize("name", ["card", "merchant", "card_merchant"])
def test_a_long_disorderly_stream_does_not_show_how_keys_move(name):
    """Keys with hundreds of events, rings that wrap, tables that grow while keys leave them."""
    log = seeded_stream(5, min(3_000, 100 * EXAMPLES), cards=30, merchants=10)
    whole = FeatureSpec.of(*EVERYTHING, allowed_lateness="6h", horizon="2d", zone="Europe/Berlin")
    rng = np.random.default_rng(6)
    cuts = sorted(rng.integers(0, len(log), 15).tolist())
    what = rng.choice(["move", "move", "move", "restore", "rescale", "land"], len(cuts) + 1).tolist()
    chosen = rng.integers(0, 1_000, (len(cuts) + 1, 8)).tolist()
    moves = list(zip(what, chosen, rng.integers(0, ENGINES, len(cuts) + 1).tolist(), strict=True))
    assert_never_moved(whole.of_entity(name), log, cuts, moves)


def test_an_engine_of_one_entity_measures_what_an_engine_of_all_does():
    """So a host may keep one engine for each."""
    log = seeded_stream(8, 1_000)
    spec = FeatureSpec.of(*EVERYTHING, horizon="2d")
    together = Engine(spec).measure(log)
    alone = [Engine(spec.of_entity(item.name)).measure(log) for item in spec.entities]
    places = [spec.names.index(name) for item in spec.entities for name in spec.of_entity(item.name).names]
    np.testing.assert_array_equal(np.concatenate(alone), together[places])


HOUR = 3_600_000
KEY = hash_text("c0", 0)


def paid(hour, name="c0", **fields):
    """A payment by a card, so many hours after noon of a day."""
    at = 1_700_000_000_000 + round(hour * HOUR)
    payment = {"transaction_id": f"{name} at {hour}", "card_id": name, "amount_minor": 100, "device_id": "d"}
    return {**payment, "event_time_ms": at, **fields}


def engine_after(*rows, spec=SPEC, seed=0):
    engine = Engine(spec, seed)
    engine.measure(log_of(rows))
    return engine


def test_what_has_left_is_gone_and_comes_back_whole():
    engine = engine_after(*(paid(hour, f"c{hour % 3}") for hour in range(30)))
    before = engine.size
    cell = engine.take([KEY, hash_text("nobody", 0)])
    assert KEY not in engine.keys
    assert len(engine.keys) == 2
    assert engine.take([KEY]) == engine.take([])
    engine.put(cell)
    assert engine.size["keys"] == before["keys"]
    assert engine.take([KEY]) == cell


def test_a_label_that_comes_while_its_key_is_under_way_counts_on_arrival():
    here, there = engine_after(paid(0)), Engine(SPEC)
    cell = here.take([KEY])
    there.measure(log_of([{"kind": 1, "transaction_id": "c0 at 0", "label": True, "event_time_ms": 0}]))
    there.put(cell)
    found = there.measure(log_of([paid(1)]))
    assert found[SPEC.names.index("card.label_count_7d"), 0] == 1


def test_of_payments_at_one_time_the_last_is_still_the_last():
    """The next one's distance is from the place of the later of two in the log."""
    spec = FeatureSpec.of(card.distance_km(), card.is_new("device"))
    rows = [paid(0, lat=0.0, lon=0.0), paid(0, lat=0.0, lon=90.0, transaction_id="b", device_id="e")]
    here, there = engine_after(*rows, spec=spec), Engine(spec)
    there.put(here.take([KEY]))
    kilometres, new = there.measure(log_of([paid(1, lat=0.0, lon=90.0)]))
    assert (kilometres[0], new[0]) == (0.0, 0.0)


def test_a_cell_holds_only_what_a_window_can_still_reach():
    """Seven days of labels and one of lateness: after nine days the first payments reach no feature."""
    early = [paid(hour) for hour in range(100)]
    engine = engine_after(*early, paid(200, "c1"), paid(222, "c1"), paid(240, "c1"))
    short = engine.take([KEY])
    unused = engine_after(*early).take([KEY])
    assert len(short) < len(unused)
    engine = engine_after(*early, *(paid(hour, "c1") for hour in range(100, 400, 20)))
    assert engine.take([KEY]) == Engine(SPEC).take([])[:24] + engine.take([])[24:]


def test_a_key_that_no_window_reaches_any_more_gives_way():
    """It stood idle here while another engine, which began anew, was given its payments."""
    here = engine_after(paid(0), *(paid(hour, "c1") for hour in range(0, 400, 20)))
    there = engine_after(paid(400))
    here.put(there.take([KEY]))
    assert here.measure(log_of([paid(400.5)]))[0, 0] == 2


def test_a_key_that_is_here_already_is_refused_and_nothing_changes():
    """Put twice, a cell would count every payment twice."""
    here, there = engine_after(paid(0), paid(1, "c1")), Engine(SPEC)
    cell = here.take(here.keys)
    there.put(cell)
    with pytest.raises(CellError, match=r"2 of the cell's 2 keys are in this engine already"):
        there.put(cell)
    assert there.measure(log_of([paid(1)]))[0, 0] == 1


def test_a_cell_of_another_specification_or_seed_is_refused():
    cell = engine_after(paid(0)).take([KEY])
    other = FeatureSpec.of(card.count("1h"))
    with pytest.raises(CellError, match=f"specification {SPEC.digest}, the engine of {other.digest}"):
        Engine(other).put(cell)
    with pytest.raises(CellError, match="another seed"):
        Engine(SPEC, 1).put(cell)


def test_a_damaged_cell_is_refused_wherever_the_damage_is():
    cell = engine_after(paid(0)).take([KEY])
    there = Engine(SPEC)
    for place in range(len(cell)):
        damaged = cell[:place] + bytes([cell[place] ^ 1]) + cell[place + 1 :]
        with pytest.raises((CorruptError, CellError), match=r"checksum|begins with"):
            there.put(damaged)
    for length in range(len(cell)):
        with pytest.raises(CorruptError, match=r"checksum|no cell"):
            there.put(cell[:length])
    there.put(cell)


def test_a_cell_is_bounded_and_what_is_too_large_stays(monkeypatch):
    engine = engine_after(*(paid(hour) for hour in range(10)))
    whole = engine.take([KEY])
    engine.put(whole)
    monkeypatch.setattr(cells, "MOST_BYTES", len(whole) - 1)
    with pytest.raises(CellError, match="1 keys with 10 events need a cell of"):
        engine.take([KEY])
    with pytest.raises(CorruptError, match="no cell"):
        Engine(SPEC).put(whole)
    monkeypatch.undo()
    assert engine.take([KEY]) == whole


def test_an_engine_of_several_entities_says_how_to_make_one_that_can():
    engine = Engine(FeatureSpec.of(card.count("1h"), entity("ip").count("1h")))
    for ask in (lambda: engine.take([1]), lambda: engine.split(2), lambda: engine.keys):
        with pytest.raises(CellError, match=r"one has card, ip; .*spec\.of_entity"):
            ask()


def test_no_seed_is_in_a_cell():
    """It is a secret of the store: only a mark of it is there."""
    seed = 0x1122334455667788
    cell = engine_after(paid(0), seed=seed).take([hash_text("c0", seed)])
    assert seed.to_bytes(8, "little") not in cell
    assert seed.to_bytes(8, "big") not in cell


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="this is the run without the compiler")
def test_keys_move_in_plain_python_too():
    """This file once more without the compiler, on fewer and smaller examples."""
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", "ORACLE_EXAMPLES": "2"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", __file__]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
