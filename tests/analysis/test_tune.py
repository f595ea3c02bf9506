"""A number of a rule over a range."""

from __future__ import annotations

import pytest
from tests import spine
from tests.analysis.test_backtest import ACTIVE, NEW, SPEC, decide, rule

from ringfence.analysis.backtest import backtest
from ringfence.analysis.history import Past
from ringfence.analysis.tunable_numbers import rule_with, tunables, typology_with
from ringfence.analysis.tune import TuningCosts, tune, variants
from ringfence.errors import InputError
from ringfence.scoring.rulesets.rules import RuleSet, Signal, Typology, compile_rules
from ringfence.scoring.rulesets.typologies import shipped_typology


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with spine.open_store(tmp_path_factory.mktemp("tuned")) as opened:
        decide(opened, ACTIVE)
        yield opened


def tuned(store, rule_id, parameter, values, book=NEW, **costs):
    what = variants(book, SPEC, rule_id, parameter, lambda _which: values)
    return tune(Past(store.log, store.meta.hash_seed), what, costs=TuningCosts(**costs))


def replaced(book, old, new):
    return RuleSet(
        rules=tuple(new if one is old else one for one in book.rules), policy=book.policy, zone=book.zone
    )


@pytest.mark.parametrize("rule_id", ["busy", "crowd", "abroad"])
def test_each_point_is_what_a_backtest_of_that_value_says(store, rule_id):
    """Outcomes of the whole set, thresholds on points and lists included, value by value."""
    one = next(item for item in NEW.rules if item.id == rule_id)
    which = tunables(one)[-1]
    values = [which.value / 2, which.value, which.value * 3]
    result = tuned(store, rule_id, which.name, values, alert=2, good=1)
    for point in result.points:
        book = replaced(NEW, one, rule_with(one, which, point.value))
        report = backtest(
            Past(store.log, store.meta.hash_seed), compile_rules(ACTIVE, SPEC), compile_rules(book, SPEC)
        )
        found = next(item for item in report.rules if item.id == rule_id)
        assert (point.fired, point.fraud, point.precision) == (found.fired, found.fraud, found.precision)
        assert point.alerts_per_day == pytest.approx(report.new.alerts_per_day)
        [money] = report.money
        assert point.fraud_missed == pytest.approx(money.missed["new"])
        good = sum(
            report.new.outcomes[name] - report.new.fraud[name] for name in ("challenge", "review", "decline")
        )
        assert point.good_stopped == good
        assert point.cost == pytest.approx(point.fraud_missed + 2 * report.new.alerts + good)
    assert len({point.fired for point in result.points}) > 1
    assert result.best == min(result.points, key=lambda point: point.cost).value


def test_a_rule_that_rests_is_tuned_as_if_it_acted(store):
    result = tuned(store, "night", "hour (2)", [3, 4])
    assert result.points[1].fired > result.points[0].fired > 0


def test_numbers_go_by_what_they_are_compared_with():
    when = "card.count_1h >= 3 and amount between 10 and 20 and 5 < lat and country = 'DE' and lon > -2"
    item = rule("r", when, parameters={"unused": 7, "name": "x"})
    found = [(one.name, one.value) for one in tunables(item)]
    assert found == [("unused", 7), ("card.count_1h", 3), ("amount", 10), ("amount (2)", 20), ("lat", 5)]
    assert rule_with(item, tunables(item)[3], 25.5).when == when.replace("and 20", "and 25.5")
    assert rule_with(item, tunables(item)[0], 9).parameters["unused"] == 9


def test_a_typology_is_tuned_by_its_parameters_and_the_score_at_which_it_acts():
    typology = shipped_typology("card_testing")
    by_name = {one.name: one for one in tunables(typology)}
    assert by_name.keys() == {*typology.parameters, "at"}
    assert typology_with(typology, by_name["at"], 70).at == 70
    assert typology_with(typology, by_name["small_payments"], 3).parameters["small_payments"] == 3


def test_a_typologys_points_are_those_of_its_rule(store):
    typology = Typology(
        id="busy_card",
        title="",
        signals=(
            Signal(when="card.count_1h >= param.busy", weight=50),
            Signal(when="amount > 100", weight=20),
        ),
        parameters={"busy": 2},
        at=50,
        reason="R",
        analyst="",
    )
    book = RuleSet(rules=(), typologies=(typology,))
    result = tuned(store, "busy_card", "busy", [1, 2, 3], book)
    fired = [point.fired for point in result.points]
    assert fired == sorted(fired, reverse=True)
    assert fired[0] > fired[1] > fired[2] > 0
    stricter = tuned(store, "busy_card", "at", [50, 70, 90], book)
    assert [point.value for point in stricter.points] == [50, 70]  # 90 is out of reach
    assert stricter.points[0].fired == fired[1]


@pytest.mark.parametrize(
    ("rule_id", "parameter", "message"),
    [
        ("nothing", None, "no rule 'nothing': one of busy, large"),
        ("abroad", None, r"several numbers.*card.is_new_country \(now 1\), amount \(now 10\)"),
        ("crowd", "amount", "no number 'amount': it has merchant.count_1d"),
        ("watched", None, "no number to tune"),
    ],
)
def test_a_choice_that_is_not_clear_is_refused_with_what_there_is(rule_id, parameter, message):
    with pytest.raises(InputError, match=message):
        variants(NEW, SPEC, rule_id, parameter, lambda which: [which.value])


def test_too_many_values_are_refused():
    with pytest.raises(InputError, match="between 1 and 60"):
        variants(NEW, SPEC, "crowd", None, lambda _which: range(100))


def test_the_only_number_needs_no_name():
    assert variants(NEW, SPEC, "crowd", None, lambda which: [which.value]).tunable.value == 90
