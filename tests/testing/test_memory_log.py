"""The log in memory sits the exam first."""

import pytest

from ringfence.testing.exams.event_log import EventLogExam
from ringfence.testing.memory.event_log import MemoryDisk, MemoryLog


class MemoryPlace:
    cannot_corrupt = None

    def __init__(self):
        self.disk = MemoryDisk()

    def open(self):
        return MemoryLog(self.disk)

    def corrupt(self, topic, base_offset):
        self.disk.corrupt(topic, base_offset)


class TestMemoryLog(EventLogExam):
    @pytest.fixture
    def place(self):
        return MemoryPlace()
