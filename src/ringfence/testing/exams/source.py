"""The exam of `ringfence.ports.sources.StreamSource`."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ringfence.events.bad import BadRecord
    from ringfence.ports import Position
    from ringfence.ports.sources import StreamBatch, StreamSource

NOW_MS: Final = 1_714_564_800_000
"""What time it is during an exam."""


class StreamPlace(Protocol):
    """Where one adapter finds what was sent, for the length of one test."""

    def send(self, values: Sequence[bytes]) -> None:
        """Put values behind what is there, in order, into one part (a partition, a shard, a file)."""
        ...

    def source(self, positions: Callable[[str], dict[str, str]]) -> StreamSource:
        """A source over all that was and will be sent, by the canonical mapping; not open yet."""
        ...


class Positions:
    """What a journal keeps of positions."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], str] = {}

    def commit(self, positions: Iterable[Position]) -> None:
        """As of `Journal.commit`."""
        for one in positions:
            if one.value is None:
                self._kept.pop((one.source, one.part), None)
            else:
                self._kept[one.source, one.part] = one.value

    def __call__(self, source: str) -> dict[str, str]:
        return {part: value for (name, part), value in self._kept.items() if name == source}


def payments(*numbers: int) -> list[bytes]:
    """One payment a second."""
    return [
        msgspec.json.encode(
            {
                "transaction_id": f"t{number}",
                "event_time": NOW_MS - 3_600_000 + 1000 * number,
                "amount": 20.0,
                "currency": "EUR",
                "card_id": "card-1",
                "merchant_id": "shop",
            }
        )
        for number in numbers
    ]


def numbers_of(batch: StreamBatch) -> list[int]:
    """Which payments are in a batch."""
    return [int(one.removeprefix("t")) for one in batch.events.column("transaction_id").to_pylist()]


class StreamSourceExam:
    """What a stream promises, one sentence a test."""

    @pytest.fixture
    def place(self) -> StreamPlace:
        raise NotImplementedError("an exam needs a `place` fixture that gives a StreamPlace")

    @pytest.fixture
    def journal(self) -> Positions:
        return Positions()

    def to_the_end(self, source: StreamSource, journal: Positions) -> list[int]:
        """Take all that is there, each batch committed; which payments that were."""
        found = []
        for batch in source.batches(2, until_end=True, wait_seconds=0.01, is_over=lambda: False):
            found += numbers_of(batch)
            journal.commit(batch.positions)
        return found

    def test_each_record_is_read_once_in_order(self, place: StreamPlace, journal: Positions) -> None:
        place.send(payments(*range(7)))
        source = place.source(journal)
        source.open()
        assert self.to_the_end(source, journal) == list(range(7))
        assert self.to_the_end(source, journal) == []
        source.close()

    @pytest.mark.parametrize("committed", [0, 1, 2, 3])
    def test_another_process_goes_on_behind_what_was_committed(
        self, place: StreamPlace, journal: Positions, committed: int
    ) -> None:
        place.send(payments(*range(7)))
        killed = place.source(journal)
        killed.open()
        first, number = [], count()
        for batch in killed.batches(2, until_end=True, wait_seconds=0.01, is_over=lambda: False):
            taken = numbers_of(batch)
            if taken and next(number) == committed:
                break  # read, and lost with the process
            first += taken
            journal.commit(batch.positions)
        killed.close()
        again = place.source(journal)
        again.open()
        assert len(first) == 2 * committed
        assert first + self.to_the_end(again, journal) == list(range(7))
        again.close()

    def test_what_comes_later_is_read_by_the_next_process(
        self, place: StreamPlace, journal: Positions
    ) -> None:
        for numbers in ((0, 1, 2), (3, 4), (5,)):
            place.send(payments(*numbers))
            source = place.source(journal)
            source.open()
            assert self.to_the_end(source, journal) == list(numbers)
            source.close()

    def test_what_is_no_record_is_a_bad_record_and_its_neighbours_are_read(
        self, place: StreamPlace, journal: Positions
    ) -> None:
        [before, after] = payments(0, 1)
        place.send([before, b'{"transaction_id": "t9"', after])
        source = place.source(journal)
        source.open()
        found: list[int] = []
        bad: list[BadRecord] = []
        for batch in source.batches(10, until_end=True, wait_seconds=0.01, is_over=lambda: False):
            found += numbers_of(batch)
            bad += batch.bad
        assert found == [0, 1]
        [record] = bad
        assert record.source
        assert b"t9" in record.original
        source.close()

    def test_an_empty_batch_comes_while_nothing_does(self, place: StreamPlace, journal: Positions) -> None:
        place.send(payments(0))
        source = place.source(journal)
        source.open()
        assert self.to_the_end(source, journal) == [0]
        over: list[bool] = []
        for number, batch in enumerate(source.batches(10, wait_seconds=0.01, is_over=lambda: bool(over))):
            assert len(batch.events) == 0
            if number:
                over.append(True)
        assert over == [True]
        source.close()

    def test_it_may_be_closed_and_opened_again(self, place: StreamPlace, journal: Positions) -> None:
        source = place.source(journal)
        assert not source.is_open
        for number in range(2):
            place.send(payments(number))
            source.open()
            assert (source.is_open, source.problem, source.parts > 0) == (True, "", True)
            assert self.to_the_end(source, journal) == [number]
            source.close()
            assert not source.is_open
