"""The shell: what is committed, what a crash leaves, what a restart makes of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.spine import (
    RULES,
    Rows,
    Tick,
    batch,
    decided,
    labels,
    logged,
    open_store,
    payments,
    runner,
    source,
)

from ringfence.adapters.snapshots import Snapshots
from ringfence.errors import StoreFullError
from ringfence.events.bad import Reason
from ringfence.events.batch import EventBatch
from ringfence.features.catalog import CATALOG
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES
from ringfence.runner import Runner

CHILD = """
import sys
from pathlib import Path
from tests.spine import open_store, runner, source
with open_store(Path(sys.argv[1])) as store:
    at_work = runner(store, every_events=700)
    print("ready", flush=True)
    at_work.run(source(4000, 50))
    at_work.close()
print("done", flush=True)
"""


def same(one, other):
    assert one.schema.equals(other.schema, check_metadata=True)
    for name in one.column_names:
        left, right = one.column(name).combine_chunks(), other.column(name).combine_chunks()
        if left.type == "double":
            np.testing.assert_array_equal(
                left.to_numpy(zero_copy_only=False), right.to_numpy(zero_copy_only=False), name
            )
        else:
            assert left.to_pylist() == right.to_pylist(), name


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What a run that nothing disturbs leaves: events and decisions."""
    folder = tmp_path_factory.mktemp("calm")
    with open_store(folder) as store:
        at_work = runner(store)
        at_work.run(source(4000, 50))
        at_work.close()
        return logged(store), decided(store)


def spawn(folder):
    root = Path(__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_killed_at_any_moment_and_restarted_it_ends_as_if_nothing_had_happened(tmp_path, uninterrupted):
    """Six kills at seeded moments, the same source each time: all equals the calm run's, bit for bit."""
    chance = random.Random(7)
    for _ in range(6):
        child = spawn(tmp_path)
        assert child.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.02, 0.6))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    final = spawn(tmp_path)
    assert final.communicate(timeout=120)[0].endswith("done\n")
    with open_store(tmp_path) as store:
        assert logged(store) == uninterrupted[0]
        same(decided(store), uninterrupted[1])


def test_a_second_run_over_the_same_source_changes_nothing(tmp_path, uninterrupted):
    with open_store(tmp_path) as store:
        first = runner(store)
        totals = first.run(source(4000, 50))
        waiting = len(first.intake.schedule)
        again = first.run(source_cut_as(4000, 50, 170))
        assert again.events == again.conflicts == 0
        assert again.duplicates == totals.events
        assert len(first.intake.schedule) == waiting
        same(decided(store), uninterrupted[1])


def test_how_the_source_is_cut_into_batches_changes_no_bit(tmp_path, uninterrupted):
    with open_store(tmp_path) as store:
        runner(store).run(source_cut_as(4000, 50, 333))
        same(decided(store), uninterrupted[1])


def source_cut_as(count, labelled_by, rows):
    """What `source(count, labelled_by)` holds, cut otherwise; a label comes with its transaction."""
    parts = source(count, labelled_by)
    events = EventBatch.concat([part.events for part in parts])
    every_label = EventBatch.concat([part.labels for part in parts])
    cuts = [events.slice(start, min(start + rows, len(events))) for start in range(0, len(events), rows)]
    targets = every_label.hashes("transaction_id", 0)
    return [Rows(cut, every_label.take(np.isin(targets, cut.hashes("transaction_id", 0)))) for cut in cuts]


def test_the_same_id_with_other_content_is_a_conflict_and_changes_nothing(tmp_path):
    with open_store(tmp_path) as store:
        at_work = runner(store)
        rows = payments(20)
        at_work.ingest(batch(rows))
        before = decided(store)
        other = rows[3] | {"amount_minor": 1}
        admitted, step = at_work.ingest(batch([rows[2], other]))
        assert (admitted.duplicates, len(admitted.conflicts), step.decisions) == (1, 1, None)
        assert admitted.offsets.tolist() == [2, -1]
        assert admitted.conflicts[0].reason is Reason.CONFLICT
        assert list(store.quarantine.counts()) == ["conflict"]
        same(decided(store), before)


def test_a_retry_of_a_payment_that_was_stored_before_there_were_bins_is_a_retry(tmp_path):
    with open_store(tmp_path) as store:
        at_work = runner(store)
        rows = [row for row in payments(20) if not row.get("kind")]
        at_work.ingest(batch(rows))
        again = [row | {"card_bin": "411111", "card_bin8": "41111111"} for row in rows]
        admitted, step = at_work.ingest(batch(again))
        assert (admitted.duplicates, admitted.conflicts, step.decisions) == (len(rows), [], None)


def test_duplicates_inside_one_batch_are_decided_once(tmp_path):
    with open_store(tmp_path) as store:
        rows = payments(5)[:5]
        admitted, step = runner(store).ingest(batch([rows[0], rows[0], rows[1], rows[0]]))
        assert (len(admitted.events), admitted.duplicates, len(step.decisions)) == (2, 2, 2)
        assert admitted.offsets.tolist() == [0, 0, 1, 0]


def test_labels_that_are_not_due_wait_for_the_next_run(tmp_path):
    """Day one's labels enter the log on day eight, not at the end of day one's file."""
    day = 1440
    first, second = payments(day, 1), payments(9 * day, 2)[day:]
    with open_store(tmp_path) as store:
        at_work = runner(store)
        at_work.run([Rows(batch(first), labels(first, 7 * 86_400_000))])
        waiting = len(at_work.intake.schedule)
        assert waiting > 50
        assert {row["kind"] for row in logged(store)} <= {0, 4}
    with open_store(tmp_path) as store:
        at_work = runner(store)
        assert len(at_work.intake.schedule) == waiting
        renamed = [
            row | {"transaction_id": "b-" + row["transaction_id"]} if "transaction_id" in row else row
            for row in second
        ]
        at_work.run([Rows(batch(renamed))])
        assert len(at_work.intake.schedule) == 0
        rows = logged(store)
        times = [row["event_time_ms"] for row in rows if row["kind"] == 0]
        reached = np.maximum.accumulate([row["event_time_ms"] if row["kind"] == 0 else 0 for row in rows])
        places = [number for number, row in enumerate(rows) if row["kind"] == 1]
        assert len(places) == waiting
        for place in places:
            assert reached[place - 1] < rows[place]["event_time_ms"] <= max(times)


def test_a_snapshot_saves_the_replay_and_a_damaged_one_is_passed_over(tmp_path):
    with open_store(tmp_path) as store:
        at_work = runner(store, every_events=500)
        at_work.run(source(2000, 50))
        at_work.close()
        newest = max(store.snapshots.glob("*.bin"))
    replayed = []
    with open_store(tmp_path) as store:

        def recovered():
            made = Runner(
                store, Pipeline(CATALOG, RULES, store.meta.hash_seed), Tick(), Snapshots(store.snapshots)
            )
            warnings = made.recover(lambda _done, total: replayed.append(total))
            return made, warnings

        whole, warnings = recovered()
        assert (replayed, warnings) == ([], [])
        damaged = bytearray(newest.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        newest.write_bytes(damaged)
        older, warnings = recovered()
        assert len(warnings) == 1
        assert replayed
        for name, array in whole.pipeline.arrays().items():
            if name.startswith("engine.early") or name in ("engine.counters", "engine.rows.0"):
                np.testing.assert_array_equal(array, older.pipeline.arrays()[name], name)
        assert whole.pipeline.offset == older.pipeline.offset


def test_a_flag_that_arrives_late_brings_up_the_payments_that_it_covers(tmp_path):
    with open_store(tmp_path) as store:
        at_work = runner(store)
        rows = [row for row in payments(30) if "transaction_id" in row]
        at_work.ingest(batch(rows))
        account = rows[-1]["account_id"]
        since = rows[-1]["event_time_ms"]
        flag = {
            "kind": 4,
            "event_id": "f",
            "event_time_ms": since + 1,
            "entity_type": "account",
            "entity_id": account,
            "effective_at_ms": since,
        }
        _, step = at_work.ingest(batch([flag]))
        found = [row for part in step.flag_matches for row in part.to_pylist()]
        assert [(row["transaction_offset"], row["entity_id"]) for row in found] == [(len(rows) - 1, account)]
        assert store.log.end_offset(FLAG_MATCHES) == 1


def test_an_error_in_the_source_is_raised_and_what_was_decided_is_kept(tmp_path):
    def failing():
        yield from source(200, 50)[:2]
        raise OSError("the cable is out")

    with open_store(tmp_path) as store:
        with pytest.raises(OSError, match="cable"):
            runner(store).run(failing())
        assert store.log.end_offset(EVENTS) >= 100
        assert store.log.end_offset(DECISIONS) == sum(row["kind"] == 0 for row in logged(store))


def test_a_full_disk_is_said_and_loses_nothing_that_was_acknowledged(tmp_path, monkeypatch):
    """The store's real error path: SQLite may not grow its file any further."""
    with open_store(tmp_path) as store:
        at_work = runner(store)
        at_work.ingest(batch(payments(50)))
        kept = decided(store)
        limit_growth(store)
        with pytest.raises(StoreFullError):
            at_work.run(source(4000, 500, seed=5))
    with open_store(tmp_path) as store:
        same(decided(store).slice(0, kept.num_rows), kept)
        assert store.log.end_offset(DECISIONS) == sum(row["kind"] == 0 for row in logged(store))
        runner(store).ingest(batch([payments(1)[0] | {"transaction_id": "after"}]))


def limit_growth(store):
    with store.log.transaction() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 8}")
