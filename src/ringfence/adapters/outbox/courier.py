"""Carries messages to their destinations, each on a thread of its own: none waits for another one."""

from __future__ import annotations

import logging
import re
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from ringfence.bus.notifier import AttemptEnd, AttemptOutcome, Message
from ringfence.bus.retry import DEAD_AFTER_MS, AttemptBucket, Breaker, wait_ms
from ringfence.bus.subscription import is_contact, masked, shown, target_of
from ringfence.bus.words import Words, words_of
from ringfence.errors import InputError, RingfenceError
from ringfence.events.privacy.personal import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from ringfence.adapters.outbox.bus import Bus
    from ringfence.bus.notifier import Notifier
    from ringfence.bus.subscription import Destination

    Letter = tuple[int, str, bytes, int, int]
    """A row of `_DUE`."""

_LOGGER: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 1.0  # between two looks at what people have changed
_IDLE_SECONDS: Final = 0.25
_AT_ONCE: Final = 8  # messages under way to one destination
_PORTION: Final = 64
_PATIENCE_SECONDS: Final = 0.5  # with a portion; what takes longer is left under way, and the others go on
_LOCAL_PART: Final = 4  # characters; a shorter one is part of any answer
_BETWEEN_DIGITS: Final = r"[\s().-]*"
_NO_WORDS: Final = Words("")
KEEP_MS: Final = 7 * 86_400_000
"""Delivered messages, and events about alerts for those who pull, are kept for so long."""

RATES: Final[dict[str, float]] = {"slack": 1.0, "mail": 5.0, "sms": 1.0, "apprise": 1.0}
"""Messages a second, by kind of destination; as many as there are to others."""

_DUE: Final = """
SELECT seq, id, event, attempts, made_ms FROM message AS due
WHERE destination = ? AND state = 'waiting' AND due_ms <= ?
  AND subscription NOT IN (SELECT value FROM json_each(?)) AND seq NOT IN (SELECT value FROM json_each(?))
  AND (NOT ordered OR NOT EXISTS (
    SELECT 1 FROM message AS before
    WHERE before.subscription = due.subscription AND before.key = due.key AND before.state = 'waiting'
      AND before.ordered AND before.seq < due.seq))
ORDER BY due_ms, seq LIMIT ?
"""
_DONE: Final = """
UPDATE message SET state = ?, due_ms = ?, attempts = attempts + 1, said = ?, done_ms = ? WHERE seq = ?
"""


class Courier:
    """Delivers between `start` and `stop`. One a data folder at a time.

    Args:
        notifiers: by kind of destination.
        words: an event in words, for people.
        contact: the address of a person that a token stands for, None once that was erased.
        look: called with the time about once a second: makes messages that only the clock asks for.
    """

    def __init__(
        self,
        bus: Bus,
        notifiers: Mapping[str, Notifier],
        now_ms: Callable[[], int],
        random: Random,
        words: Callable[[dict[str, Any]], Words] = words_of,
        look: Callable[[int], object] = lambda _now_ms: None,
        contact: Callable[[str], str | None] = lambda token: token,
    ) -> None:
        self._bus = bus
        self._notifiers = dict(notifiers)
        self._now_ms = now_ms
        self._random = random
        self._words = words
        self._look = look
        self._contact = contact
        self._stopping = Event()
        self._lock = Lock()
        self._rounds: dict[str, _Round] = {}
        self._thread = Thread(target=self._keep, name="ringfence-courier", daemon=True)

    def start(self) -> None:
        """Begin, on threads of its own."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new."""
        with self._lock:
            for one in self._rounds.values():
                one.wake.set()

    def stop(self) -> None:
        """Let each attempt that is under way end."""
        self._stopping.set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join()
        for one in self._rounds.values():
            one.thread.join()
        for notifier in self._notifiers.values():
            notifier.close()

    def _keep(self) -> None:
        """See to it that each destination has its thread, and that what is old goes."""
        while not self._stopping.is_set():
            try:
                for destination in self._bus.destinations():
                    if destination.address not in self._rounds and destination.kind in self._notifiers:
                        fresh = _Round(self, destination)
                        with self._lock:
                            self._rounds[destination.address] = fresh
                        fresh.thread.start()
                self._look(self._now_ms())
                self._tidy()
            except Exception:  # whatever it is, a thread that ends would end all deliveries in silence
                _LOGGER.warning("The outbox waits; it is tried again", exc_info=True)
            self._stopping.wait(_LOOK_SECONDS)

    def _tidy(self) -> None:
        now_ms = self._now_ms()
        with self._bus.database.transaction(at_leisure=True) as connection:
            connection.execute(
                "DELETE FROM message WHERE state = 'delivered' AND done_ms < ?", (now_ms - KEEP_MS,)
            )
            connection.execute("DELETE FROM notice WHERE at_ms < ?", (now_ms - KEEP_MS,))

    def attempt(self, destination: Destination, letter: Letter) -> AttemptOutcome:
        """One attempt; whatever goes wrong is an outcome."""
        _, message_id, event, _, _ = letter
        is_webhook = destination.kind == "webhook"  # which reads the event and no words
        try:
            words = _NO_WORDS if is_webhook else self._words(msgspec.json.decode(event))
        except ValueError as error:  # of the message, not of its destination: no other one waits for it
            return AttemptOutcome(AttemptEnd.REFUSED, f"{type(error).__name__}: {error}")
        except Exception as error:
            _LOGGER.debug("A message cannot be put into words", exc_info=True)
            return AttemptOutcome(AttemptEnd.RETRY, f"{type(error).__name__}: {error}")
        token = found = None
        try:
            reader = "" if is_webhook else words.to
            target = reader or target_of(destination.address, destination.kind)
            if TOKEN.fullmatch(target) and destination.kind != "console":
                token, found = target, self._contact(target)
                if found is None or not is_contact(destination.kind, found):
                    return AttemptOutcome(AttemptEnd.REFUSED, f"no address is held for {token}")
                target = found
            outcome = self._notifiers[destination.kind].deliver(
                Message(message_id, event, words, target, destination.secrets)
            )
        except Exception as error:  # whatever a destination's library does: the message waits
            _LOGGER.debug("An attempt failed", exc_info=found is None)
            name = type(error).__name__
            is_secret = shown(destination.address) != destination.address  # which the error may quote
            return AttemptOutcome(
                AttemptEnd.RETRY, name if is_secret else f"{name}: {_unnamed(str(error), found, token)}"
            )
        return outcome._replace(said=masked(_unnamed(outcome.said, found, token), destination.address))


class _Round:
    """The messages of one destination."""

    def __init__(self, courier: Courier, destination: Destination) -> None:
        self.wake = Event()
        self.thread = Thread(target=self._run, name=f"ringfence-to-{destination.kind}", daemon=True)
        self._courier = courier
        self._bus = courier._bus  # noqa: SLF001 (its own, here and below)
        self._address = destination.address
        self._breaker = Breaker()
        self._bucket = AttemptBucket(RATES.get(destination.kind, 0.0), courier._now_ms())  # noqa: SLF001
        self._under_way: dict[Future[AttemptOutcome], Letter] = {}

    def _run(self) -> None:
        pool = ThreadPoolExecutor(_AT_ONCE, "ringfence-attempt")
        while not self._courier._stopping.is_set():  # noqa: SLF001
            self.wake.clear()
            try:
                seconds = self._deliver(pool)
            except Exception:
                _LOGGER.warning("Messages to %s wait", shown(self._address), exc_info=True)
                seconds = _LOOK_SECONDS
            if seconds:
                self.wake.wait(seconds)
        pool.shutdown(cancel_futures=True)
        with suppress(RingfenceError):  # what is not noted is sent again
            self._note()

    def _deliver(self, pool: ThreadPoolExecutor) -> float:
        """Attempt what is due; how many seconds there is nothing more to do."""
        self._note()
        begun, seconds = self._begin(pool)
        if not begun:
            return seconds
        wait(self._under_way, _PATIENCE_SECONDS)
        self._note()
        return 0.0

    def _begin(self, pool: ThreadPoolExecutor) -> tuple[int, float]:
        """Have what is due attempted: how many messages, and for how long none of the others is."""
        courier, now_ms = self._courier, self._courier._now_ms()  # noqa: SLF001
        destination = next((one for one in self._bus.destinations() if one.address == self._address), None)
        if destination is None or destination.disabled:
            return 0, _LOOK_SECONDS
        allowed = self._breaker.allows(now_ms)
        if not allowed:
            return 0, min(_LOOK_SECONDS, (self._breaker.open_until_ms - now_ms) / 1000)
        most = (_PORTION if allowed < 0 else allowed) - len(self._under_way)
        paused = _json([one.name for one in self._bus.subscriptions() if one.paused])
        begun = _json([seq for seq, *_ in self._under_way.values()])
        due = self._bus.database.rows(_DUE, (self._address, now_ms, paused, begun, max(0, most)))
        granted = self._bucket.take(len(due), now_ms) if due else 0
        for letter in due[:granted]:
            self._under_way[pool.submit(courier.attempt, destination, letter)] = letter
        return granted, _IDLE_SECONDS

    def _note(self) -> None:
        """What became of each attempt that has ended."""
        done = [(one, self._under_way.pop(one)) for one in list(self._under_way) if one.done()]
        ended = [(letter, one.result()) for one, letter in done if not one.cancelled()]
        if not ended:
            return
        courier = self._courier
        now_ms, rows, gone = courier._now_ms(), [], ""  # noqa: SLF001
        for (seq, _, _, attempts, made_ms), outcome in ended:
            state, due_ms = "waiting", 0
            if outcome.answer is AttemptEnd.DELIVERED:
                state = "delivered"
                self._breaker.succeeded()
            elif outcome.answer is AttemptEnd.REFUSED:
                state = "dead"
            elif outcome.answer is AttemptEnd.GONE:
                gone = outcome.said or "gone"
            else:
                self._breaker.failed(now_ms, outcome.after_seconds, courier._random.random)  # noqa: SLF001
                due_ms = now_ms + wait_ms(attempts + 1, outcome.after_seconds, courier._random.random)  # noqa: SLF001
                state = "dead" if due_ms - made_ms > DEAD_AFTER_MS else "waiting"
            done_ms = 0 if state == "waiting" else now_ms
            rows.append((state, due_ms, outcome.said[:500], done_ms, seq))
        fields = {
            "failing": self._breaker.failing,
            "open_until_ms": self._breaker.open_until_ms,
            "said": ended[-1][1].said[:500],
        }
        with self._bus.database.transaction(at_leisure=True) as connection:  # lost, it is sent again
            connection.executemany(_DONE, rows)
            with suppress(InputError):  # it has been removed
                self._bus.change_within(
                    connection, self._address, **fields, **({"disabled": gone} if gone else {})
                )


def _unnamed(said: str, contact: str | None, token: str | None) -> str:
    """A text with the token in place of the address that it stands for, however a receiver spells that.

    >>> _unnamed("550 <Ada%40mail.example> is unknown", "ada@mail.example", "pd_1")
    '550 <pd_1> is unknown'
    """
    if not contact or not token:
        return said
    local, is_mail, _ = contact.rpartition("@")
    if is_mail:
        spellings = [re.escape(contact), re.escape(quote(contact, safe=""))]
        spellings += [rf"\b{re.escape(local)}\b"] if len(local) >= _LOCAL_PART else []
    else:
        spellings = [r"(?:\+|%2B)?" + _BETWEEN_DIGITS.join(map(re.escape, contact.removeprefix("+")))]
    return re.sub("|".join(spellings), token, said, flags=re.IGNORECASE)


def _json(values: list[Any]) -> str:
    return msgspec.json.encode(values).decode()
