"""Every port's adapter in memory sits the exam first."""

from contextlib import closing, nullcontext
from dataclasses import replace

import numpy as np
import pytest

from ringfence.events.privacy.tokens import Tokenizer
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.testing.exams.journal import JournalExam
from ringfence.testing.exams.key_store import KeyStoreExam
from ringfence.testing.exams.library import BOOK, SPEC, UNFIT, LibraryExam
from ringfence.testing.exams.registry import RegistryExam
from ringfence.testing.exams.rule_history import RuleHistoryExam
from ringfence.testing.exams.scorer import ScorerExam
from ringfence.testing.exams.secrets import SecretsExam
from ringfence.testing.exams.snapshot import SnapshotExam
from ringfence.testing.exams.source import NOW_MS, StreamSourceExam
from ringfence.testing.memory.keys import MemoryKeyRing, MemoryKeys
from ringfence.testing.memory.models import MemoryLibrary, MemoryScorer
from ringfence.testing.memory.secrets import MemorySecrets
from ringfence.testing.memory.snapshots import MemoryShelf, MemorySnapshots
from ringfence.testing.memory.source import MemorySource
from ringfence.testing.memory.store import MemoryFolder, MemoryJournal, MemoryRegistry, MemoryRuleHistory

SCORER = MemoryScorer("m1", ("amount", "card.count_1h", "hour"), np.array([0.01, -0.5, 0.1]), bias=-1.0)


class JournalPlace:
    cannot_damage = "the log's own exam damages its batches"

    def __init__(self):
        self.folder = MemoryFolder()

    def open(self):
        return closing(MemoryJournal(self.folder))


class SnapshotPlace:
    cannot_damage = None

    def __init__(self):
        self.shelf = MemoryShelf()

    def open(self):
        return nullcontext(MemorySnapshots(self.shelf))

    def damage(self, name):
        self.shelf.damaged.add(int(name))


class RegistryPlace:
    cannot_damage = None

    def __init__(self):
        self.registry = MemoryRegistry()

    def open(self):
        return nullcontext(self.registry)

    def damage(self, name):
        for key, version in self.registry.kept.items():
            if version.digest == name:
                self.registry.kept[key] = replace(version, body=version.body + "!")


class HistoryPlace:
    cannot_damage = "texts are a registry's, whose exam damages them"

    def __init__(self):
        self.history = MemoryRuleHistory()

    def open(self):
        return nullcontext(self.history)


class KeyPlace:
    cannot_damage = "no promise is made of damaged keys"

    def __init__(self):
        self.ring = MemoryKeyRing()

    def open(self):
        return closing(MemoryKeys(self.ring))


class SecretPlace:
    cannot_damage = "what is in a dictionary can be read"

    def __init__(self):
        self.values = {}

    def secrets(self):
        return MemorySecrets(self.values)

    def name_of(self, number):
        return f"secret-{number}"

    def put(self, name, value):
        self.values[name] = value


class StreamPlace:
    def __init__(self):
        self.values = []

    def send(self, values):
        self.values += values

    def source(self, positions):
        return MemorySource(self.values, positions, Tokenizer(b"k" * 32), NOW_MS)


class TestMemorySecrets(SecretsExam):
    @pytest.fixture
    def place(self):
        return SecretPlace()


class TestMemorySource(StreamSourceExam):
    @pytest.fixture
    def place(self):
        return StreamPlace()


class TestMemoryJournal(JournalExam):
    @pytest.fixture
    def place(self):
        return JournalPlace()


class TestMemorySnapshots(SnapshotExam):
    @pytest.fixture
    def place(self):
        return SnapshotPlace()


class TestMemoryRegistry(RegistryExam):
    @pytest.fixture
    def place(self):
        return RegistryPlace()


class TestMemoryRuleHistory(RuleHistoryExam):
    @pytest.fixture
    def place(self):
        return HistoryPlace()


class TestMemoryKeys(KeyStoreExam):
    @pytest.fixture
    def place(self):
        return KeyPlace()


class TestMemoryLibrary(LibraryExam):
    DEPLOYMENT = Deployment(champion="m1")

    @pytest.fixture
    def library(self):
        library = MemoryLibrary(SPEC, {"m1": SCORER})
        for book in (BOOK, UNFIT):
            library.keep(book)
        library.deploy(self.DEPLOYMENT)
        return library

    @pytest.fixture
    def deployed(self):
        return self.DEPLOYMENT.digest


class TestMemoryScorer(ScorerExam):
    @pytest.fixture
    def scorer(self):
        return SCORER
