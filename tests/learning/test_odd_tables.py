"""Tables that nobody would draw and every training meets: a clear remark, or a smaller effort with a name."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa

from ringfence.compose import training_memory
from ringfence.events.batch import EventBatch
from ringfence.learning.data.dataset import dataset
from ringfence.learning.data.history import collect
from ringfence.learning.data.splits import prequential, train_and_test
from ringfence.learning.train import Plan, train

from .conftest import SPEC, history, in_batches, world


def widened(log, **columns):
    """The log with more attributes, of payments alone."""
    table = log.table
    for name, values in columns.items():
        table = table.append_column(f"attributes.{name}", values)
    return EventBatch(table)


def notes_of(batches, **more):
    return "\n".join(train(dataset(collect(batches, SPEC, **more)), Plan(quick=True)).notes)


def test_columns_that_hold_nothing_one_value_or_a_value_for_each_are_named():
    log = history(world(size=3000))
    count = len(log)
    odd = widened(
        log,
        missing=pa.nulls(count, pa.string()),
        one=pa.array(["x"] * count),
        each=pa.array([f"u{number}" for number in range(count)]),
        same=pa.array(np.full(count, 7.0)),
    )
    said = notes_of(in_batches(odd))
    assert "left out, always null: attributes.missing" in said
    assert "the mean of 1 " not in said
    assert "always the same: " in said
    assert "attributes.same" in said
    assert "left out, the same text always: attributes.one" in said
    assert "so that no input holds them as they are: attributes.each." in said


def test_a_window_with_one_kind_of_payment_is_no_fold(data):
    learned, _ = train_and_test(data, None, data.maturity_ms)
    whole = prequential(data, learned, data.maturity_ms)
    last = whole[-1].judge
    inside = data.time_ms[learned.rows] >= last.start_ms
    assert len(whole) == 3
    for told in (True, False):
        fraud = np.where(data.time_ms >= last.start_ms, told, data.fraud_known_ms < np.iinfo(np.int64).max)
        known = np.where(fraud, data.time_ms, np.iinfo(np.int64).max)
        one_kind = replace(data, fraud_known_ms=known)
        part = replace(learned, fraud=fraud[learned.rows])
        assert inside.any()
        assert len(prequential(one_kind, part, 0)) == 2


def test_where_memory_is_too_small_the_oldest_payments_are_left_out_and_that_is_said():
    batches = in_batches(history(world(size=6000)))
    whole = dataset(collect(batches, SPEC))
    enough = collect(in_batches(history(world(size=6000))), SPEC).nbytes
    half = dataset(collect(batches, SPEC, most_bytes=lambda: enough // 2))
    assert 0.4 < len(half) / len(whole) < 0.6
    assert half.left_out + len(half) == len(whole)
    for name in ("time_ms", "entity", "fraud_known_ms", "cleared_ms"):
        assert (getattr(half, name) == getattr(whole, name)[half.left_out :]).all()
    assert np.array_equal(half.inputs, whole.inputs[:, half.left_out :], equal_nan=True)
    assert f"memory allowed {len(half):,} of {len(whole):,} payments" in notes_of(
        batches, most_bytes=lambda: enough // 2
    )


LIMITED = """
import resource
from ringfence.compose import training_memory as room
before = room.free_bytes()
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
after = room.free_bytes()
taken = bytearray(32 << 20)
print(before > 64 << 20, 48 << 20 < after <= 64 << 20, room.free_bytes() <= after - (24 << 20))
"""


SHORT = """
import resource, sys
from ringfence.cli.entry import main
from ringfence.cli.learning import train
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (600 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.argv = ["ringfence", "train", "nothing.csv"]
main()
"""


def test_a_limit_on_addresses_that_training_would_die_of_is_told_before_anything_is_read():
    ended = subprocess.run([sys.executable, "-c", SHORT], capture_output=True, text=True, check=False)
    assert ended.returncode == 7, ended.stderr
    assert "there is not enough memory (ulimit -v leaves this process 0." in ended.stderr


def test_what_a_limit_of_the_process_leaves_is_known():
    ended = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True"] * 3
    assert training_memory.for_table() > 0
