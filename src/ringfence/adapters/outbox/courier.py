"""Carries messages to their destinations, each on a thread of its own: none waits for another one."""

from __future__ import annotations

import logging
import re
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from ringfence.adapters.outbox.delivery import DestinationRound
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome, Message
from ringfence.bus.subscription import is_contact, masked, shown, target_of
from ringfence.bus.words import Words, plain, words_of
from ringfence.events.privacy.personal import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from random import Random

    from ringfence.adapters.outbox.bus import Bus
    from ringfence.adapters.outbox.delivery import DueLetter
    from ringfence.bus.notifier import Notifier
    from ringfence.bus.subscription import Destination

_LOGGER: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 1.0  # between two looks at what people have changed
_LOCAL_PART: Final = 4  # characters; a shorter one is part of any answer
_BETWEEN_DIGITS: Final = r"[\s().-]*"
_NO_WORDS: Final = Words("")
KEEP_MS: Final = 7 * 86_400_000
"""Delivered messages, and events about alerts for those who pull, are kept for so long."""


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
        self._rounds: dict[str, DestinationRound] = {}
        self._thread = Thread(target=self._keep, name="ringfence-courier", daemon=True)

    def start(self) -> None:
        """Begin, on threads of its own."""
        self._thread.start()

    def wake(self, addresses: Collection[str]) -> None:
        """There is something new for these destinations."""
        with self._lock:
            for address in addresses:
                if address in self._rounds:
                    self._rounds[address].wake()

    def stop(self) -> None:
        """Let each attempt that is under way end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        for one in self._rounds.values():
            one.stop()
        for one in self._rounds.values():
            one.join()
        for notifier in self._notifiers.values():
            notifier.close()

    def _keep(self) -> None:
        """See to it that each destination has its thread, and that what is old goes."""
        while not self._stopping.is_set():
            try:
                for destination in self._bus.destinations():
                    if destination.address not in self._rounds and destination.kind in self._notifiers:
                        fresh = DestinationRound(
                            self._bus, destination, self.attempt, self._now_ms, self._random
                        )
                        with self._lock:
                            self._rounds[destination.address] = fresh
                        fresh.start()
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

    def attempt(self, destination: Destination, letter: DueLetter) -> AttemptOutcome:
        """One attempt; whatever goes wrong is an outcome."""
        message_id, event = letter.id, letter.event
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
        said = plain(masked(_unnamed(outcome.said, found, token), destination.address))
        return outcome._replace(said=said)


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
