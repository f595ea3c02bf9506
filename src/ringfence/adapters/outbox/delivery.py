"""The messages of one destination: what is due is attempted, and what became of it noted."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from functools import lru_cache
from threading import Event, Thread
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ringfence.adapters.outbox.conditions import IS_BEHIND, NOT_PAUSED
from ringfence.adapters.outbox.lanes import AttemptLanes
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.bus.retry import DEAD_AFTER_MS, RATES, AttemptBucket, Breaker, wait_ms
from ringfence.bus.subscription import Destination, is_for_people, shown
from ringfence.errors import InputError, RingfenceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from ringfence.adapters.outbox.bus import Bus

_LOGGER: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 1.0  # between two looks at a destination to which nothing may go
_IDLE_SECONDS: Final = 0.25
_PORTION: Final = 64
_NO_LIMIT_MS: Final = 1 << 62
_COUNT_EVERY_MS: Final = (
    600_000  # between two looks at how long an ill destination has kept its messages waiting
)
_ROWS_A_TRANSACTION: Final = 1000  # changed in one: others wait for it
_NOTE_SECONDS: Final = 0.1  # deliveries of so long are noted together; a killed process sends them again
_PATIENCE_SECONDS: Final = 0.5  # with a portion; what takes longer is left under way, and the others go on

_DESTINATION: Final = "SELECT body FROM destination WHERE address = ?"
_DUE: Final = f"""
SELECT seq, id, event, attempts, tried_ms, ordered FROM message AS due
WHERE destination = :to AND state = 'waiting' AND due_ms <= :latest_ms
  AND (due_ms <= :now_ms OR max(tried_ms, attempts > 0) >= :since_ms)
  AND {NOT_PAUSED}
  AND seq NOT IN (SELECT value FROM json_each(:begun))
  AND NOT ({IS_BEHIND})
ORDER BY due_ms, seq LIMIT :most
"""  # noqa: S608 (constants)
_RELEASE: Final = """
UPDATE message SET due_ms = :now_ms
WHERE destination = :to AND state = 'waiting' AND due_ms > :now_ms
  AND max(tried_ms, attempts > 0) >= :since_ms  -- attempts of before this was noted have no time
"""
_KEPT_WAITING: Final = f"""
SELECT seq FROM message
WHERE destination = ? AND state = 'waiting' AND due_ms <= ? AND tried_ms = 0
  AND {NOT_PAUSED}
"""  # noqa: S608 (constants)
_COUNT_FROM: Final = "UPDATE message SET tried_ms = ? WHERE seq = ? AND state = 'waiting' AND tried_ms = 0"
_TOO_LONG: Final = f"""
SELECT seq FROM message
WHERE destination = ? AND state = 'waiting' AND tried_ms BETWEEN 1 AND ?
  AND {NOT_PAUSED}
"""  # noqa: S608 (constants)
_GIVE_UP: Final = """
UPDATE message SET state = 'dead', said = ?, done_ms = ?
WHERE seq = ? AND state = 'waiting' AND tried_ms > 0  -- somebody may have let it go on just now
"""
_DONE: Final = """
UPDATE message SET state = ?, due_ms = ?, attempts = attempts + 1, said = ?, tried_ms = ?, done_ms = ?
WHERE seq = ?
"""


class DueLetter(NamedTuple):
    """A row of `_DUE`; since `tried_ms` it is tried, 0 where no attempt has failed."""

    seq: int
    id: str
    event: bytes
    attempts: int
    tried_ms: int
    ordered: bool = False


_Row = tuple[str, int, str, int, int, int]  # what `_DONE` writes, the message's number last


class DestinationRound:
    """Delivers to one destination between `start` and `stop`, on threads of its own.

    Args:
        attempt: makes one; whatever goes wrong is an outcome.
        random: spreads what is tried again.
        seconds: a clock that is never set: how long deliveries may wait to be noted goes by it.
    """

    def __init__(
        self,
        bus: Bus,
        destination: Destination,
        attempt: Callable[[Destination, DueLetter], AttemptOutcome],
        now_ms: Callable[[], int],
        random: Random,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._now_ms = now_ms
        self._random = random
        self._destination = destination
        self._breaker = Breaker(destination.failing, destination.failing_since_ms, destination.open_until_ms)
        self._written_ms = destination.open_until_ms
        self._counted_ms = now_ms()
        self._bucket = AttemptBucket(RATES.get(destination.kind, 0.0), now_ms())
        self._under_way: set[int] = set()  # begun, and not noted yet
        self._ended: list[tuple[DueLetter, AttemptOutcome]] = []
        self._unwritten: list[_Row] = []  # of what has ended and counts, in a transaction that has failed
        self._gone = self._said = ""
        self._ill_since_ms = 0  # before what is unwritten
        self._note_after = 0.0 if is_for_people(destination.kind) else _NOTE_SECONDS
        self._seconds = seconds
        self._ended_at = 0.0  # when the first of `_ended` was gathered
        self._lanes = AttemptLanes[DueLetter, AttemptOutcome](
            lambda letter: attempt(self._destination, letter)
        )
        self._wake = Event()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=f"ringfence-to-{destination.kind}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new."""
        self._wake.set()

    def stop(self) -> None:
        """Begin no further attempt; `join` waits for those that are under way."""
        self._stopping.set()
        self._wake.set()

    def join(self) -> None:
        """Until it has stopped."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                seconds = self._deliver()
            except Exception:
                _LOGGER.warning("Messages to %s wait", shown(self._destination.address), exc_info=True)
                seconds = _LOOK_SECONDS
            if seconds and not self._stopping.is_set():
                self._wake.wait(seconds)
        self._lanes.stop()
        with suppress(RingfenceError):  # what is not noted is sent again
            self._gather()
            self._note()

    def _deliver(self) -> float:
        """Attempt what is due; how many seconds there is nothing more to do."""
        may_wait = self._settle()
        begun, seconds = self._begin()
        if not begun:
            return min(seconds, may_wait or seconds)
        self._lanes.wait(_PATIENCE_SECONDS)
        self._settle()
        return 0.0

    def _settle(self) -> float:
        """Write what has ended, unless it may wait: for how many seconds it may, 0 once it is written."""
        seconds = self._gather()
        if not seconds:
            self._note()
        return seconds

    def _gather(self) -> float:
        """Take in what has ended: for how many seconds it need not be written yet."""
        ended, now = self._lanes.ended(), self._seconds()
        if not self._ended:
            self._ended_at = now
        self._ended += ended
        if not self._ended or self._unwritten or self._breaker.is_tripped:
            return 0.0
        if len(self._under_way) >= _PORTION:  # those that follow need the places
            return 0.0
        if any(one.answer is not AttemptEnd.DELIVERED or letter.ordered for letter, one in self._ended):
            return 0.0
        return max(0.0, self._ended_at + self._note_after - now)

    def _begin(self) -> tuple[int, float]:
        """Have what is due attempted: how many messages, and for how long none of the others is."""
        now_ms, rows = self._now_ms(), self._bus.database.rows
        found = rows(_DESTINATION, (self._destination.address,))
        if not found:
            return 0, _LOOK_SECONDS
        self._destination = _destination(found[0][0])
        if self._destination.disabled:
            return 0, _LOOK_SECONDS
        if self._destination.open_until_ms < self._written_ms:  # as somebody wants
            self._breaker.try_now()
        self._written_ms = self._destination.open_until_ms
        allowed = self._breaker.allows(now_ms)
        if not allowed:
            return 0, min(_LOOK_SECONDS, (self._breaker.open_until_ms - now_ms) / 1000)
        most = (_PORTION if allowed < 0 else allowed) - len(self._under_way)
        asked = {
            "to": self._destination.address,
            "now_ms": now_ms,
            "latest_ms": now_ms,
            "since_ms": _NO_LIMIT_MS,
            "begun": msgspec.json.encode(list(self._under_way)).decode(),
            "most": max(0, most),
        }
        if allowed > 0:  # the breaker says when: what has failed since the destination is ill may try it
            asked |= {"latest_ms": _NO_LIMIT_MS, "since_ms": max(1, self._breaker.since_ms)}
        due = rows(_DUE, asked)
        granted = self._bucket.take(len(due), now_ms) if due else 0
        letters = [DueLetter(*row) for row in due[:granted]]
        self._under_way.update(one.seq for one in letters)
        self._lanes.begin(letters)
        return granted, _IDLE_SECONDS

    def _note(self) -> None:
        """Write what became of each attempt that was gathered.

        Where that fails the next call does it, and `_deliver` begins nothing before: nothing is sent twice.
        """
        now_ms = self._now_ms()
        self._count(now_ms)
        if not self._unwritten:
            return
        fields = {
            "failing": self._breaker.failing,
            "failing_since_ms": self._breaker.since_ms,
            "open_until_ms": self._breaker.open_until_ms,
            "said": self._said,
        }
        if self._gone:
            fields["disabled"] = self._gone
        address, ill_since_ms = self._destination.address, self._ill_since_ms
        with self._bus.database.transaction(at_leisure=True) as connection:  # lost, it is sent again
            connection.executemany(_DONE, self._unwritten)
            if ill_since_ms and self._breaker.since_ms != ill_since_ms:
                released = {"to": address, "now_ms": now_ms, "since_ms": ill_since_ms}
                connection.execute(_RELEASE, released)
            if msgspec.structs.replace(self._destination, **fields) != self._destination:
                with suppress(InputError):  # it has been removed
                    self._bus.change_within(connection, address, **fields)
        self._under_way.difference_update(row[-1] for row in self._unwritten)
        self._unwritten, self._gone = [], ""
        self._written_ms = self._breaker.open_until_ms
        if self._breaker.is_tripped and now_ms - self._counted_ms >= _COUNT_EVERY_MS:
            self._count_days(now_ms, self._said)
            self._counted_ms = now_ms

    def _count(self, now_ms: int) -> None:
        """Take what has ended into account, once."""
        ended, self._ended = self._ended, []
        if not ended:
            return
        if not self._unwritten:
            self._ill_since_ms = self._breaker.since_ms if self._breaker.is_tripped else 0
        self._unwritten += [self._noted(letter, outcome, now_ms) for letter, outcome in ended]
        self._said = ended[-1][1].said[:500]
        for _, outcome in ended:
            if outcome.answer is AttemptEnd.GONE:
                self._gone = outcome.said or "gone"
        if self._breaker.is_tripped:
            self._under_way.difference_update(letter.seq for letter in self._lanes.withdraw())

    def _count_days(self, now_ms: int, said: str) -> None:
        """Count the days of messages that an ill destination keeps waiting, also of those never tried."""
        address, rows = self._destination.address, self._bus.database.rows
        too_long = rows(_TOO_LONG, (address, now_ms - DEAD_AFTER_MS))
        kept_waiting = rows(_KEPT_WAITING, (address, now_ms))
        for found, change, values in (
            (too_long, _GIVE_UP, (said, now_ms)),
            (kept_waiting, _COUNT_FROM, (now_ms,)),
        ):
            for at in range(0, len(found), _ROWS_A_TRANSACTION):
                some = found[at : at + _ROWS_A_TRANSACTION]
                with self._bus.database.transaction(at_leisure=True) as connection:
                    connection.executemany(change, [(*values, seq) for (seq,) in some])

    def _noted(self, letter: DueLetter, outcome: AttemptOutcome, now_ms: int) -> _Row:
        """What `_DONE` writes of an attempt. How long a message is tried counts from its first failure."""
        state, due_ms, tried_ms = "waiting", 0, 0
        if outcome.answer is AttemptEnd.DELIVERED:
            state = "delivered"
            self._breaker.succeeded()
        elif outcome.answer is AttemptEnd.REFUSED:
            state = "dead"
        elif outcome.answer is AttemptEnd.RETRY:
            chance, asked = self._random.random, outcome.after_seconds
            tried_ms = letter.tried_ms or now_ms
            self._breaker.failed(now_ms, asked, chance)
            due_ms = now_ms + wait_ms(letter.attempts + 1, asked, chance)
            state = "dead" if due_ms - tried_ms > DEAD_AFTER_MS else "waiting"
        done_ms = 0 if state == "waiting" else now_ms
        return state, due_ms, outcome.said[:500], tried_ms, done_ms, letter.seq


@lru_cache(256)
def _destination(body: str) -> Destination:
    return msgspec.json.decode(body, type=Destination)
