"""The exam of `ringfence.ports.Journal` and of the `Quarantine` in it; `place.open()` gives a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ringfence.errors import ConflictError, InputError
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.ports import SETTLED, Position, Replayed
from ringfence.testing.exams.event_log import batch, spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.ports import Journal
    from ringfence.testing.exams.places import Place


def bad(position: int, reason: Reason = Reason.MALFORMED, source: str = "a.csv") -> BadRecord:
    """A bad record whose original tells where it stood."""
    fault = Fault(reason, "amount", f"is no number at {position}")
    return BadRecord(source, position, (fault,), f"row {position} of {source}".encode(), "csv", "own")


class JournalExam:
    """What a journal promises, one sentence a test."""

    @pytest.fixture
    def place(self) -> Place[Journal]:
        raise NotImplementedError("an exam needs a `place` fixture that gives a Place of a Journal")

    @pytest.fixture
    def journal(self, place: Place[Journal]) -> Iterator[Journal]:
        with place.open() as opened:
            yield opened

    def test_a_new_journal_holds_nothing(self, journal: Journal) -> None:
        assert journal.log.topics() == []
        assert journal.schedule() is None
        assert journal.quarantine.records() == []
        assert journal.quarantine.counts() == {}

    def test_a_commit_holds_all_of_its_parts_after_reopening(self, place: Place[Journal]) -> None:
        with place.open() as first:
            first.commit([batch(0, 2)], bad_records=[bad(1)], schedule=b"later", now_ms=5)
        with place.open() as again:
            assert spans(again.log.read("events")) == [(0, 2)]
            assert again.schedule() == b"later"
            [kept] = again.quarantine.records()
        assert (kept.id, kept.position, kept.reason, kept.received_ms) == (bad(1).id, 1, "malformed", 5)
        assert (kept.original, kept.original_format, kept.mapping) == (bad(1).original, "csv", "own")
        assert kept.message == bad(1).message
        assert (kept.replayed_ms, kept.outcome) == (None, None)

    def test_a_commit_that_fails_leaves_none_of_its_parts(self, journal: Journal) -> None:
        """The batch leaves a gap."""
        journal.commit(
            bad_records=[bad(9)], schedule=b"before", positions=[Position("topic", "0", "3")], now_ms=1
        )
        with pytest.raises(ConflictError):
            journal.commit(
                [batch(7)],
                bad_records=[bad(1)],
                replayed=[Replayed(bad(9).id, "accepted")],
                schedule=b"no",
                positions=[Position("topic", "0", "7")],
                now_ms=2,
            )
        assert journal.log.topics() == []
        assert journal.schedule() == b"before"
        assert journal.positions("topic") == {"0": "3"}
        [kept] = journal.quarantine.records()
        assert (kept.position, kept.outcome) == (9, None)

    def test_parts_may_be_left_out_and_a_schedule_may_be_emptied(self, journal: Journal) -> None:
        journal.commit(schedule=b"pending")
        journal.commit([batch(0)])
        assert journal.schedule() == b"pending"
        journal.commit(schedule=b"")
        assert journal.schedule() == b""

    def test_positions_of_sources_move_with_what_they_stand_behind(self, place: Place[Journal]) -> None:
        with place.open() as first:
            assert first.positions("topic") == {}
            first.commit([batch(0)], positions=[Position("topic", "0", "3"), Position("topic", "1", "9")])
            first.commit(positions=[Position("topic", "0", "4"), Position("topic", "0", "5")])
            first.commit(positions=[Position("other", "0", "1")])
        with place.open() as again:
            assert again.positions("topic") == {"0": "5", "1": "9"}
            assert again.positions("other") == {"0": "1"}

    def test_a_position_that_is_forgotten_begins_anew(self, journal: Journal) -> None:
        journal.commit(positions=[Position("topic", "0", "3"), Position("topic", "1", "9")])
        journal.commit(positions=[Position("topic", "0", None), Position("never", "0", None)])
        assert journal.positions("topic") == {"1": "9"}

    def test_a_bad_record_is_quarantined_once_and_stays_as_it_was(self, journal: Journal) -> None:
        journal.commit(bad_records=[bad(1), bad(1)], now_ms=1)
        journal.commit(bad_records=[bad(1), bad(2)], now_ms=2)
        assert [(one.position, one.received_ms) for one in journal.quarantine.records()] == [(2, 2), (1, 1)]

    def test_records_are_listed_newest_first_and_by_what_is_asked(self, journal: Journal) -> None:
        found = [bad(1), bad(2, Reason.CONFLICT), bad(3, source="b.csv")]
        journal.commit(bad_records=found, now_ms=1)
        journal.commit(replayed=[Replayed(found[0].id, "accepted")], now_ms=7)
        look = journal.quarantine
        assert [one.position for one in look.records()] == [3, 2, 1]
        assert [one.position for one in look.records(limit=2)] == [3, 2]
        assert [one.position for one in look.records(limit=-1)] == [3, 2, 1]
        assert [one.position for one in look.records(reason="malformed")] == [3, 1]
        assert [one.position for one in look.records(source="a.csv")] == [2, 1]
        assert [one.position for one in look.records(waiting=True)] == [3, 2]
        assert look.counts() == {"conflict": (1, 1), "malformed": (2, 1)}
        tried = look.get(found[0].id)
        assert (tried.replayed_ms, tried.outcome) == (7, "accepted")

    def test_records_that_became_no_event_are_those_tried_longest_ago(self, journal: Journal) -> None:
        found = [bad(position) for position in range(6)]
        journal.commit(bad_records=[*found, bad(6, Reason.CONFLICT)], now_ms=1)
        for now_ms, position, outcome in ((7, 2, "malformed"), (8, 0, "conflict")):
            journal.commit(replayed=[Replayed(found[position].id, outcome)], now_ms=now_ms)
        done = zip(found[4:], sorted(SETTLED), strict=True)
        journal.commit(replayed=[Replayed(one.id, outcome) for one, outcome in done], now_ms=9)
        look = journal.quarantine
        assert [one.position for one in look.unsettled()] == [0, 1, 2, 3, 6]
        for limit, positions in ((0, []), (2, [1, 3]), (3, [1, 2, 3]), (4, [0, 1, 2, 3])):
            chosen = look.unsettled(reason="malformed", limit=limit)
            assert [one.position for one in chosen] == positions

    def test_beginnings_are_the_newest_with_a_part_of_each_original(self, journal: Journal) -> None:
        journal.commit(bad_records=[bad(1), bad(2)], now_ms=1)
        assert [one.original for one in journal.quarantine.beginnings(1, 5)] == [b"row 2"]

    def test_records_behind_a_place_come_in_order_each_with_its_place(self, journal: Journal) -> None:
        journal.commit(bad_records=[bad(1), bad(2)], now_ms=1)
        journal.commit(bad_records=[bad(3)], now_ms=2)
        look = journal.quarantine
        every = look.since(0, 10)
        assert [record.position for _, record in every] == [1, 2, 3]
        assert look.since(every[0][0], 1) == [every[1]]
        assert look.since(every[2][0], 10) == []
        assert look.since(every[2][0] + 7, 10) == every

    def test_a_record_is_found_by_the_beginning_of_its_id(self, journal: Journal) -> None:
        journal.commit(bad_records=[bad(1), bad(2)], now_ms=1)
        assert journal.quarantine.get(bad(2).id[:10]).position == 2
        with pytest.raises(InputError):
            journal.quarantine.get("no id")
        with pytest.raises(InputError):
            journal.quarantine.get("")  # both begin so

    def test_old_records_are_forgotten(self, journal: Journal) -> None:
        journal.commit(bad_records=[bad(1)], now_ms=1)
        journal.commit(bad_records=[bad(2)], now_ms=5)
        assert journal.quarantine.count_before(5) == 1
        assert journal.forget_bad_records(5) == 1
        assert [one.position for one in journal.quarantine.records()] == [2]
        assert journal.quarantine.count_before(5) == journal.forget_bad_records(5) == 0
