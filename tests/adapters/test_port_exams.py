"""The embedded adapters sit the exams of their ports; the log's is in `test_sqlite_log.py`."""

import sqlite3
from contextlib import closing, contextmanager, nullcontext

import pytest
from tests import artifacts

from ringfence.adapters.access.keys import ApiKeys
from ringfence.adapters.artifacts import load_scorer, read_folder
from ringfence.adapters.artifacts.loading import load_local
from ringfence.adapters.snapshots import Snapshots
from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.book import RuleBook
from ringfence.compose.deciding.definitions import Definitions
from ringfence.compose.deciding.models import model_registry
from ringfence.compose.deciding.versions import StoredLibrary
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.manifest import FOREST, LINEAR
from ringfence.scoring.rulesets.rules import compile_rules
from ringfence.testing.exams.journal import JournalExam
from ringfence.testing.exams.key_store import KeyStoreExam
from ringfence.testing.exams.library import BOOK, SPEC, UNFIT, LibraryExam
from ringfence.testing.exams.registry import RegistryExam
from ringfence.testing.exams.rule_history import RuleHistoryExam
from ringfence.testing.exams.scorer import ScorerExam
from ringfence.testing.exams.snapshot import SnapshotExam


class StorePlace:
    """A store's folder; `part` is what of the open store is examined."""

    cannot_damage = None

    def __init__(self, folder, part):
        self.folder, self.part = folder, part

    @contextmanager
    def open(self):
        with Store.open(self.folder) as store:
            yield self.part(store)

    def damage(self, name):
        with closing(sqlite3.connect(self.folder / "ringfence.db")) as connection:
            connection.execute("UPDATE version SET body = body || '!' WHERE digest = ?", (name,))
            connection.commit()


class SnapshotPlace:
    cannot_damage = None

    def __init__(self, folder):
        self.folder = folder

    def open(self):
        return nullcontext(Snapshots(self.folder))

    def damage(self, name):
        path = Snapshots(self.folder).path_of(int(name))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


class KeyPlace:
    cannot_damage = "no promise is made of damaged keys"

    def __init__(self, folder):
        self.folder = folder

    def open(self):
        return closing(ApiKeys(self.folder))


class TestStore(JournalExam):
    @pytest.fixture
    def place(self, tmp_path):
        return StorePlace(tmp_path / "data", lambda store: store)


class TestSqliteRegistry(RegistryExam):
    @pytest.fixture
    def place(self, tmp_path):
        return StorePlace(tmp_path / "data", lambda store: store.registry)


class TestRuleBook(RuleHistoryExam):
    @pytest.fixture
    def place(self, tmp_path):
        return StorePlace(tmp_path / "data", lambda store: RuleBook(store.log.database))


class TestSnapshots(SnapshotExam):
    @pytest.fixture
    def place(self, tmp_path):
        return SnapshotPlace(tmp_path / "snapshots")


class TestApiKeys(KeyStoreExam):
    @pytest.fixture
    def place(self, tmp_path):
        return KeyPlace(tmp_path / "data")


class TestStoredLibrary(LibraryExam):
    """Over a store that has registered two books and deployed one model."""

    @pytest.fixture
    def store(self, tmp_path):
        with Store.open(tmp_path / "data") as store:
            for book in (BOOK, UNFIT):
                store.registry.register("rules", book.digest, book.to_json(), 1)
            yield store

    @pytest.fixture
    def library(self, store):
        return StoredLibrary(store, Definitions(SPEC, compile_rules(BOOK, SPEC), "here", "here"))

    @pytest.fixture
    def deployed(self, store, library, tmp_path):
        digest = artifacts.make(tmp_path / "model", inputs=("amount", "card.count_1h"), spec=SPEC)
        model_registry(store.folder).add(read_folder(tmp_path / "model"))
        deployment = Deployment(champion=digest)
        library.stored_models.keep(deployment, 1)
        return deployment.digest


class TestForestModel(ScorerExam):
    @pytest.fixture
    def scorer(self, tmp_path):
        artifacts.make(tmp_path / "model")
        return load_scorer(read_folder(tmp_path / "model"))


class TestLinearModel(ScorerExam):
    @pytest.fixture
    def scorer(self, tmp_path):
        artifacts.make_linear(tmp_path / "model")
        return load_scorer(read_folder(tmp_path / "model"))


class TestOnnxModel(ScorerExam):
    """A model of which only the graph is known."""

    @pytest.fixture
    def scorer(self, tmp_path):
        artifacts.make(tmp_path / "model")
        artifact = read_folder(tmp_path / "model")
        for name in (FOREST, LINEAR):
            artifact.files.pop(name, None)
        return load_local(artifact)
