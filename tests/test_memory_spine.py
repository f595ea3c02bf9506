"""The whole spine runs in memory, and leaves the same bytes as in files."""

from contextlib import closing

from tests.spine import RULES, START_MS, Rows, source

from ringfence.adapters.snapshots import Snapshots
from ringfence.adapters.sqlite import Store
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.features.catalog import CATALOG
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES
from ringfence.runner import Runner
from ringfence.saving import Snapshotting
from ringfence.testing.memory.snapshots import MemoryShelf, MemorySnapshots
from ringfence.testing.memory.store import MemoryFolder, MemoryJournal

SEED = 77
EVENTS_SENT = 10_000
BAD = BadRecord("a.csv", 3, (Fault(Reason.MALFORMED, "", "has too few cells"),), b"x,y")


def stream():
    """Payments, labels and flags; a duplicate of every tenth batch, and a bad record."""
    for number, rows in enumerate(source(EVENTS_SENT, 500, seed=4)):
        yield Rows(rows.events, rows.labels, (BAD,) if number == 3 else ())
        if number % 10 == 9:
            yield rows


class StandingClock:
    """Two threads look at it, so that what each sees must not depend on who looks first."""

    def now_ms(self):
        return START_MS


def run(journal, snapshots, batches):
    """A runner over what there is, through these batches; the clocks stand still."""
    pipeline = Pipeline(CATALOG, RULES, SEED, stopwatch=lambda: 0.0)
    runner = Runner(journal, pipeline, StandingClock(), snapshots, Snapshotting(every_events=3000))
    warnings = runner.recover()
    totals = runner.run(batches)
    runner.close()
    return warnings, totals


def kept(journal):
    """Every byte of every topic, what is pending, and what is in quarantine."""
    topics = {topic: list(journal.log.read(topic)) for topic in (EVENTS, DECISIONS, FLAG_MATCHES)}
    return topics, journal.schedule(), journal.quarantine.records()


def test_the_same_events_give_the_same_bytes_in_memory_and_in_files(tmp_path):
    """Half the stream, a restart from the newest snapshot, and the other half."""
    batches = list(stream())
    halves = batches[: len(batches) // 2], batches[len(batches) // 2 :]
    folder, shelf, told = MemoryFolder(), MemoryShelf(), []
    for half in halves:
        with closing(MemoryJournal(folder)) as journal:
            told.append(run(journal, MemorySnapshots(shelf), half))
            in_memory = kept(journal)
        with Store.open(tmp_path / "data") as store:
            told.append(run(store, Snapshots(store.snapshots), half))
            in_files = kept(store)
    (topics, _, bad) = in_memory
    assert in_memory == in_files
    assert told[0] == told[1]
    assert told[2] == told[3]
    assert sum(batch.count for batch in topics[DECISIONS]) == EVENTS_SENT
    assert topics[FLAG_MATCHES]
    assert len(bad) == 1
    assert told[0][1].duplicates + told[2][1].duplicates > 0
