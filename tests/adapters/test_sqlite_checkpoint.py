"""What is committed gets into the file while the writer goes on."""

import sqlite3
import threading
import time

from ringfence.adapters.sqlite import SqliteLog
from ringfence.adapters.sqlite.checkpoint import Checkpointer
from ringfence.testing.exams.event_log import batch


def test_the_file_takes_in_what_was_committed_without_a_close(tmp_path):
    path = tmp_path / "log.db"
    log = SqliteLog(path)
    try:
        empty = path.stat().st_size
        for offset in range(20):
            log.append([batch(offset, payload=b"x" * 100_000)])
        for _ in range(100):
            if path.stat().st_size > empty + 20 * 100_000:
                break
            time.sleep(0.1)
        assert path.stat().st_size > empty + 20 * 100_000
        log.append([batch(20)])
        assert [one.base_offset for one in log.read("events")] == list(range(21))
    finally:
        log.close()


class ClosedMeanwhile(threading.Event):
    """Its wait ends as if nobody had called `close`, who does so before the caller can go on."""

    def __init__(self, written):
        super().__init__()
        self.written = written

    def wait(self, _timeout=None):
        self.set()
        self.written.set()
        return False


def test_a_close_between_the_pause_and_the_pass_ends_the_thread(tmp_path):
    """
    checkpointer   pause ends | clears "written" | waits for "written" for ever?
    close                     ^ stops, sets "written"
    """
    checkpointer = Checkpointer(lambda: sqlite3.connect(tmp_path / "log.db"), threading.Lock())
    checkpointer._stopped = ClosedMeanwhile(checkpointer._written)
    checkpointer.note()
    checkpointer._thread.join(10)
    assert not checkpointer._thread.is_alive()
