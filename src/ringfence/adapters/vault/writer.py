"""Keeps originals behind decisions: on a thread of its own, so that no decision waits for the vault.

A crash loses what came in the last moments, and so may a vault that cannot be written: the log has the token
all the same, and the original is kept when the value comes again. Both are counted, and told.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.adapters.vault.vault import SqliteVault
    from ringfence.events.privacy.personal import Original

_LOGGER: Final = logging.getLogger(__name__)
_MOST_KNOWN: Final = 1 << 20  # originals, by field, that are known to be kept
_MOST_WAITING: Final = 1 << 14  # portions
_MOST_AT_ONCE: Final = 4096  # originals of one transaction
_FULL: Final = "too many wait"
_AGAIN_SECONDS: Final = 1.0


class VaultWriter:
    """Call it with originals, from any thread. It never waits unless `patient`, for reading in bulk.

    Attributes:
        lost: originals that could not be kept, since the start.
        problem: why the latest write failed, None where it did not.
    """

    def __init__(
        self,
        vault: SqliteVault,
        now_ms: Callable[[], int],
        *,
        patient: bool = True,
        note: Callable[[int], None] = lambda _lost: None,
    ) -> None:
        """`note` hears, on a thread of this writer, of originals that were lost since it last heard."""
        self.lost = 0
        self._note, self._noted = note, 0
        self.problem: RingfenceError | None = None
        self._full = False
        self._vault = vault
        self._now_ms = now_ms
        self._patient = patient
        self._waiting: Queue[Sequence[Original]] = Queue(_MOST_WAITING)
        self._known: set[tuple[str, str, str]] = set()
        self._version = vault.changes()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="ringfence-vault", daemon=True)
        self._thread.start()

    def __call__(self, originals: Sequence[Original]) -> None:
        known = self._known
        fresh = [one for one in originals if (one.person, one.token, one.field) not in known]
        if not fresh:
            return
        try:
            self._waiting.put(fresh, block=self._patient)
        except Full:
            self._lose(len(fresh), None)

    def warnings(self) -> list[str]:
        """What somebody should see to: that originals are lost, and why, until a write succeeds."""
        if self.problem is None and not self._full:
            return []
        return [f"originals of personal data are not kept ({self.lost:,} so far): {self.problem or _FULL}"]

    def flush(self) -> None:
        """Wait until what came before is kept, or lost."""
        self._waiting.join()

    def close(self) -> None:
        """Keep what came, then end. The vault stays open."""
        self._waiting.join()
        self._stopping.set()
        self._thread.join()
        self._tell()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                portions = [self._waiting.get(timeout=_AGAIN_SECONDS / 4)]
            except Empty:
                self._look()
                self._tell()
                continue
            count = len(portions[0])
            while count < _MOST_AT_ONCE and not self._waiting.empty():
                portions.append(self._waiting.get())
                count += len(portions[-1])
            try:
                self._keep(portions)
                self._tell()
            finally:
                for _ in portions:
                    self._waiting.task_done()

    def _look(self) -> None:
        """Forget what is known once another process has changed the vault: it may have erased somebody."""
        try:
            version = self._vault.changes()
        except RingfenceError:
            return  # the next write tells
        if version != self._version:
            self._known, self._version = set(), version

    def _tell(self) -> None:
        """Have what was lost noted; where that fails, too, the next attempt has it."""
        lost = self.lost
        if lost > self._noted:
            with suppress(RingfenceError):
                self._note(lost - self._noted)
                self._noted = lost

    def _keep(self, portions: Sequence[Sequence[Original]]) -> None:
        every = {(one.person, one.token, one.field): one for portion in portions for one in portion}
        self._look()
        try:
            self._vault.put(list(every.values()), self._now_ms())
        except RingfenceError as error:
            self._lose(len(every), error)
            return
        self.problem, self._full = None, False
        if len(self._known) + len(every) > _MOST_KNOWN:
            self._known = set()
        self._known |= every.keys()

    def _lose(self, count: int, problem: RingfenceError | None) -> None:
        self.lost += count
        if problem is None or str(problem) != str(self.problem):
            _LOGGER.error(
                "Originals of personal data are not kept (%d so far): %s",
                self.lost,
                problem or _FULL,
            )
        self.problem = problem or self.problem
        self._full = problem is None
