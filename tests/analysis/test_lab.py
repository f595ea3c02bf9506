"""A rule in the lab: what it adds is what a backtest of the book with it and without it says."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from tests import spine
from tests.analysis.test_backtest import ACTIVE, NEW, SPEC, decide
from tests.analysis.test_tune import tuned

from ringfence.analysis.backtest import backtest
from ringfence.analysis.history import Past
from ringfence.analysis.payments import StoredPayments
from ringfence.analysis.rule_lab import _money as money_of
from ringfence.analysis.rule_lab import lab_of, try_rule
from ringfence.analysis.tune import TuningCosts
from ringfence.scoring.rulesets.rules import Mode, compile_rules


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with spine.open_store(tmp_path_factory.mktemp("lab")) as opened:
        decide(opened, ACTIVE)
        yield opened


def test_costs_are_taken_from_the_money_of_their_own_currency():
    payments = StoredPayments(
        times=np.zeros(6, np.int64),
        amount=np.array([100.0, 50.0, 20.0, 9000.0, 8000.0, 7.0]),
        currency=np.array([0, 0, 0, 1, 1, 0], np.int16),
        currencies=["EUR", "JPY"],
        fraud=np.array([True, False, False, True, False, False]),
        labelled=np.ones(6, bool),
        who=np.arange(1, 7),
        ids=np.arange(6),
        stored=np.zeros(6, np.int8),
        control=np.zeros(6, bool),
        share=np.ones(6),
    )
    after = np.array([3, 2, 1, 2, 3, 0], np.int8)  # decline, review, challenge, review, decline, approve
    euros, yen = money_of(payments, np.arange(5), after, TuningCosts(alert=5.0, good=10.0))
    assert (euros.fraud, euros.cost, euros.net) == (
        100.0,
        2 * 5.0 + 2 * 10.0,
        70.0,
    )  # two alerts, two genuine
    assert (yen.fraud, yen.cost, yen.net) == (9000.0, None, None)


@pytest.mark.parametrize("rule_id", ["busy", "abroad"])
def test_a_rule_adds_what_a_backtest_says(store, rule_id):
    rule = msgspec.structs.replace(next(one for one in NEW.rules if one.id == rule_id), mode=Mode.ACTIVE)
    others = tuple(one for one in NEW.rules if one.id != rule_id)
    without = msgspec.structs.replace(NEW, rules=others)
    found = try_rule(Past(store.log, store.meta.hash_seed), lab_of(NEW, rule, SPEC))
    report = backtest(
        Past(store.log, store.meta.hash_seed),
        compile_rules(without, SPEC),
        compile_rules(msgspec.structs.replace(NEW, rules=(*others, rule)), SPEC),
    )
    said = next(one for one in report.rules if one.id == rule_id)
    assert (found.payments, found.fired, found.fraud) == (report.payments, said.fired, said.fraud)
    assert (found.precision, found.recall) == (said.precision, said.recall)
    assert found.stopped == sum(report.changed[0][1:]) > 0
    assert found.stopped_per_day == pytest.approx(found.stopped / report.days)
    [money], [net] = report.money, found.money
    assert net.fraud == pytest.approx(money.caught["new"] - money.caught["active"])
    days = [(one.fraud, one.genuine, one.unlabelled) for one in found.by_day]
    assert sum(map(sum, days)) == found.fired
    assert sum(fraud for fraud, _, _ in days) == found.fraud
    assert found.customers <= found.stopped
    book = msgspec.structs.replace(NEW, rules=(*others, rule))
    for setting in found.settings:
        name = setting.name
        values = [point.value for point in setting.points]
        by_tuning = tuned(store, rule_id, name, values, book=book).points
        assert [(one.value, one.fired, one.precision, one.recall) for one in setting.points] == [
            (one.value, one.fired, one.precision, one.recall) for one in by_tuning
        ]
        assert setting.current in values
