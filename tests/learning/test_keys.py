"""Which fields and pairs are proposed for label rates, and what becomes of them."""

import numpy as np
import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.durations import DAY_MS, in_words
from ringfence.learning.algorithms.boosting import fit_within, planned
from ringfence.learning.algorithms.boosting import sample as drawn
from ringfence.learning.choosing.key_choice import Keys, first_part, proposed, usual_delay_ms
from ringfence.learning.choosing.wide_features import graph_for, offered, wide_spec
from ringfence.learning.data.splits import prequential, train_and_test

SIZE, DELAY_MS = 12_000, 5 * DAY_MS


@pytest.fixture(scope="module")
def events():
    """60 days: one device in ten is risky, and so are pairs of a region and a product, neither alone."""
    rng = np.random.default_rng(2)
    time_ms = np.sort(rng.integers(0, 60 * DAY_MS, SIZE)) + 1_700_000_000_000
    device, region, product = (rng.integers(0, many, SIZE) for many in (60, 20, 20))
    risky = rng.random((20, 20)) < 0.08
    odds = np.where(device % 10 == 0, 0.2, 0.01) + np.where(risky[region, product], 0.4, 0.0)
    fraud = np.flatnonzero(rng.random(SIZE) < odds)
    times = np.concatenate([time_ms, time_ms[fraud] + DELAY_MS])
    order = np.argsort(times, kind="stable")
    row = np.concatenate([np.arange(SIZE), fraud])[order]
    label = (np.arange(len(times)) >= SIZE)[order]

    def of(values):
        return pa.array(values[row], mask=label)

    table = {
        "kind": np.where(label, Kind.LABEL, Kind.TRANSACTION).astype(np.uint8),
        "event_time_ms": times[order],
        "transaction_id": np.char.add("t", row.astype(str)),
        "device_id": of(np.char.add("d", device.astype(str))),
        "attributes.region": of(region.astype(float)),
        "attributes.Product Code": of(np.char.add("p", product.astype(str))),
        "attributes.measure": of(rng.normal(size=SIZE)),
        "attributes.one": of(np.full(SIZE, "same")),
        "attributes.each": of(np.char.add("u", np.arange(SIZE).astype(str))),
        "label": pa.array(label, mask=~label),
    }
    return EventBatch(pa.RecordBatch.from_pydict(table))


@pytest.fixture(scope="module")
def keys(events):
    return proposed([events], DELAY_MS)


def test_fields_and_pairs_that_tell_of_later_payments_are_proposed_and_no_others(keys):
    assert keys.fields[0] == "device_id"
    assert set(keys.pairs[0]) == {"attributes.region", "attributes.Product Code"}
    named = {*keys.fields, *(name for pair in keys.pairs for name in pair)}
    assert not named & {"attributes.measure", "attributes.one", "attributes.each"}


def test_what_is_tested_on_later_has_no_part_in_the_choice(events, keys):
    half_ms = int(events.event_time_ms[len(events) // 2])
    parts = [events.slice(at, min(at + 500, len(events))) for at in range(0, len(events), 500)]
    first = first_part(iter(parts), lambda: 0.0, half_ms)
    assert int(first[-1].event_time_ms[0]) < half_ms <= int(first[-1].event_time_ms[-1])
    assert proposed([events], DELAY_MS, before_ms=half_ms).fields != ()
    assert proposed([events], DELAY_MS, before_ms=int(events.event_time_ms[200])) == Keys()


def test_labels_known_since_the_test_began_have_no_part_in_the_choice(events):
    """All labels come late, but of payments that are old enough to have one."""
    times = events.table.schema.get_field_index("event_time_ms")
    late_ms = int(events.event_time_ms.max())
    moved = np.where(events.kind == Kind.LABEL, late_ms, events.event_time_ms)
    late = EventBatch(events.table.set_column(times, "event_time_ms", pa.array(moved)))
    assert proposed([late], DELAY_MS, before_ms=late_ms + 1).fields != ()
    assert proposed([late], DELAY_MS, before_ms=late_ms) == Keys()


def test_labels_of_other_payments_propose_nothing(events):
    row = events.table.schema.get_field_index("transaction_id")
    names = events.table.column(row).to_pylist()
    other = [
        f"x{name}" if label else name for name, label in zip(names, events.kind == Kind.LABEL, strict=True)
    ]
    assert (
        proposed([EventBatch(events.table.set_column(row, "transaction_id", pa.array(other)))], DELAY_MS)
        == Keys()
    )


def test_how_long_labels_take_is_told_from_those_that_came(events):
    assert usual_delay_ms([events], 0) == DELAY_MS


def test_a_wide_set_has_a_rate_for_each_key_at_the_label_delay_once(keys):
    spec = wide_spec({"device_id", "card_id", "amount_minor"}, DELAY_MS, keys=keys)
    assert "device.label_rate_365d_delay_5d" in spec.names
    assert "card.label_rate_14d_delay_5d" in spec.names
    assert "by_product_code_and_region.label_rate_60d_delay_5d" in spec.names
    groups = offered(spec, keys)
    assert any("pairs" in title for title in groups)
    assert all(name in spec.names for group in groups.values() for name in group)


@pytest.mark.parametrize("delay_ms", [0, 1000, 604_801_000, 90 * DAY_MS])
def test_a_wide_set_is_made_for_any_delay_and_never_looks_earlier(delay_ms):
    spec = wide_spec({"customer_id", "terminal_id", "merchant_category"}, delay_ms, keys=Keys(("channel",)))
    told = [one.delay_ms for one in spec.features if one.kind.startswith("label_") and one.delay_ms]
    assert min(told, default=delay_ms) >= delay_ms
    assert not any("604801" in name for name in spec.names)


def test_a_fit_with_little_time_has_fewer_trees_that_learn_faster_and_says_so(data):
    learned, _ = train_and_test(data, None, data.maturity_ms)
    fold = prequential(data, learned, data.maturity_ms)[-1]
    own = {"num_leaves": 4, "learning_rate": 0.05, "trees": 200}
    ticks = iter(range(1000))
    table = drawn(data, fold.train, data.names)
    grown = fit_within(table, own, (1, 5), 0, 100.0, stopwatch=lambda: float(next(ticks)))
    assert grown.boosters[0].num_trees() == grown.parameters["trees"]
    assert grown.said == "" if grown.parameters["trees"] == 200 else "in place of 200" in grown.said
    chosen, said = planned(own, 10.0, 0.1)
    assert (chosen["trees"], chosen["learning_rate"]) == (100, 0.1)
    assert "100 trees" in said


def test_links_and_last_payments_enter_a_wide_set_by_themselves_as_groups_that_have_to_lift(events):
    named = {"customer_id", "device_id", "merchant_id", "counterparty_id", "amount_minor"}
    spec = wide_spec(named).with_graph(graph_for(named))
    groups = offered(spec, Keys())
    assert {"graph.shared_device_7d", "graph.fan_out_1d"} <= groups["signals of the entity graph"]
    last = groups["amounts, gaps and places of a payer's last payments"]
    wanted = {"previous_amount_back_5", "seconds_since_last_back_2", "is_same_merchant_back_3"}
    assert {f"customer.{name}" for name in wanted} <= last
    assert "customer.seconds_since_last" not in last
    card = wide_spec({"card_id", "amount_minor"}).names  # an input although it is an id
    assert {"card.count_365d", "card.label_rate_365d_delay_7d"} <= set(card)


def test_durations_are_told_in_words():
    assert in_words(604_801_000) == "7 days"
    assert in_words(1000) == "1 second"
