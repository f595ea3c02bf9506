"""How often rules fire, before they are put in force."""

from tests import spine

from ringfence.analysis.rates import measured_rates
from ringfence.features.catalog import CATALOG
from ringfence.scoring.rulesets.rules import Rule, RuleSet, compile_rules


def rates(store, *conditions, newest=20_000, reference=None):
    rules = tuple(
        Rule(id=f"r{n}", title="", when=when, points=1, reason="R", analyst="")
        for n, when in enumerate(conditions)
    )
    compiled = compile_rules(RuleSet(rules=rules), CATALOG)
    found = measured_rates(store.log, compiled, store.meta.hash_seed, reference=reference, newest=newest)
    return [(one.judged, one.fired) for one in found]


def test_the_rate_is_that_over_the_stored_payments(tmp_path):
    with spine.open_store(tmp_path) as store:
        runner = spine.runner(store)
        made = []
        for part in spine.source(600, 100):
            made += list(runner.ingest(part.events, part.labels)[1].decisions)
        assert rates(store, "true", "false") == [(600, 600), (600, 0)]
        busy = sum((one.features["card.count_1h"] or 0) >= 2 for one in made)
        assert rates(store, "card.count_1h >= 2", "amount = 9.99") == [(600, busy), (600, 0)]
        [(judged, fired)] = rates(store, "true", newest=150)
        assert 150 <= judged == fired <= 250  # whole batches


def test_flags_and_lists_are_those_of_now(tmp_path):
    with spine.open_store(tmp_path) as store:
        runner = spine.runner(store)
        for part in spine.source(400, 100):
            runner.ingest(part.events, part.labels)
        [(_, without)] = rates(store, "account.flagged")
        [(_, now)] = rates(store, "account.flagged", reference=runner.pipeline.reference)
        assert without == 0 < now


def test_nothing_decided_yet_is_no_rate(tmp_path):
    with spine.open_store(tmp_path) as store:
        assert rates(store, "true") == [(0, 0)]


def test_rates_are_of_the_newest_payments_where_there_is_no_time_for_all(tmp_path, monkeypatch):
    """All 5,000 of a book of 800 rules were looked at, however long that took.

    payments  0 ······· 490 └─ 110 ─┘ is looked at first, and then it is late
    """
    monkeypatch.setattr("ringfence.analysis.rates.FEWEST_AT_ONCE", 110)
    monkeypatch.setattr("ringfence.analysis.rates.VERDICTS_AT_ONCE", 1)
    with spine.open_store(tmp_path) as store:
        runner = spine.runner(store)
        for part in spine.source(600, 100):
            runner.ingest(part.events, part.labels)
        rule = Rule(id="r", title="", when="card.count_1h >= 2", points=1, reason="R", analyst="")
        compiled = compile_rules(RuleSet(rules=(rule,)), CATALOG)
        asked = (store.log, compiled, store.meta.hash_seed)
        (every,) = measured_rates(*asked)
        (late,) = measured_rates(*asked, is_late=lambda: True)
        assert (every.judged, every.fired) == rates(store, "card.count_1h >= 2")[0]
    assert (every.judged, late.judged) == (600, 110)
    assert late.fired < every.fired
