"""The world is the same for the same seed, a day at a time, and tells nobody what is fraud."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ringfence.simulate import SCHEMA, Disorder, World
from ringfence.simulate.lines import json_lines
from ringfence.simulate.rows import SimulatedTypology

DAY_MS = 86_400_000


def days(number, seed=1, first=0, **more):
    return [json_lines(made.events) for made in World(seed, 300, **more).days(number, first)]


def test_the_same_seed_gives_the_same_world():
    assert days(4) == days(4)
    assert days(4) != days(4, seed=2)


def test_a_day_does_not_depend_on_how_many_follow():
    assert days(6)[:3] == days(3)


def test_a_world_can_be_entered_on_any_day():
    """Live traffic goes on where the history ended."""
    assert days(2, first=4) == days(6)[4:]


def test_days_go_on_for_ever_where_no_number_is_given():
    endless = World(1, 50).days()
    assert len([next(endless) for _ in range(100)]) == 100


def test_events_come_in_the_order_of_their_time_each_on_its_day():
    for number, made in enumerate(World(1, 300).days(5)):
        times = made.rows.time_ms
        assert (np.diff(times) >= 0).all()
        assert set((times - 1_735_689_600_000) // DAY_MS) == {number}


def test_ids_are_unique_and_amounts_positive(payments):
    assert len(set(payments["transaction_id"])) == len(payments["transaction_id"])
    assert payments["amount"].min() > 0
    assert np.array_equal(payments["amount"], np.round(payments["amount"], 2))


def test_fraud_is_about_as_frequent_as_asked(payments):
    assert 0.02 < (payments["typology"] != "honest").mean() < 0.045


def test_a_world_without_fraud_has_none():
    assert sum(len(made.truth) for made in World(1, 300, fraud_rate=0).days(20)) == 0


def test_every_kind_of_fraud_happens(payments):
    assert set(payments["typology"]) == {kind.name.lower() for kind in SimulatedTypology}


def test_no_column_tells_fraud(payments):
    """Whatever a column says of a fraud, it says of honest payments, too, but for ids of things."""
    fraud = payments["typology"] != "honest"
    for name in ("channel", "entry_mode", "merchant_category", "country", "city", "currency"):
        assert set(payments[name][fraud]) <= set(payments[name][~fraud]), name
    assert not [name for name in SCHEMA.names if "truth" in name or "fraud" in name or "typology" in name]


def test_what_waits_for_later_does_not_grow_with_the_days():
    world = World(1, 300, disorder=Disorder(0.05, 0.05, 3))
    held = []
    for made in world.days(160):
        assert len(made.rows) < 2000
        held.append(len(world._labels.waiting) + len(world._delivery.waiting) + len(world._begun))
    assert max(held[120:]) < 2 * max(held[80:120])


class TestLabels:
    @pytest.fixture
    def labels(self, season):
        events, _ = season
        found = events.filter(pc.equal(events["kind"], "label"))
        found = found.append_column("ms", found["event_time"].cast(pa.int64()))
        return found.select(["transaction_id", "ms", "label", "label_source"]).to_pylist()

    def test_they_come_after_the_payment_some_after_weeks(self, labels, payments):
        paid = dict(zip(payments["transaction_id"], payments["ms"].tolist(), strict=True))
        delays = [label["ms"] - paid[label["transaction_id"]] for label in labels]
        assert min(delays) > 0
        assert np.quantile(delays, 0.9) > 14 * DAY_MS

    def test_some_frauds_never_become_known(self, labels, season):
        _, truth = season
        known = {label["transaction_id"] for label in labels if label["label"]}
        early = sorted(truth)[: len(truth) // 4]
        assert 0.5 < np.mean([name in known for name in early]) < 0.95

    def test_some_labels_are_wrong_and_some_clear(self, labels, season):
        _, truth = season
        assert [label for label in labels if label["label"] and label["transaction_id"] not in truth]
        assert [label for label in labels if not label["label"]]

    def test_a_card_is_replaced_after_its_fraud_is_known(self, labels, payments):
        """Its owner pays with another one from the next day on."""
        at = {name: number for number, name in enumerate(payments["transaction_id"])}
        known = [
            label for label in labels if payments["typology"][at[label["transaction_id"]]] == "stolen_card"
        ]
        honest = payments["typology"] == "honest"
        assert len(known) > 10
        for label in known:
            same = payments["card_id"] == payments["card_id"][at[label["transaction_id"]]]
            assert not (same & honest & (payments["ms"] > label["ms"] + DAY_MS)).any()
