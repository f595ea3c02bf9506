"""How often each part of a condition was true, and why one never was."""

import pyarrow as pa
import pytest
from tests import spine

from ringfence.analysis.rates import measured_rates
from ringfence.events.batch import EventBatch
from ringfence.features.catalog import CATALOG
from ringfence.rulebook.checking import Rate, warnings_of
from ringfence.scoring.rulesets.books import load_book
from ringfence.scoring.rulesets.rules import Mode, Rule, RuleSet, compile_rules

MCCS = ("5967", "5411", "5411")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    rows = [
        {
            "transaction_id": f"t{n}",
            "kind": 0,
            "event_time_ms": 1_746_057_600_000 + 60_000 * n,
            "ingest_time_ms": 1_746_057_600_000 + 60_000 * n,
            "amount_minor": 100 * (20 + n),
            "currency": "EUR",
            "card_id": f"c{n % 4}",
            "merchant_category": ("digital", "grocery", "fuel")[n % 3],
            "country": "DE",
            "attributes.mcc": MCCS[n % 3],
            "attributes.tries": float(n % 5),
        }
        for n in range(48)
    ]
    with spine.open_store(tmp_path_factory.mktemp("store")) as opened:
        spine.runner(opened).ingest(_with_attributes(spine.batch(rows), rows))
        yield opened


def _with_attributes(events, rows):
    table = events.table
    for name in ("attributes.mcc", "attributes.tries"):
        table = table.append_column(name, pa.array([row[name] for row in rows]))
    return EventBatch(table)


def parts(store, when):
    rule = Rule(id="r", title="", when=when, points=1, reason="R", analyst="")
    (found,) = measured_rates(store.log, compile_rules(RuleSet(rules=(rule,)), CATALOG), store.meta.hash_seed)
    assert found.judged == 48
    return found.parts


def test_each_part_is_counted_by_itself(store):
    found = parts(store, "amount >= 44 and (country = 'DE' or not (hour < 3 and attributes.mcc = '5967'))")
    assert [(part.text, part.fired) for part in found] == [
        ("amount >= 44", 24),
        ("country = 'DE'", 48),
        ("hour < 3", 48),
        ("attributes.mcc = '5967'", 16),
    ]


@pytest.mark.parametrize(
    ("when", "why"),
    [
        (
            "attributes.mcc in (5967, 7995)",
            "text, such as '5411', and compared with a number: write attributes.mcc IN ('5967', '7995')",
        ),
        ("not attributes.mcc = 5967", "compared with a number"),
        ("attributes.mcc between 5000 and 6000", "send it as a number"),
        ("attributes.tries = '3'", "a number, such as 0, and compared with text: write attributes.tries = 3"),
        ("merchant_category = 'digitl'", "did you mean 'digital'?"),
        ("merchant_category in ('Digital ', 'x')", "did you mean 'digital'?"),
        (
            "attributes.mmc = '5967'",
            "value of attributes.mmc (did you mean attributes.mcc?)",
        ),
    ],
)
def test_a_part_that_never_was_true_by_mistake_is_warned_of_with_the_remedy(store, when, why):
    (part,) = parts(store, when)
    assert (part.fired, part.mistake) == (0, True)
    assert why in part.why
    (warning,) = warnings_of([Rate("r", Mode.ACTIVE, 48, 0, [part])])
    assert why in warning


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("amount > 1000", "amount was 20 to 67"),
        ("country = 'KP'", "no payment has country 'KP'; they have 'DE'"),
        ("card_id = 'c9'", "no payment has card_id 'c9'"),
        ("attributes.mcc = '5968'", "they have '5411', '5967'"),
        ("lat > 3", "no payment has a value of lat"),
        ("account.flagged", ""),
        ("attributes.tries > 100", "attributes.tries was 0 to 4"),
    ],
)
def test_chance_is_explained_and_not_warned_of(store, when, why):
    (part,) = parts(store, when)
    assert (part.fired, part.why, part.mistake) == (0, part.why, False)
    assert why in part.why
    assert warnings_of([Rate("r", Mode.ACTIVE, 48, 0, [part])]) == []


def test_signals_are_the_parts_of_a_typology(store):
    text = (
        "rules: []\ntypologies:\n  - {id: t, title: T, reason: R, analyst: A., at: 5, signals: "
        "[{when: amount > 43, weight: 9}, {when: country = 'FR', weight: 3}]}\n"
    )
    (found,) = measured_rates(store.log, compile_rules(load_book(text), CATALOG), store.meta.hash_seed)
    assert [(part.text, part.fired) for part in found.parts] == [("amount > 43", 24), ("country = 'FR'", 0)]
