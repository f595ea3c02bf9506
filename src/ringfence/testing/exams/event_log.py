"""The exam that every event log sits: subclass `EventLogExam` and say where logs live.

class TestMyLog(EventLogExam):
    @pytest.fixture
    def place(self, tmp_path):
        return MyPlace(tmp_path)
"""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Protocol

import pytest

from ringfence.errors import ConflictError, CorruptError, StoreError
from ringfence.ports import EventLog, LogBatch

if TYPE_CHECKING:
    from collections.abc import Iterator


class LogPlace(Protocol):
    """Somewhere that one log lives, for the length of one test."""

    cannot_corrupt: str | None  # why a stored batch cannot be damaged here, None where it can

    def open(self) -> EventLog:
        """The log of this place, new or with what it held when it was closed."""
        ...

    def corrupt(self, topic: str, base_offset: int) -> None:
        """Damage the stored payload of one batch, behind the log's back."""
        ...


def batch(base_offset: int, count: int = 1, topic: str = "events", payload: bytes | None = None) -> LogBatch:
    """A batch with content that tells where it belongs."""
    content = f"{topic}:{base_offset}+{count}".encode() if payload is None else payload
    return LogBatch(topic, base_offset, count, base_offset * 1000, (base_offset + count) * 1000, content)


def spans(batches: Iterator[LogBatch]) -> list[tuple[int, int]]:
    """First and next offset of each batch."""
    return [(found.base_offset, found.next_offset) for found in batches]


class EventLogExam:
    """What `ringfence.ports.EventLog` promises, one sentence a test."""

    @pytest.fixture
    def place(self) -> LogPlace:
        raise NotImplementedError("an exam needs a `place` fixture that gives a LogPlace")

    @pytest.fixture
    def log(self, place: LogPlace) -> Iterator[EventLog]:
        opened = place.open()
        yield opened
        opened.close()

    def test_a_new_log_is_empty(self, log: EventLog) -> None:
        assert log.topics() == []
        assert log.readers() == []
        assert (log.start_offset("events"), log.end_offset("events")) == (0, 0)
        assert list(log.read("events")) == []

    def test_a_log_keeps_its_identity(self, place: LogPlace) -> None:
        first = place.open()
        identity = first.identity
        first.append([batch(0, 2)])
        first.close()
        again = place.open()
        assert again.identity == identity
        again.close()
        assert identity.isalnum()
        assert 16 <= len(identity) <= 64

    def test_batches_come_back_whole_and_in_order(self, log: EventLog) -> None:
        written = [batch(0, 3), batch(3, 1), batch(4, 5)]
        for one in written:
            log.append([one])
        assert list(log.read("events")) == written
        assert log.end_offset("events") == 9

    def test_one_append_takes_several_batches_of_several_topics(self, log: EventLog) -> None:
        log.append([batch(0, 2), batch(0, 2, "decisions"), batch(2, 1)])
        assert log.topics() == ["decisions", "events"]
        assert spans(log.read("events")) == [(0, 2), (2, 3)]
        assert spans(log.read("decisions")) == [(0, 2)]

    def test_appending_nothing_changes_nothing(self, log: EventLog) -> None:
        log.append([])
        assert log.topics() == []

    @pytest.mark.parametrize("offset", [0, 1, 3, 100])
    def test_a_batch_that_does_not_follow_on_is_a_conflict(self, log: EventLog, offset: int) -> None:
        log.append([batch(0, 2)])
        with pytest.raises(ConflictError, match="'events' ends at offset 2"):
            log.append([batch(offset)])
        assert log.end_offset("events") == 2

    def test_an_empty_batch_is_a_conflict(self, log: EventLog) -> None:
        with pytest.raises(ConflictError, match="batch of 0 records"):
            log.append([batch(0, 0)])

    def test_one_wrong_batch_keeps_out_the_whole_append(self, log: EventLog) -> None:
        """The first two are fine alone; the third leaves a gap."""
        with pytest.raises(ConflictError):
            log.append([batch(0, 2), batch(0, 2, "decisions"), batch(3, 1, "decisions")])
        assert log.topics() == []
        assert (log.end_offset("events"), log.end_offset("decisions")) == (0, 0)
        log.append([batch(0, 2)])
        assert spans(log.read("events")) == [(0, 2)]

    @pytest.mark.parametrize(
        ("offset", "end", "expected"),
        [
            (0, None, [(0, 3), (3, 4), (4, 9)]),
            (1, None, [(0, 3), (3, 4), (4, 9)]),  # inside the first: it comes whole
            (3, None, [(3, 4), (4, 9)]),
            (8, None, [(4, 9)]),
            (9, None, []),
            (50, None, []),
            (0, 0, []),
            (0, 3, [(0, 3)]),  # the end is not included
            (2, 5, [(0, 3), (3, 4), (4, 9)]),
            (3, 4, [(3, 4)]),
        ],
    )
    def test_reading_starts_with_the_batch_that_holds_the_offset(
        self, log: EventLog, offset: int, end: int | None, expected: list[tuple[int, int]]
    ) -> None:
        log.append([batch(0, 3), batch(3, 1), batch(4, 5)])
        assert spans(log.read("events", offset, end)) == expected

    def test_a_reader_under_way_meets_what_is_appended_meanwhile(self, log: EventLog) -> None:
        log.append([batch(0), batch(1)])
        reading = log.read("events")
        assert next(reading).base_offset == 0
        log.append([batch(2)])
        assert spans(reading) == [(1, 2), (2, 3)]

    def test_two_reads_do_not_disturb_each_other(self, log: EventLog) -> None:
        log.append([batch(0), batch(1)])
        one, other = log.read("events"), log.read("events", 1)
        assert next(one).base_offset == 0
        assert next(other).base_offset == 1
        assert next(one).base_offset == 1

    def test_readers_on_other_threads_see_whole_appends_only(self, log: EventLog) -> None:
        """Decisions are read after events were: with atomic appends there are at least as many of them."""
        problems: list[str] = []
        total = 60

        def look() -> None:
            seen = 0
            while seen < total:
                seen = sum(found.count for found in log.read("events"))
                if sum(found.count for found in log.read("decisions")) < seen:
                    problems.append(f"{seen} events, fewer decisions")

        threads = [Thread(target=look) for _ in range(2)]
        for thread in threads:
            thread.start()
        for offset in range(0, total, 2):
            log.append([batch(offset, 2), batch(offset, 2, "decisions")])
        for thread in threads:
            thread.join(timeout=30)
        assert problems == []
        assert not any(thread.is_alive() for thread in threads)

    def test_everything_is_there_after_reopening(self, place: LogPlace) -> None:
        first = place.open()
        written = [batch(0, 2), batch(2, 2)]
        first.append(written)
        first.commit_reader("lake", "events", 3)
        first.close()
        again = place.open()
        assert list(again.read("events")) == written
        assert again.readers() == [("lake", "events", 3)]
        again.append([batch(4)])
        assert again.end_offset("events") == 5
        again.close()

    def test_closing_twice_is_allowed_and_using_a_closed_log_is_an_error(self, place: LogPlace) -> None:
        log = place.open()
        log.close()
        log.close()
        with pytest.raises(StoreError, match="closed"):
            log.append([batch(0)])
        with pytest.raises(StoreError, match="closed"):
            log.end_offset("events")

    def test_readers_keep_their_own_offsets(self, log: EventLog) -> None:
        log.append([batch(0, 9)])
        log.commit_reader("lake", "events", 4)
        log.commit_reader("alerts", "events", 9)
        log.commit_reader("lake", "events", 6)
        assert (log.reader_offset("lake", "events"), log.reader_offset("nobody", "events")) == (6, 0)
        assert log.reader_offset("lake", "decisions") == 0
        assert log.readers() == [("alerts", "events", 9), ("lake", "events", 6)]

    def test_trimming_forgets_whole_batches_and_moves_no_offset(self, log: EventLog) -> None:
        log.append([batch(0, 3), batch(3, 3), batch(6, 3), batch(0, 1, "decisions")])
        assert log.trim("events", 7) == 6  # 6..8 holds offset 7, so it stays
        assert (log.start_offset("events"), log.end_offset("events")) == (6, 9)
        assert spans(log.read("events")) == [(6, 9)]
        assert spans(log.read("decisions")) == [(0, 1)]
        assert log.trim("events", 7) == 0

    def test_a_log_trimmed_to_its_end_goes_on_where_it_was(self, place: LogPlace) -> None:
        log = place.open()
        log.append([batch(0, 3)])
        assert log.trim("events", 100) == 3
        log.close()
        log = place.open()
        assert (log.start_offset("events"), log.end_offset("events")) == (3, 3)
        assert log.topics() == ["events"]
        log.append([batch(3)])
        assert spans(log.read("events")) == [(3, 4)]
        log.close()

    def test_trimming_an_unknown_topic_does_nothing(self, log: EventLog) -> None:
        assert log.trim("nothing", 10) == 0
        assert log.topics() == []

    def test_payloads_may_be_empty_large_and_any_bytes(self, log: EventLog) -> None:
        payloads = [b"", bytes(range(256)) * 7, b"\0" * 5, b"x" * 20_000_000]
        log.append([batch(offset, payload=payload) for offset, payload in enumerate(payloads)])
        assert [found.payload for found in log.read("events")] == payloads

    def test_times_and_topics_may_be_any(self, log: EventLog) -> None:
        odd = LogBatch('what\'s "this"; ü%', 0, 1, -(2**62), 2**62, b"x")
        log.append([odd])
        assert list(log.read(odd.topic)) == [odd]
        assert log.topics() == [odd.topic]

    def test_a_damaged_batch_is_found_when_it_is_read(self, place: LogPlace) -> None:
        if place.cannot_corrupt:
            pytest.skip(place.cannot_corrupt)
        log = place.open()
        log.append([batch(0, 2), batch(2, 2), batch(4, 2)])
        log.close()
        place.corrupt("events", 2)
        log = place.open()
        reading = log.read("events")
        assert next(reading).base_offset == 0
        with pytest.raises(CorruptError, match=r"'events'.*offset 2"):
            next(reading)
        assert spans(log.read("events", 4)) == [(4, 6)]
        log.close()
