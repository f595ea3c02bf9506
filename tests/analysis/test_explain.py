"""A decision taken apart: parts with values, what would have had to differ, and when a rule clears."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests import spine

from ringfence.analysis.clearing import Scene, clears
from ringfence.analysis.condition_parts import Taker, ways
from ringfence.analysis.explain import Explainer
from ringfence.analysis.history import LogScan
from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.catalog import CATALOG
from ringfence.features.spec import FeatureSpec, entity
from ringfence.pipeline import Pipeline
from ringfence.scoring.columns import Columns
from ringfence.scoring.language.expression import read
from ringfence.scoring.language.names import Names
from ringfence.scoring.reference import Reference
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.rules import Policy, Rule, RuleSet

SPEC = FeatureSpec.of(entity("card").count("10m"), entity("card").sum("amount", "1d"))
MINUTE = 60_000


def taken(condition, features=(7.0, np.nan), **fields):
    row = {"event_time_ms": 0, "amount_minor": 5000, "country": "DE", **fields}
    free = {name: pa.array([value]) for name, value in fields.items() if name.startswith("attributes.")}
    table = spine.batch([row]).table
    for name, values in free.items():
        table = table.append_column(name, values)
    columns = Columns(EventBatch(table), SPEC, np.array([[one] for one in features]), Reference(0))
    return Taker(columns, Names(SPEC)).take(read(condition))


def flat(part):
    return [part, *(one for inner in part.parts for one in flat(inner))]


def test_each_part_has_its_values_and_whether_it_holds():
    part = taken("card.count_10m >= 5 and (amount > 80 or country = 'FR') and not account.flagged")
    assert [(one.kind, one.holds) for one in flat(part)] == [
        ("all", False),
        ("test", True),
        ("any", False),
        ("test", False),
        ("test", False),
        ("not", True),
        ("test", False),
    ]
    shown = [one.shown for one in flat(part) if one.kind == "test"]
    assert shown == [
        "card.count_10m is 7, needs >= 5",
        "amount is 50, needs > 80",
        "country is 'DE', needs = 'FR'",
        "account.flagged is false",
    ]


@pytest.mark.parametrize(
    ("condition", "shown", "holds"),
    [
        ("card.sum_amount_1d > 3", "card.sum_amount_1d is unknown, needs > 3", None),
        ("card.count_10m > 2 * amount", "card.count_10m is 7, needs > 2 * amount, which is 100", False),
        ("amount = 50", "amount = 50", True),
        ("amount = 50.0", "amount = 50.0", True),
        ("amount = 100 / 2", "amount = 100 / 2", True),
        ("country = 'DE'", "country = 'DE'", True),
        ("card.count_10m = 3", "card.count_10m is 7, needs = 3", False),
        ("card.sum_amount_1d = 3", "card.sum_amount_1d is unknown, needs = 3", None),
        ("'DE' = country", "country = 'DE'", True),
        ("country <> 'DE'", "country is 'DE', needs <> 'DE'", False),
        ("country != 'FR'", "country is 'DE', needs <> 'FR'", True),
        ("amount >= 50", "amount is 50, needs >= 50", True),
        ("5 <= card.count_10m", "card.count_10m is 7, needs >= 5", True),
        ("amount = card.count_10m", "amount is 50, needs = card.count_10m, which is 7", False),
        ("amount between 60 and 70", "amount is 50, needs BETWEEN 60 AND 70", False),
        ("country in ('DE', 'FR')", "country is 'DE', needs IN ('DE', 'FR')", True),
        ("country like 'D%'", "country is 'DE', needs LIKE 'D%'", True),
        ("city is null", "city is unknown, needs IS NULL", True),
        ("card_id in list 'vip'", "card_id is unknown, needs IN LIST 'vip'", None),
        ("extract(hour from event_time) < 5", "EXTRACT(HOUR FROM event_time) is 0, needs < 5", True),
    ],
)
def test_a_test_is_shown_with_its_value(condition, shown, holds):
    part = taken(condition)
    assert (part.shown, part.holds) == (shown, holds)


def test_attributes_have_the_type_that_they_are_asked_for():
    found = taken(
        "attributes.a = 'x' and attributes.n > 1 and attributes.b",
        **{"attributes.a": "x"},
    )
    assert [one.values for one in found.parts] == [
        {"attributes.a": "x"},
        {"attributes.n": None},
        {"attributes.b": None},
    ]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("amount > 20", [["amount <= 20 (was 50)"]]),
        ("amount > 20 and card.count_10m >= 5", [["amount <= 20 (was 50)"], ["card.count_10m < 5 (was 7)"]]),
        ("amount > 20 or card.count_10m >= 5", [["amount <= 20 (was 50)", "card.count_10m < 5 (was 7)"]]),
        ("amount > 20 or country = 'FR'", [["amount <= 20 (was 50)"]]),
        ("not country = 'FR'", [["country = 'FR' (was 'DE')"]]),
        ("amount > 80", [["amount > 80 (was 50)"]]),
        ("amount > 80 and country = 'DE'", [["amount > 80 (was 50)"]]),
        ("amount > 80 and country = 'FR'", [["amount > 80 (was 50)", "country = 'FR' (was 'DE')"]]),
        ("card.sum_amount_1d > 3", [["card.sum_amount_1d > 3 (was unknown)"]]),
        ("not (card.sum_amount_1d > 3)", [["NOT (card.sum_amount_1d > 3), which is unknown"]]),
    ],
)
def test_what_would_have_had_to_differ(condition, expected):
    part = taken(condition)
    assert ways(part, fire=part.holds is not True) == expected


def test_ways_stay_few_however_long_a_condition_is():
    part = taken(" or ".join(f"(amount > {n} and card.count_10m > 0)" for n in range(30)))
    found = ways(part, fire=False)
    assert 0 < len(found) <= 5


def small(minute, n, **more):
    return {
        "transaction_id": f"t{n}",
        "event_time_ms": spine.START_MS + minute * MINUTE,
        "amount_minor": 200,
        "currency": "EUR",
        "card_id": "c",
        **more,
    }


@pytest.fixture
def explained(tmp_path):
    """explained(rows, book=, spec=): the explanation of the last row's decision, and its decision."""
    stores = []

    def run(rows, book=None, spec=CATALOG, *, every=False):
        store = spine.open_store(tmp_path / str(len(stores))).__enter__()
        stores.append(store)
        book = book or default_book()
        runner = spine.Runner(store, Pipeline(spec, book, store.meta.hash_seed), spine.Tick())
        decisions = []
        for row in rows:
            made = runner.ingest(spine.batch([row]))[1].decisions
            decisions += list(made) if made else []
        scan = LogScan(store.log, store.meta.hash_seed)
        last = decisions[-1]
        payment, reference = scan.payment(last.offset), scan.reference(last.offset)

        def related(fields, since_ms):
            return scan.related(payment, last.offset, fields, since_ms)

        scene = Scene(payment, spec, reference, book.zone, related)
        explainer = Explainer(last, payment, book, spec, reference)
        return explainer.explain(every=every, clears=lambda rule: clears(rule, book, scene)), last

    yield run
    for store in stores:
        store.close()


def test_a_velocity_rule_clears_when_enough_of_its_window_has_passed(explained):
    """Payments at 0 1 2 3 4 min, window 10 min: one like them at 10 would be the fifth, at 11 the fourth."""
    told, decision = explained([small(n, n) for n in range(5)])
    [rule] = [one for one in told.rules if one.id == "card_testing"]
    assert decision.outcome == "decline"
    assert rule.clears.at_ms == spine.START_MS + 11 * MINUTE
    assert rule.clears.exact
    assert rule.outcome_without == "approve"
    assert ["card.count_small_10m < 5 (was 5)"] in rule.differ
    assert told.notes == []


def test_the_moment_is_what_the_engine_says_then(explained):
    """The same payment a millisecond before and at that moment, through the pipeline: fires, and does not."""
    rows = [small(minute, n) for n, minute in enumerate((0, 0, 3, 3.5, 4, 4, 7))]
    told, _ = explained(rows)
    [rule] = [one for one in told.rules if one.id == "card_testing"]
    moment = rule.clears.at_ms - spine.START_MS
    before, _ = explained([*rows, small((moment - 1) / MINUTE, 99)])
    after, _ = explained([*rows, small(moment / MINUTE, 99)])
    assert "card_testing" in [one.id for one in before.rules]
    assert "card_testing" not in [one.id for one in after.rules]


def test_a_rule_that_fires_by_itself_never_clears_and_one_without_windows_says_nothing(explained):
    rules = (
        Rule(id="always", title="", when="card.count_1h >= 1", outcome="review", reason="R", analyst=""),
        Rule(id="amount", title="", when="amount < 10", outcome="review", reason="R", analyst=""),
        Rule(id="night", title="", when="card.count_1h >= 2 and hour >= 0", points=1, reason="R", analyst=""),
    )
    told, _ = explained([small(0, 0), small(1, 1)], RuleSet(rules=rules))
    by_id = {one.id: one for one in told.rules}
    assert by_id["always"].clears.at_ms is None
    assert by_id["amount"].clears is None
    assert by_id["night"].clears.at_ms == spine.START_MS + 61 * MINUTE
    assert not by_id["night"].clears.exact


def test_a_typology_shows_its_signals_and_clears_too(explained):
    told, decision = explained([*(small(n, n) for n in range(6)), small(6, 6, amount_minor=50_000)])
    [typology] = [one for one in told.typologies if one.id == "card_testing"]
    assert typology.score == decision.typologies["card_testing"] == 100
    assert [signal.weight for signal in typology.signals if signal.holds] == [50, 60]
    [rule] = [one for one in told.rules if one.id == "typology.card_testing"]
    assert rule.clears.at_ms == spine.START_MS + 13 * MINUTE  # three small ones left at 12, two at 13


def test_lists_and_flags_are_those_of_the_payments_place_in_the_log(explained):
    listed = {
        "kind": Kind.LIST_ENTRY,
        "event_id": "l",
        "event_time_ms": spine.START_MS,
        "list_name": "stolen",
        "list_kind": "block",
        "entity_id": "c",
    }
    told, decision = explained([listed, small(1, 1)])
    assert [one.id for one in told.rules] == decision.rules == ["blocked"]
    card = next(one for one in told.rules[0].condition.parts if one.text == "card.blocked")
    assert card.holds is True
    assert told.notes == []


def test_rules_that_did_not_fire_are_shown_when_asked_for_with_what_they_lacked(explained):
    told, _ = explained([small(0, 0)], every=True)
    testing = next(one for one in told.rules if one.id == "card_testing")
    assert not testing.fired
    assert testing.differ == [["card.count_small_10m >= 5 (was 1)"]]
    assert testing.clears is None


def test_the_outcome_without_a_rule_is_that_of_the_rest(explained):
    rules = (
        Rule(id="a", title="", when="amount > 1", outcome="review", points=30, reason="R", analyst=""),
        Rule(id="b", title="", when="amount > 0", points=30, reason="R", analyst=""),
        Rule(id="c", title="", when="amount > 0", outcome="challenge", reason="R", analyst=""),
    )
    told, _ = explained([small(0, 0)], RuleSet(rules=rules, policy=Policy(decline_at=60)))
    without = {one.id: (one.outcome_without, one.score_without) for one in told.rules}
    assert without == {"a": ("challenge", 30), "b": ("review", 30), "c": ("decline", 60)}
