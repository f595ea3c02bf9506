"""Numbers that are ages, the days on which they began, and what is made of them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

import ringfence as rf
from ringfence.errors import SpecError
from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.durations import DAY_MS
from ringfence.features.engine import Engine
from ringfence.features.entities import Entity
from ringfence.learning.choosing.ages import ages
from ringfence.learning.choosing.key_choice import proposed
from ringfence.learning.choosing.wide_features import wide_spec

START_MS = 1_700_000_000_000
SIZE, CLIENTS = 12_000, 900


def batch(time_ms, **columns):
    count = len(time_ms)
    table = {
        "kind": np.zeros(count, np.uint8),
        "event_time_ms": np.asarray(time_ms, np.int64),
        "transaction_id": [f"t{row}" for row in range(count)],
        "amount_minor": np.full(count, 1000),
    }
    return EventBatch(pa.RecordBatch.from_pydict(table | columns))


@pytest.fixture(scope="module")
def world():
    """Cards that ten clients share each. Nobody is named; nearly all that a thief pays is fraud."""
    rng = np.random.default_rng(4)
    time_ms = np.sort(rng.integers(0, 90 * DAY_MS, SIZE)) + START_MS
    client = rng.integers(0, CLIENTS, SIZE)
    began = rng.integers(-400, 0, CLIENTS)[client]
    age = time_ms // DAY_MS - (START_MS // DAY_MS + began)
    fraud = (client % 30 == 0) & (rng.random(SIZE) < 0.8)
    return {
        "time_ms": time_ms,
        "card": client // 10,
        "fraud": fraud,
        "age": age.astype(float),
        "counter": rng.integers(0, 4, SIZE).astype(float),
        "since_last": rng.integers(0, 40, SIZE).astype(float),
        "constant": np.full(SIZE, 7.0),
        "score": rng.normal(50, 20, SIZE),
    }


def test_ages_are_told_from_counters_gaps_constants_and_scores(world):
    numbers = {name: world[name] for name in ("counter", "since_last", "constant", "score", "age")}
    assert ages(world["card"] + 1, world["time_ms"], numbers.items()) == ["age"]
    half = np.where(np.arange(SIZE) % 2, np.nan, world["age"])
    assert ages(world["card"] + 1, world["time_ms"], [("age", half)]) == ["age"]
    assert ages(np.zeros(SIZE, np.int64), world["time_ms"], numbers.items()) == []


def events_of(world, **more):
    """Its payments, and reports of fraud five days later; `more` are texts of the payments."""
    fraud = np.flatnonzero(world["fraud"])
    times = np.concatenate([world["time_ms"], world["time_ms"][fraud] + 5 * DAY_MS])
    order = np.argsort(times, kind="stable")
    row = np.concatenate([np.arange(SIZE), fraud])[order]
    label = (np.arange(len(times)) >= SIZE)[order]
    table = {
        "kind": np.where(label, Kind.LABEL, Kind.TRANSACTION).astype(np.uint8),
        "event_time_ms": times[order],
        "transaction_id": np.char.add("t", row.astype(str)),
        "card_id": pa.array(np.char.add("c", world["card"][row].astype(str)), mask=label),
        "attributes.age": pa.array(world["age"][row], mask=label),
        "attributes.score": pa.array(world["score"][row], mask=label),
        "label": pa.array(label, mask=~label),
    }
    table |= {name: pa.array(values[row], mask=label) for name, values in more.items()}
    return EventBatch(pa.RecordBatch.from_pydict(table))


def test_the_start_day_beside_a_card_is_proposed_as_a_key(world):
    events = events_of(world)
    keys = proposed([events], 5 * DAY_MS)
    assert ("card_id", "start_day.attributes.age") in keys.pairs
    assert not any("score" in name for pair in keys.pairs for name in pair)
    spec = wide_spec({"card_id", "amount_minor"}, 5 * DAY_MS, keys=keys)
    assert "by_card_and_start_day_age.label_rate_60d_delay_5d" in spec.names
    assert proposed([events], 5 * DAY_MS, without=frozenset({"attributes.age"})).pairs == ()


@pytest.fixture(scope="module")
def habits(world):
    """A client's number, and texts: phone and region seldom change, a shop is any shop's."""
    rng = np.random.default_rng(6)
    client = world["card"] * 1000 + np.floor(world["time_ms"] / DAY_MS - world["age"]).astype(int)

    def kept(kinds, stem):
        own = np.where(rng.random(SIZE) < 0.1, rng.integers(0, kinds, SIZE), client % kinds)
        return np.char.add(stem, own.astype(str))

    texts = {"attributes.phone": kept(40, "p"), "attributes.region": kept(9, "r"), "device_id": kept(50, "d")}
    texts["attributes.shop"] = np.char.add("s", rng.integers(0, 30, SIZE).astype(str))
    texts["attributes.device"] = texts["device_id"]  # called the same in the names of features
    return client, texts


def test_the_pair_that_names_a_client_is_asked_for_amounts_and_for_what_is_new_of_a_client(world, habits):
    keys = proposed([events_of(world, **habits[1])], 5 * DAY_MS)
    assert keys.payer == ("card_id", "start_day.attributes.age")
    assert set(keys.habits) >= {"attributes.phone", "attributes.region", "device_id", "attributes.device"}
    assert not {"attributes.shop", "attributes.age"} & set(keys.habits)
    spec = wide_spec({"card_id", "amount_minor"}, 5 * DAY_MS, keys=keys)
    name = "by_card_and_start_day_age"
    wanted = ("is_new_phone", "distinct_region_30d", "is_new_device", "zscore_amount_90d_before")
    assert {f"{name}.{one}" for one in wanted} <= set(spec.names)


def test_of_a_payer_with_a_name_it_is_asked_what_is_new(world, habits):
    client, texts = habits
    keys = proposed([events_of({**world, "card": client}, **texts)], 5 * DAY_MS)
    assert keys.payer == ("card_id",)
    names = wide_spec({"card_id", "amount_minor"}, 5 * DAY_MS, keys=keys).names
    assert {"card.is_new_phone", "card.distinct_region_30d"} <= set(names)
    assert "card.is_new_shop" not in names


def test_a_start_day_is_the_same_for_all_payments_of_an_account():
    opened = datetime(2024, 2, 28, tzinfo=UTC)
    paid = [
        opened + timedelta(days=days, hours=hours) for days, hours in ((0, 1), (1, 23), (2, 5), (366, 12))
    ]
    time_ms = [int(one.timestamp() * 1000) for one in paid]
    age = [float((one.date() - opened.date()).days) for one in paid]
    days = batch(time_ms, **{"attributes.age": age}).column("start_day.attributes.age").to_pylist()
    assert days == [(opened.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days] * 4


def test_an_engine_counts_by_start_day():
    time_ms = START_MS + DAY_MS * np.array([0, 1, 2, 3, 4])
    events = batch(
        time_ms,
        card_id=["c"] * 5,
        **{"attributes.age": pa.array([10.0, 11.0, 5.0, None, 14.0])},
    )
    account = Entity("account_of_card", ("card_id", "start_day.attributes.age"))
    spec = rf.FeatureSpec.of(account.count("30d"))
    (found,) = Engine(spec, 7).measure(events)
    assert np.array_equal(found, [1, 2, 1, np.nan, 3], equal_nan=True)


@pytest.mark.parametrize("wild", [1e300, -1e300, float("inf"), float("nan"), 1e6, "forty"])
def test_what_is_no_age_has_no_start_day(wild):
    events = batch([START_MS], **{"attributes.age": [wild]})
    assert events.hashes("start_day.attributes.age", 7).tolist() == [0]
    assert events.hashes("start_day.attributes.unknown", 7).tolist() == [0]


@pytest.mark.parametrize("name", ["start_day.", "start_day.amount", "start_day.start_day.attributes.a"])
def test_a_start_day_of_anything_else_is_refused(name):
    with pytest.raises(SpecError, match="start day"):
        Entity("account", ("card_id", name))
    with pytest.raises(SpecError, match="start day"):
        rf.FeatureSpec.of(rf.entity("card").sum("start_day.attributes.age", "1d"))
