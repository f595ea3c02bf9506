"""The exam that every follower sits: subclass `FollowerExam` and say where targets live.

class TestMyFollower(FollowerExam):
    @pytest.fixture
    def place(self, tmp_path):
        return MyPlace(tmp_path)
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import pytest

from ringfence.follow import Pump, catch_up, declare
from ringfence.follow.pump import advance
from ringfence.testing.memory.target import MemoryFollower, MemoryRoll, MemoryTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ringfence.follow import Follower
    from ringfence.ports import EventLog, LogBatch

_SEEDS = range(5)
_PATIENCE_SECONDS = 60.0  # until a thread has done what it has to: nobody waits so long but for a fault


class TargetPlace(Protocol):
    """A log, and somewhere that one target lives, for the length of one test."""

    log: EventLog

    def fill(self, count: int) -> None:
        """Append so many more batches to each topic that the follower reads."""
        ...

    def follower(self) -> Follower:
        """A follower on the target as it is: a new process, that is. Two are never used at once."""
        ...

    def content(self) -> Any:
        """Everything that the target holds, in a form that compares equal where the content is equal."""
        ...

    def damage(self) -> Callable[[], None]:
        """Have the next takes fail half way, as on a full disk; call what is returned to mend it."""
        ...


class _KilledError(BaseException):
    """The process ends here."""


def _until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


class FollowerExam:
    """What `ringfence.follow.Follower` promises, one sentence a test.

    Attributes:
        cannot_empty: why a reset leaves what is there, as of a stream that others read; None where it does
            not. What comes again is known to receivers then, so that `content` has it once.
    """

    cannot_empty: ClassVar[str | None] = None

    @pytest.fixture
    def place(self) -> TargetPlace:
        raise NotImplementedError("an exam needs a `place` fixture that gives a TargetPlace")

    @pytest.fixture
    def expected(self, place: TargetPlace) -> Callable[[], Any]:
        """Call once the target has caught up: its content, made again from nothing by one follower."""

        def rebuilt() -> Any:
            follower = place.follower()
            follower.reset()
            catch_up(place.log, follower, all_of_it=True)
            follower.close()
            return place.content()

        return rebuilt

    def test_an_empty_target_is_at_the_start(self, place: TargetPlace) -> None:
        follower = place.follower()
        assert not any(follower.positions().values())
        assert follower.name
        assert follower.topics
        assert 1 <= follower.least <= follower.most
        follower.close()
        follower.close()

    def test_what_is_taken_is_there_with_its_position(
        self, place: TargetPlace, expected: Callable[[], Any]
    ) -> None:
        """In several lives; each goes on where the target is."""
        for _ in range(3):
            place.fill(7)
            follower = place.follower()
            catch_up(place.log, follower, all_of_it=True)
            ends = {topic: place.log.end_offset(topic) for topic in follower.topics}
            assert _come(follower) == ends
            follower.close()
            with closing(place.follower()) as again:
                assert _come(again) == ends
        content = place.content()
        assert content == expected()

    def test_less_than_a_portion_stays_in_the_log(self, place: TargetPlace) -> None:
        with closing(place.follower()) as follower:
            if follower.least == 1:
                pytest.skip("it takes records as they come")
            place.fill(1)
            catch_up(place.log, follower)
            assert not any(follower.positions().values())

    @pytest.mark.parametrize("seed", _SEEDS)
    def test_a_process_that_is_killed_anywhere_loses_and_doubles_nothing(
        self, place: TargetPlace, expected: Callable[[], Any], seed: int
    ) -> None:
        """Killed while it reads, before and after a take; what it had taken is taken once."""
        chance = Random(seed)  # noqa: S311 (a test's)
        with ExitStack() as killed:
            for _ in range(12):
                place.fill(chance.randrange(3))
                follower = place.follower()
                killed.callback(follower.close)  # so late: a process that is killed closes nothing
                for topic in chance.sample(follower.topics, len(follower.topics)):
                    before = follower.positions().get(topic, 0)
                    try:
                        with pytest.raises(_KilledError):
                            follower.take(topic, _killing(place.log.read(topic, before), chance.randrange(4)))
                    except BaseException:
                        assert _seen(place, topic) >= before
                        raise
                    assert _seen(place, topic) == before
                    if chance.random() < 0.5:
                        with closing(place.follower()) as another:
                            advance(place.log, another, topic, 1)
            _take_all(place)
        content = place.content()
        assert content == expected()

    def test_a_reset_leaves_nothing_and_making_it_again_gives_the_same(self, place: TargetPlace) -> None:
        empty = place.content()
        place.fill(9)
        _take_all(place)
        content = place.content()
        assert content != empty
        _reset(place)
        with closing(place.follower()) as follower:
            assert not any(follower.positions().values())
        assert place.content() == (empty if self.cannot_empty is None else content)
        _reset(place)
        _take_all(place)
        assert place.content() == content

    def test_one_that_fails_is_told_of_and_goes_on_once_it_can(
        self, place: TargetPlace, expected: Callable[[], Any]
    ) -> None:
        """Another follower of the same pump does not notice."""
        target, other_roll, follower = MemoryTarget(), MemoryRoll(), place.follower()
        other = MemoryFollower(target, follower.topics, "other")
        mend = place.damage()
        declare(place.log, other_roll, [follower, other])
        pump = Pump(place.log, other_roll, [follower, other], lambda: 7, Random(1), lambda *_: 0.01)  # noqa: S311
        pump.start()
        place.fill(9)
        ends = {topic: place.log.end_offset(topic) for topic in follower.topics}
        _until(lambda: other_roll.entry(follower.name).failures >= 2 and target.positions == ends)
        told = other_roll.entry(follower.name)
        assert told.failing
        assert told.problem
        mend()
        _until(lambda: not other_roll.entry(follower.name).failing)
        pump.stop()
        _take_all(place)
        content = place.content()
        assert content == expected()

    def test_a_paused_one_stands_still_and_a_rebuild_empties_it(
        self, place: TargetPlace, expected: Callable[[], Any]
    ) -> None:
        roll, follower = MemoryRoll(), place.follower()
        declare(place.log, roll, [follower])
        place.fill(9)
        catch_up(place.log, follower, all_of_it=True)
        roll.pause(follower.name)
        roll.rebuild(follower.name)
        pump = Pump(place.log, roll, [follower], lambda: 7, Random(1), lambda *_: 0.01)  # noqa: S311
        pump.start()
        _until(lambda: not roll.entry(follower.name).rebuild)
        place.fill(9)
        with closing(place.follower()) as looked:
            assert not any(looked.positions().values())
        roll.resume(follower.name)
        _until(lambda: any(roll.entry(follower.name).positions.values()))
        pump.stop()
        _take_all(place)
        content = place.content()
        assert content == expected()

    def test_what_retention_took_before_it_began_is_passed_over(self, place: TargetPlace) -> None:
        place.fill(6)
        with closing(place.follower()) as follower:
            for topic in follower.topics:
                second = list(place.log.read(topic))[1]
                place.log.trim(topic, second.next_offset)
            catch_up(place.log, follower, all_of_it=True)
            ends = {topic: place.log.end_offset(topic) for topic in follower.topics}
            assert _come(follower) == ends

    def test_what_it_has_not_read_is_known_to_the_log_before_it_begins(self, place: TargetPlace) -> None:
        place.fill(2)
        roll = MemoryRoll()
        with closing(place.follower()) as follower:
            declare(place.log, roll, [follower])
        known = {(reader, topic): at for reader, topic, at in place.log.readers()}
        assert known == {(follower.name, topic): 0 for topic in follower.topics}
        assert set(roll.entry(follower.name).positions) == set(follower.topics)


def _take_all(place: TargetPlace) -> None:
    """In a process of its own."""
    with closing(place.follower()) as follower:
        catch_up(place.log, follower, all_of_it=True)


def _reset(place: TargetPlace) -> None:
    with closing(place.follower()) as follower:
        follower.reset()


def _seen(place: TargetPlace, topic: str) -> int:
    """How far another process finds it in a topic."""
    with closing(place.follower()) as follower:
        return follower.positions().get(topic, 0)


def _come(follower: Follower) -> dict[str, int]:
    """How far it is in what it reads."""
    found = follower.positions()
    return {topic: found.get(topic, 0) for topic in follower.topics}


def _killing(batches: Iterable[LogBatch], after: int) -> Iterator[LogBatch]:
    for number, batch in enumerate(batches):
        if number == after:
            break
        yield batch
    raise _KilledError
