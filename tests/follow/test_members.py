"""The follower's exam: in memory first, then the analysis tables and the dashboard's index."""

from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.lakes import decisions, events

from ringfence.adapters.cases import CaseFollower, SqliteCases
from ringfence.adapters.finder import IndexFollower, disk
from ringfence.adapters.lake import LakeFollower
from ringfence.adapters.lake.files import FOLDERS
from ringfence.adapters.links import LinkFollower
from ringfence.adapters.links.schema import opened
from ringfence.adapters.sqlite import Store
from ringfence.cases.book import CaseQuery
from ringfence.cases.model import CaseState
from ringfence.cases.policy import CasePolicy
from ringfence.features.links import Graph, uses
from ringfence.ports import FLAG_MATCHES, LogBatch
from ringfence.scoring.reference.recent import FLAG_MATCH_SCHEMA
from ringfence.testing.exams.event_log import batch
from ringfence.testing.exams.follower import FollowerExam
from ringfence.testing.memory.event_log import MemoryLog
from ringfence.testing.memory.target import MemoryFollower, MemoryTarget


class MemoryPlace:
    def __init__(self):
        self.log = MemoryLog()
        self.target = MemoryTarget()
        self.broken = False

    def fill(self, count):
        for topic in ("events", "decisions"):
            for _ in range(count):
                self.log.append([batch(self.log.end_offset(topic), 3, topic)])

    def follower(self):
        place = self

        class Breaking(MemoryFollower):
            def take(self, topic, batches):
                if place.broken:
                    next(iter(batches))
                    raise OSError("no room")
                super().take(topic, batches)

        return Breaking(self.target)

    def content(self):
        return sorted(self.target.records)

    def damage(self):
        self.broken = True
        return self.mend

    def mend(self):
        self.broken = False


class StorePlace:
    """A store that has a row in `tests.lakes` for each offset, and a folder made of it."""

    def __init__(self, store, folder):
        self.store = store
        self.log = store.log
        self.folder = folder

    def fill(self, count):
        for _ in range(count):
            base, flags = (self.log.end_offset(name) for name in ("events", FLAG_MATCHES))
            self.store.commit([events(base, 10), decisions(base, 10), flag_matches(flags, 10)])

    def damage(self):
        self.folder.write_bytes(b"no folder")
        return self.folder.unlink


def flag_matches(base, count):
    row = {"transaction_time_ms": 5000, "flag_offset": 90, "flag_since_ms": 1000}
    found = pa.RecordBatch.from_pylist(
        [
            row | {"transaction_offset": base + number, "entity_type": "card", "entity_id": "c1"}
            for number in range(count)
        ],
        schema=FLAG_MATCH_SCHEMA,
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.schema) as stream:
        stream.write_batch(found)
    return LogBatch(FLAG_MATCHES, base, count, 5000, 5000, sink.getvalue().to_pybytes())


class LakePlace(StorePlace):
    def follower(self):
        return LakeFollower(self.log, self.folder, 25)

    def content(self):
        """Rows of every file that counts, by topic; a file that overlaps another would double some."""
        found = {}
        for topic, name in FOLDERS.items():
            tables = [pq.read_table(path) for path in sorted((self.folder / name).glob("*.parquet"))]
            found[topic] = (
                pa.concat_tables(tables, promote_options="permissive").to_pylist() if tables else []
            )
        return found


class IndexPlace(StorePlace):
    def follower(self):
        return IndexFollower(self.log, self.folder, 5, piece_rows=45, short_rows=12)

    def content(self):
        rows = [
            row
            for span in disk.spans(self.folder)
            for row in disk.rows(self.folder / disk.name_of(*span)).to_pylist()
        ]
        return sorted(rows, key=lambda row: row["offset"])


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as opened:
        yield opened


class TestMemory(FollowerExam):
    @pytest.fixture
    def place(self):
        return MemoryPlace()


class TestLake(FollowerExam):
    @pytest.fixture
    def place(self, store):
        return LakePlace(store, store.tables)


class TestIndex(FollowerExam):
    @pytest.fixture
    def place(self, store):
        return IndexPlace(store, store.folder / "index")


class CasePlace(StorePlace):
    def follower(self):
        return CaseFollower(self.log, self.folder, CasePolicy())

    def content(self):
        """All but what says where the follower is; one case a card, and one payment a row."""
        if not SqliteCases.are_in(self.folder):
            return []
        with closing(SqliteCases(self.folder)) as book:
            query = CaseQuery(states=tuple(CaseState), limit=1000, order="due")
            return [(case, book.payments(case.id), book.events(case.id)) for case in book.cases(query, 0)]


class LinkPlace(StorePlace):
    """Links of cards and their marks; the file of links is told apart from its journal by SQLite."""

    def fill(self, count):
        for _ in range(count):
            base = self.log.end_offset("events")
            marks = [f"d{(base + n) // 4}" for n in range(10)]
            self.store.commit([events(base, 10, device_id=marks), decisions(base, 10)])

    def follower(self):
        return LinkFollower(self.folder, Graph.of(uses("card", "device"), windows=[]))

    def content(self):
        if not (self.folder / "links.sqlite").exists():
            return [[], [], [], [], []]
        with closing(opened(self.folder)) as connection:
            return [
                sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
                for table in ("pair", "payment", "early", "pending", "member")
            ]


class TestLinks(FollowerExam):
    @pytest.fixture
    def place(self, store):
        return LinkPlace(store, store.folder / "links")


class TestCaseFollower(FollowerExam):
    @pytest.fixture
    def place(self, store):
        return CasePlace(store, store.folder / "cases")
