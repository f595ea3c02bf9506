"""What became of payments is added up exactly: by a sum over all of it, however the log was cut."""

from __future__ import annotations

import numpy as np
import pytest

from ringfence.errors import SpecError
from ringfence.events.model import ACTIONS, Kind
from ringfence.features import payment_lives
from ringfence.features.durations import DAY_MS
from ringfence.features.spec import ACTED, MOVED, FeatureSpec, entity
from ringfence.testing.streams import log_of
from ringfence.walk import Walk

CARD, SHOP = entity("card"), entity("merchant")
SPEC = FeatureSpec.of(
    *(CARD.sum(name, "2d") for name in (*MOVED, *ACTED)),
    SHOP.sum("net", "30d"),
    SHOP.sum("captured", "this_month"),
    SHOP.sum("refunded", "5d", delay="1d"),
    CARD.sum("amount", "2d"),
    CARD.count("2d"),
)
HOUR = 3_600_000
START = 1_700_000_000_000


def a_log(seed, payments=60, actions=120):
    """Payments and actions on them, in the order of their times but for a few; some on nobody's payment."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "transaction_id": f"t{number}",
            "event_time_ms": int(START + rng.integers(0, 20 * DAY_MS)),
            "card_id": f"c{rng.integers(4)}",
            "merchant_id": f"m{rng.integers(3)}" if rng.random() < 0.9 else None,
            "amount_minor": int(rng.integers(1, 100_000)),
            "currency": "EUR" if rng.random() < 0.8 else "JPY",
        }
        for number in range(payments)
    ]
    for number in range(actions):
        paid = rows[rng.integers(payments)]
        strange = rng.random()
        rows.append(
            {
                "kind": int(Kind.LIFECYCLE),
                "event_id": f"a{number}",
                "transaction_id": "nobody's" if strange < 0.05 else paid["transaction_id"],
                "event_time_ms": int(paid["event_time_ms"] + rng.integers(-HOUR, 5 * DAY_MS)),
                "action": ACTIONS[rng.integers(len(ACTIONS))],
                "amount_minor": int(rng.integers(1, 100_000)),
                "currency": "USD" if strange > 0.95 else None if strange > 0.9 else paid["currency"],
            }
        )
    return sorted(rows, key=lambda row: row["event_time_ms"] + int(rng.integers(0, 6 * HOUR)))


def fixed(row):
    """Amount in thousandths; without a currency minor units are hundredths."""
    return row["amount_minor"] * (1000 if row["currency"] == "JPY" else 10)


def flows_of(rows):
    """Per row what it moves by field, and the payment whose keys it goes by."""
    known, sums = {}, {}
    for row in rows:
        if "kind" not in row:
            known[row["transaction_id"]] = row
            sums[row["transaction_id"]] = {"asked": fixed(row), "capture": 0, "reversal": 0, "other": 0}
            yield row, {"authorised": fixed(row)}
            continue
        paid = known.get(row["transaction_id"])
        if paid is None:
            yield None, {}
            continue
        action, amount, of = row["action"], fixed(row), sums[row["transaction_id"]]
        moved = {} if action == "increment" else {f"{action}s": 1}
        if row["currency"] not in (None, paid["currency"]):
            yield paid, moved
            continue
        before = worth(of)
        if action == "increment":
            of["asked"] += amount
        elif action in of:
            of[action] += amount
        else:
            of["other"] += amount if action == "representment" else -amount
        if action in ("increment", "reversal"):
            moved["authorised"] = amount if action == "increment" else -amount
        past = {"capture": "captured", "reversal": "reversed", "refund": "refunded"}
        past |= {"chargeback": "charged_back", "representment": "represented"}
        if action in past:
            moved[past[action]] = amount
        yield paid, moved | {"net": worth(of) - before}


def worth(of):
    excess = max(0, of["reversal"] - max(0, of["asked"] - of["capture"]))
    return of["capture"] - excess + of["other"]


def month(time_ms):
    return np.datetime64(time_ms, "ms").astype("datetime64[M]")


def brute(rows, feature):
    """One feature of every payment, straight from its definition."""
    done, key = [], {"card": "card_id", "merchant": "merchant_id"}[feature.entity]
    for row, (paid, moved) in zip(rows, flows_of(rows), strict=True):
        if paid is not None:
            done.append((row["event_time_ms"], paid[key], moved.get(feature.field)))
        if "kind" in row:
            continue
        now, total = row["event_time_ms"] - feature.delay_ms, 0
        for time, of, value in done:
            in_window = (
                month(time) == month(now) and time <= now
                if feature.calendar
                else now - feature.window_ms < time <= now
            )
            if value is not None and of == row[key] and in_window:
                total += value
        scale = 1 if feature.field in ACTED else 1000
        yield np.nan if row[key] is None else total / scale


def walked(walk, batches):
    found = [run.features for events in batches for run in walk.over(events)]
    return np.concatenate(found or [np.empty((len(SPEC.names), 0))], axis=1)


@pytest.mark.parametrize("seed", range(6))
def test_sums_over_lives_are_those_of_the_definition(seed):
    rows = a_log(seed)
    got = walked(Walk(SPEC, seed), [log_of(rows)])
    for feature, values in zip(SPEC.features, got, strict=True):
        if feature.is_lifecycle:
            np.testing.assert_array_equal(values, list(brute(rows, feature)), feature.name)


@pytest.mark.parametrize("seed", range(4))
def test_they_are_the_same_however_the_log_is_cut_and_after_a_snapshot(seed):
    rows = a_log(seed)
    whole = walked(Walk(SPEC, seed), [log_of(rows)])
    cuts = sorted(np.random.default_rng(seed).integers(1, len(rows), 9).tolist())
    parts = [log_of(rows[a:b]) for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True) if a < b]
    walk, got = Walk(SPEC, seed), []
    for part in parts:
        got.append(walked(walk, [part]))
        again = Walk(SPEC, seed)
        again.restore({name: np.copy(array) for name, array in walk.arrays().items()}, walk.offset)
        walk = again
    np.testing.assert_array_equal(np.concatenate(got, axis=1), whole)


def test_an_action_after_a_snapshot_without_payments_is_on_nobodys_payment():
    paid, *actions = [row for row in a_log(1, 1, 3) if row["transaction_id"] != "nobody's"]
    walk, again = Walk(SPEC), Walk(SPEC)
    again.restore({name: np.copy(array) for name, array in walk.arrays().items()}, walk.offset)
    rows = [*actions, paid]
    for part in (actions, [paid]):
        got = walked(again, [log_of(part)])
    np.testing.assert_array_equal(got, walked(walk, [log_of(rows)]))


def test_actions_are_no_payments():
    rows = a_log(1)
    paid = [row for row in rows if "kind" not in row]
    got, alone = (walked(Walk(SPEC), [log_of(part)]) for part in (rows, paid))
    for name in ("card.sum_amount_2d", "card.count_2d"):
        at = SPEC.names.index(name)
        np.testing.assert_array_equal(got[at], alone[at])


def test_a_payment_is_forgotten_by_the_streams_clock_alone(monkeypatch):
    monkeypatch.setattr(payment_lives, "MEMORY_MS", 3 * DAY_MS)
    monkeypatch.setattr(payment_lives, "_FIRST_ROOM", 4)
    rows = a_log(7, 200, 300)
    whole = walked(Walk(SPEC), [log_of(rows)])
    single = walked(Walk(SPEC), [log_of([row]) for row in rows])
    np.testing.assert_array_equal(single, whole)


def test_a_sum_of_lives_stands_behind_the_features_of_payments():
    spec = FeatureSpec.of(CARD.sum("net", "1d"), CARD.count("1h")).with_features(CARD.count("2h"))
    assert spec.names == ("card.count_1h", "card.count_2h", "card.sum_net_1d")
    assert FeatureSpec.from_json(spec.to_json()) == spec
    assert spec.of_payments.names == spec.names[:2]
    with pytest.raises(SpecError, match="sums without a condition"):
        CARD.mean("captured", "1d")
