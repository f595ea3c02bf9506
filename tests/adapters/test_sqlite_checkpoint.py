"""What is committed gets into the file while the writer goes on."""

import time

from ringfence.adapters.sqlite import SqliteLog
from ringfence.testing.log_exam import batch


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
