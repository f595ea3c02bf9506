"""How often rules fire, before they are put in force."""

import pyarrow as pa
from tests import spine

from ringfence.analysis import decided_payments
from ringfence.analysis.rates import measured_rates
from ringfence.events.batch import EventBatch
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


def test_names_of_attributes_that_callers_make_up_are_not_joined_to_one_wide_table(tmp_path, monkeypatch):
    """Twelve batches of five payments, each batch with fifty names of its own: 600 names in all."""
    widest = []

    def joined(held):
        events, decisions = judged_together(held)
        widest.append(events.table.num_columns * len(events))
        return events, decisions

    judged_together = decided_payments._joined
    monkeypatch.setattr(decided_payments, "_joined", joined)
    with spine.open_store(tmp_path) as store:
        runner = spine.runner(store)
        for number, part in enumerate(spine.source(60, 5)):
            table = part.events.table
            for name in range(50):
                ones = pa.array([1.0] * len(table))
                table = table.append_column(f"attributes.a{number}_{name}", ones)
            runner.ingest(EventBatch(table), part.labels)
        asked = ("attributes.a3_7 = 1", "amount > 20")
        together = rates(store, *asked)
        assert max(widest) > 20_000
        widest.clear()
        monkeypatch.setattr(decided_payments, "_MOST_CELLS", 2000)
        assert rates(store, *asked) == together
        assert max(widest) <= 2000
        assert 0 < together[0][1] <= 5
