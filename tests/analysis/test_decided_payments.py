"""Decisions beside their payments, in runs that are quick to judge."""

import pyarrow as pa
from tests import spine

from ringfence.analysis.decided_payments import paired, together
from ringfence.events.batch import EventBatch


def test_names_of_attributes_that_callers_make_up_are_not_joined_to_one_wide_table(tmp_path):
    """Twelve batches of five payments, each batch with fifty names of its own: 600 names in all."""
    with spine.open_store(tmp_path) as store:
        runner = spine.runner(store)
        for number, part in enumerate(spine.source(60, 5)):
            table = part.events.table
            for name in range(50):
                ones = pa.array([1.0] * len(table))
                table = table.append_column(f"attributes.a{number}_{name}", ones)
            runner.ingest(EventBatch(table), part.labels)
        [(_, whole)] = together(paired(store.log, 0, 60))
        bounded = list(together(paired(store.log, 0, 60), most_cells=2000))
    assert whole.table.num_columns * len(whole) > 20_000
    assert all(events.table.num_columns * len(events) <= 2000 for _, events in bounded)
    assert EventBatch.concat([events for _, events in bounded]).table.equals(whole.table)
    assert all(len(decisions) == len(events) for decisions, events in bounded)


def test_decisions_whose_payments_are_gone_are_left_out_and_ends_are_exact(tmp_path):
    """
    decisions  0 ··· 20 ··· 40 ··· 60, in batches of about twenty
                       30 └──┘ 45
    """
    with spine.open_store(tmp_path) as store:
        runner = spine.runner(store)
        for part in spine.source(60, 20):
            runner.ingest(part.events, part.labels)
        assert sum(len(events) for _, events in paired(store.log, 30, 45)) == 15
        store.log.trim("events", store.log.end_offset("events"))
        assert len(list(paired(store.log, 0, 60))) < 3
