"""Work that comes round by the clock, each time in a process of its own."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, TYPE_CHECKING, Annotated, Final, NamedTuple

import msgspec

from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LOOK_SECONDS: Final = 1.0
_MOST_LINE: Final = 2_000  # bytes of a line that an errand says
_MOST_SAID: Final = 300  # characters that are kept of the last one
_FIRST_TO_GO: Final = "900"  # of at most 1,000, where the system's memory runs out: never what decides
_STOP_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 30.0  # to clear up, for what took too long
_NOT_STARTED: Final = -1
_LAST_MS: Final = 253_402_300_799_999  # of the year 9999: a calendar has no later date
_LOGGER: Final = logging.getLogger(__name__)


class Errand(NamedTuple):
    """What is done every `every_ms`, and `first_ms` after it was first heard of.

    One that failed, or was cut off, is done again after `again_ms`; by default at its next time. Its process
    is ended after `most_seconds` of the clock, or else what hangs would hold up all others for good: by
    SIGTERM, so that it can clear up, and 30 seconds later by SIGKILL.
    """

    name: str
    command: Sequence[str]
    every_ms: int
    first_ms: int
    again_ms: int | None = None
    most_seconds: float = 6 * 3600.0


class ErrandEnd(msgspec.Struct, frozen=True):
    """How an errand ended last.

    Attributes:
        ended_ms: milliseconds since 1970.
        code: its exit code, 0 for success; negative, the signal that ended it, or -1 without a start.
        said: the last line of what it wrote to standard error, or why it was ended.
    """

    ended_ms: Annotated[int, msgspec.Meta(ge=0, le=_LAST_MS)]
    code: int
    said: str = ""


class Due(NamedTuple):
    """Where it is kept when each errand is due, so that a restart neither repeats nor forgets one."""

    read: Callable[[], Mapping[str, int]]
    write: Callable[[Mapping[str, int]], None]


class Timetable:
    """Errands between `start` and `stop`, one at a time."""

    def __init__(
        self,
        errands: Sequence[Errand],
        due: Due,
        now_ms: Callable[[], int],
        run: Callable[[Errand], int] | None = None,
        tell: Callable[[str, ErrandEnd], None] = lambda _name, _outcome: None,
    ) -> None:
        """`run` does an errand and returns its exit code; by default its command in a process.

        `tell` hears of each errand how it ended, unless `stop` ended it.
        """
        self._errands = errands
        self._due = due
        self._now_ms = now_ms
        self._run = run or self._in_a_process
        self._tell = tell
        self._said = ""
        self._stopping = Event()
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = Thread(target=self._keep, name="ringfence-timetable", daemon=True)

    def start(self) -> None:
        """Begin, on a thread of its own."""
        if self._errands:
            self._thread.start()

    def stop(self) -> None:
        """None is begun any more; one that is under way is ended, and done again as one that failed."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            process.kill()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> list[str]:
        """Do what is due now; the names of what was done.

        When an errand is due next is kept before it begins: what kills this process does not do so again and
        again. A clock that was set back makes none wait longer than its own time.
        """
        now_ms, known = self._now_ms(), self._due.read()
        due = {
            one.name: min(
                known.get(one.name, now_ms + one.first_ms), now_ms + max(one.every_ms, one.first_ms)
            )
            for one in self._errands
        }
        ready = [one for one in self._errands if due[one.name] <= now_ms]
        due |= {one.name: now_ms + (one.again_ms or one.every_ms) for one in ready}
        if due != known:
            self._due.write(due)
        for one in ready:
            if self._stopping.is_set():
                break
            code = self._do(one)
            if code == 0 and one.again_ms is not None and not self._stopping.is_set():
                due[one.name] = now_ms + one.every_ms
                self._keep_note(one, "when it is due next", partial(self._due.write, due))
        return [one.name for one in ready]

    def _do(self, one: Errand) -> int:
        """From its start to its end, and tell how it ended: no error of it keeps the others waiting."""
        self._said = ""
        try:
            code = self._run(one)
        except OSError as error:
            code, self._said = _NOT_STARTED, f"it could not be started ({error.strerror or error})"
        except (RuntimeError, ValueError) as error:  # no thread to be had; a command that no system takes
            code, self._said = _NOT_STARTED, f"it could not be started ({error})"
        if not self._stopping.is_set():
            end = ErrandEnd(self._now_ms(), code, self._said if code else "")
            self._keep_note(one, "how it ended", partial(self._tell, one.name, end))
        if code:
            again = "at its next time" if one.again_ms is None else f"in {one.again_ms // 60_000} minutes"
            why = self._said or "it said nothing"
            _LOGGER.warning(
                "%s ended with exit code %s (%s); it is tried again %s", one.name, code, why, again
            )
        return code

    @staticmethod
    def _keep_note(one: Errand, what: str, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, RingfenceError) as error:
            _LOGGER.warning("%s: %s cannot be kept: %s", one.name, what, error)

    def _keep(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                self.look()
            except (OSError, RingfenceError) as error:
                _LOGGER.warning("the timetable waits: %s", error)
            except Exception:  # whatever it is, a thread that ends would end all errands in silence
                _LOGGER.exception("the timetable waits")

    def _in_a_process(self, one: Errand) -> int:
        with self._lock:
            if self._stopping.is_set():
                return 0
            process = self._process = subprocess.Popen(  # noqa: S603 (our own command)
                one.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        with suppress(OSError):  # Linux alone has it, and it may have ended
            Path(f"/proc/{process.pid}/oom_score_adj").write_text(_FIRST_TO_GO, "ascii")
        relay = Thread(target=self._relay, args=(process.stderr,), daemon=True)
        try:
            relay.start()
        except RuntimeError:  # what nobody hears must not run unseen
            process.kill()
            process.communicate()
            raise
        code, in_time = _ended(process, one.most_seconds)
        relay.join(_STOP_SECONDS)  # not for ever: a process that it started may hold the pipe open
        if code and not in_time:
            self._said = f"it took longer than {one.most_seconds:g} seconds and was ended"
        elif code == -signal.SIGKILL:
            self._said = "it was killed: the machine ran out of memory, or somebody ended it"
        with self._lock:
            self._process = None
        return 0 if self._stopping.is_set() else code

    def _relay(self, spoken: IO[bytes]) -> None:
        """What it says goes to the log of this process; its last line is kept."""
        with spoken:
            while line := spoken.readline(_MOST_LINE):
                text = line.decode(errors="replace")
                with suppress(OSError, ValueError):  # nobody reads our log: the errand must not wait for that
                    sys.stderr.write(text)
                if text.strip():
                    self._said = text.strip().removeprefix("Error: ")[:_MOST_SAID]


def _ended(process: subprocess.Popen[bytes], most_seconds: float) -> tuple[int, bool]:
    """The exit code, and whether it came in time. One that SIGTERM finds done has succeeded all the same."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(most_seconds), True
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        return process.wait(_GRACE_SECONDS), False
    process.kill()
    return process.wait(), False
