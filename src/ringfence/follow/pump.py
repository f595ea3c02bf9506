"""Runs followers, each on a thread of its own, and begins again with one that failed."""

from __future__ import annotations

import logging
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from ringfence.errors import StoreError
from ringfence.follow.backoff import wait_seconds
from ringfence.follow.follower import Tending
from ringfence.follow.history import check_history
from ringfence.ports.tracing import untraced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from random import Random

    from ringfence.follow.follower import Follower
    from ringfence.follow.roll import Roll
    from ringfence.ports import EventLog, LogBatch

IDLE_SECONDS: Final = 0.5
"""Between two looks at a log that has gained little, and at what people want."""

GATHER_SECONDS: Final = 0.02
"""Between two questions for news: what comes in between is one portion, which costs a commit."""

_REPORT_MS: Final = 5000
_LOOK_MS: Final = (
    400  # between two looks at what people want, and reports of what is new: both cost a statement
)
_WORTH_RECORDS: Final = 1000  # fewer wait for the next look: a portion costs a commit, however short it is
_LOGGER: Final = logging.getLogger(__name__)


class Pump:
    """Followers at work between `start` and `stop`.

    One that fails is closed and tried again after a wait that grows; the others do not notice. The roll is
    told of all of it.
    """

    def __init__(
        self,
        log: EventLog,
        roll: Roll,
        followers: Sequence[Follower],
        now_ms: Callable[[], int],
        random: Random,
        wait: Callable[[int, Random], float] = wait_seconds,
        taking: Callable[[str, str], AbstractContextManager[Callable[[int], None]]] = untraced,
        news: Callable[[], bool] | None = None,
    ) -> None:
        """The followers have been declared (`roll.declare`).

        `wait` as of `backoff.wait_seconds`, `taking` as of `Tracing.take`. With `news`, which says whether
        the log has been written to since it was asked last, the one follower takes records as they come.
        """
        self._log = log
        self._roll = roll
        self._now_ms = now_ms
        self._random = random
        self._wait = wait
        self._taking = taking
        self._news = news
        self._stopping = Event()
        self._told: dict[str, tuple[dict[str, int], int]] = {}  # positions and time of the latest report
        self._proven: set[str] = set()
        self._looked: dict[str, int] = {}  # when somebody last looked at what people want
        self._threads = [
            Thread(target=self._keep, args=(one,), name=f"ringfence-follow-{one.name}", daemon=True)
            for one in followers
        ]

    def start(self) -> None:
        """Begin, on threads of its own."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each finish the portion that it is at."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _keep(self, follower: Follower) -> None:
        failing = 0
        while not self._stopping.is_set():
            try:
                if self._step(follower):
                    failing = 0
            except Exception as error:  # noqa: BLE001 (whatever a target does: people are told, the others go on)
                failing += 1
                self._failed(follower, error, is_new=failing == 1)
                self._stopping.wait(self._wait(failing, self._random))
        _close(follower)

    def _step(self, follower: Follower) -> bool:
        """Do what people want, then take one portion of each topic; False where it stands still."""
        if not self._is_wanted(follower):
            self._stopping.wait(IDLE_SECONDS)
            return False
        if follower.name not in self._proven:
            check_history(self._roll, follower)
            self._proven.add(follower.name)
        found = follower.positions()
        moved = [
            topic
            for topic in follower.topics
            if _is_due(self._log, topic, found.get(topic, 0), follower.least)
            and advance(self._log, follower, topic, taking=self._taking)
        ]
        is_tended = _tended(follower)
        found = follower.positions() if moved else found
        self._report(follower.name, {topic: found.get(topic, 0) for topic in follower.topics})
        worth = max(follower.least, _WORTH_RECORDS)
        if not is_tended and not any(
            _is_due(self._log, topic, found.get(topic, 0), worth) for topic in moved
        ):
            self._rest()
        return True

    def _is_wanted(self, follower: Follower) -> bool:
        """Whether it is to work, as people said within the last moments; begins anew where they want that."""
        now_ms = self._now_ms()
        if 0 <= now_ms - self._looked.get(follower.name, now_ms - _LOOK_MS) < _LOOK_MS:
            return True
        wanted = self._roll.entry(follower.name)
        if wanted.rebuild:
            follower.reset()
            self._roll.rebuilt(follower.name)
        if not wanted.paused:
            self._looked[follower.name] = now_ms
        return not wanted.paused

    def _rest(self) -> None:
        """Until the next look."""
        if self._news is None:
            self._stopping.wait(IDLE_SECONDS)
            return
        for _ in range(round(IDLE_SECONDS / GATHER_SECONDS)):
            if self._stopping.wait(GATHER_SECONDS) or self._news():
                return

    def _report(self, name: str, come: dict[str, int]) -> None:
        """Tell the roll soon what is new, and every few seconds that nothing is."""
        now_ms = self._now_ms()
        before, at_ms = self._told.get(name, ({}, now_ms - _REPORT_MS))
        if not 0 <= now_ms - at_ms < (_REPORT_MS if come == before else _LOOK_MS):
            self._roll.report(name, come, now_ms)
            self._told[name] = come, now_ms

    def _failed(self, follower: Follower, error: Exception, *, is_new: bool) -> None:
        problem = f"{type(error).__name__}: {error}"
        if is_new:
            _LOGGER.warning("Follower %s failed and is tried again: %s", follower.name, problem)
        _close(follower)
        self._told.pop(follower.name, None)
        self._looked.pop(follower.name, None)
        try:
            self._roll.report_failure(follower.name, problem, self._now_ms())
        except Exception:  # no room for the report either, perhaps: the attempts go on
            _LOGGER.warning("The failure of follower %s cannot be noted", follower.name, exc_info=True)


def _is_due(log: EventLog, topic: str, position: int, least: int) -> bool:
    """Whether a topic has so many records behind a position, or ends before it, which is an error."""
    end = log.end_offset(topic)
    if end <= position:
        return end < position
    return end - max(position, log.start_offset(topic)) >= max(1, least)


def advance(
    log: EventLog,
    follower: Follower,
    topic: str,
    least: int | None = None,
    taking: Callable[[str, str], AbstractContextManager[Callable[[int], None]]] = untraced,
) -> bool:
    """Have a follower take one portion of a topic; False where fewer than `least` records are due.

    Without `least`, the follower's own. `StoreError` for a target that does not belong to this log, or that
    stays where it was.
    """
    position = follower.positions().get(topic, 0)
    begin, end = max(position, log.start_offset(topic)), log.end_offset(topic)
    if position > end:
        raise StoreError(
            f"follower {follower.name} has {topic} up to offset {position:,}, and the log ends at {end:,}: "
            f"what it made is of another log, or of this one before a restore. `ringfence followers rebuild "
            f"{follower.name}` makes it again"
        )
    if end - begin < max(1, follower.least if least is None else least):
        return False
    with taking(follower.name, topic) as took:
        follower.take(topic, _portion(log, topic, begin, follower.most))
        come = follower.positions().get(topic, 0)
        if come <= begin:
            raise StoreError(
                f"follower {follower.name} was given {topic} from offset {begin:,} on and kept nothing"
            )
        took(come - begin)
    return True


def catch_up(log: EventLog, follower: Follower, *, all_of_it: bool = False) -> None:
    """Have a follower take what is due, here and now; `all_of_it` also what would not fill a portion yet."""
    for topic in follower.topics:
        while advance(log, follower, topic, 1 if all_of_it else None):
            pass
    while _tended(follower):
        pass


def _tended(follower: Follower) -> bool:
    return isinstance(follower, Tending) and follower.tend()


def _portion(log: EventLog, topic: str, begin: int, most: int) -> Iterator[LogBatch]:
    for batch in log.read(topic, begin):
        yield batch
        if batch.next_offset - begin >= most:
            return


def _close(follower: Follower) -> None:
    try:
        follower.close()
    except Exception:  # a connection that is lost cannot always be closed
        _LOGGER.debug("Follower %s could not be closed", follower.name, exc_info=True)
