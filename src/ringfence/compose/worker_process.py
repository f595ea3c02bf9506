"""A process of low priority beside this one that answers messages: what it does, no payment waits for.

What takes long in Python holds the interpreter's lock, and what needs much memory leaves gaps in it. In a
process beside the server both are bounded, and gone with it.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Event, Lock, Thread
from time import monotonic
from typing import IO, TYPE_CHECKING, Final, Self, TypeVar

import msgspec

from ringfence.errors import InputError, RingfenceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

START_SECONDS: Final = 60.0
RAN: Final = 0.5
"""Part of its time that a process has on a processor: below, the machine was busy."""

MOST_BYTES: Final = 1 << 30
MOST_MESSAGE: Final = 1 << 30
_MOST_ANSWER: Final = 64 << 20  # bytes
_LOOK_SECONDS: Final = 0.05  # between two looks at the memory of the process
_LENGTH: Final = 8  # bytes that tell how long a message is


@dataclass(frozen=True, slots=True)
class ApartWords:
    """How errors name what the process does.

    `late`, `busy` and `large` are sentences without their beginning: "this rule book was not checked within
    30 s: …". `busy` is said where the process had less than half of that time on a processor.
    """

    process: str  # "the process that checks rules"
    late: str
    large: str
    stopped: str
    busy: str = ""  # without it `late` is said


class TooLateError(InputError):
    """The process was ended before it had an answer: that took longer than it may."""


class StarvedError(TooLateError):
    """Likewise, as this machine had no time for it: the same question may have an answer later."""


class NoAnswerError(StoreError):
    """There is no process to ask, or it ended amid the question."""


class Apart:
    """One process, which is started when it is first asked, and one question at a time.

    A process that takes longer than its deadline, or more memory than it may, is ended; the next question
    starts another. It ends where this process does, however that ends, also amid a question.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        wording: ApartWords,
        seconds: float,
        greeting: bytes = b"",
        patience: float = 0.0,
    ) -> None:
        """`module` answers `greeting` once it is ready: see `ringfence.compose.answering`.

        Its `main` gets `arguments`, of which there are two: see `ringfence.compose.apart`. An answer may take
        `seconds`, and where the machine has no time for the process, up to `patience` where that is longer.
        """
        self._command = [sys.executable, "-P", "-m", "ringfence.compose.apart", module, *arguments]
        self._wording = wording
        self._greeting = greeting
        self._seconds = seconds
        self._patience = patience
        self._turns = Condition()
        self._busy = False  # from a question to its answer
        self._first = 0  # of those who wait, how many come before the others
        self._starting = Lock()  # none starts once this is closed
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Have it started now, where it does not run; `StoreError` where it cannot be."""
        with self._turn():
            self._running()

    def ask(
        self,
        question: bytes,
        decode: Callable[[bytes], T],
        *,
        first: bool = False,
        start_seconds: float | None = None,
        seconds: float | None = None,
    ) -> T:
        """Its answer, decoded; `first` before those who wait already.

        `start_seconds` and `seconds` are shorter limits of this question, for the start of a process and the
        answer. `TooLateError` where that takes too long, `InputError` where it takes too much memory,
        `StoreError` where there is no process.
        """
        with self._turn(first=first):
            process = self._running(start_seconds)
            limit = self._seconds if seconds is None else min(self._seconds, seconds)
            late = TooLateError(self._wording.late)
            busy = StarvedError(self._wording.busy) if self._wording.busy else late
            answer = self._exchange(process, question, decode, limit, late, busy)
            if memory_bytes(process.pid) > MOST_BYTES:
                self._end()
            return answer

    def close(self) -> None:
        """Nothing is asked any more. A question under way is given up."""
        with self._starting:
            self._closed = True
            process = self._process
            if process is not None:
                process.kill()
        with self._turn(first=True):
            self._end()

    @contextmanager
    def _turn(self, *, first: bool = False) -> Iterator[None]:
        with self._turns:
            self._first += first
            while self._busy or (self._first and not first):
                self._turns.wait()
            self._first -= first
            self._busy = True
        try:
            yield
        finally:
            with self._turns:
                self._busy = False
                self._turns.notify_all()

    def _running(self, seconds: float | None = None) -> subprocess.Popen[bytes]:
        limit = START_SECONDS if seconds is None else min(START_SECONDS, seconds)
        process = self._process
        if process is not None and process.poll() is None:
            return process
        self._end()
        with self._starting:
            if self._closed:
                raise NoAnswerError(self._wording.stopped)
            self._process = process = subprocess.Popen(  # noqa: S603 (our own command)
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        late = NoAnswerError(
            f"{self._wording.process} could not be started within {limit:g} s: try again when this "
            "machine is less busy"
        )
        self._exchange(process, self._greeting, bytes, limit, late)
        return process

    def _exchange(
        self,
        process: subprocess.Popen[bytes],
        message: bytes,
        decode: Callable[[bytes], T],
        seconds: float,
        late: RingfenceError,
        busy: RingfenceError | None = None,
    ) -> T:
        """One message there and one back; the process is ended where anything goes wrong with that.

        `late` is raised where it takes longer than `seconds`; `busy` where it hardly ran meanwhile.
        """
        assert process.stdin is not None
        assert process.stdout is not None
        starved = (self._patience, busy) if busy else (0.0, late)
        watch, answer = _Watch(process, seconds, late, *starved, InputError(self._wording.large)), None
        try:
            with watch:
                send(process.stdin, message)
                if (said := received(process.stdout, _MOST_ANSWER)) is not None:
                    answer = decode(said)
        except (OSError, ValueError, msgspec.DecodeError):
            pass  # it has ended, or does not say what it should: below
        finally:
            if answer is None or watch.why is not None:
                self._end()
        if answer is not None:
            return answer
        if watch.why is not None:
            raise watch.why
        raise NoAnswerError(
            self._wording.stopped
            if self._closed
            else f"{self._wording.process} has ended; the server's log may say why: try again"
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError), process:  # closes its pipes, whatever is still in them, and waits
                pass


class _Watch:
    """Ends a process that takes longer than it may, or more memory; `why` is the error to raise then.

    One that hardly runs has `patience`, where that is longer than `seconds`.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        seconds: float,
        late: RingfenceError,
        patience: float,
        busy: RingfenceError,
        large: RingfenceError,
    ) -> None:
        self.why: RingfenceError | None = None
        self._process, self._seconds, self._patience = process, seconds, max(patience, seconds)
        self._late, self._busy, self._large = late, busy, large
        self._over = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        pid = self._process.pid
        begin, least = monotonic(), cpu_seconds(pid) + self._seconds * RAN
        end, last = begin + self._seconds, begin + self._patience
        while not self._over.wait(min(_LOOK_SECONDS, max(last - monotonic(), 0))):
            now = monotonic()
            if memory_bytes(pid) > MOST_BYTES:
                self.why = self._large
            elif now >= end and cpu_seconds(pid) >= least:
                self.why = self._late
            elif now >= last:
                self.why = self._busy
            if self.why is not None:
                self._process.kill()
                return


def send(pipe: IO[bytes], message: bytes) -> None:
    """Write a message and how long it is."""
    pipe.write(len(message).to_bytes(_LENGTH, "little"))
    pipe.write(message)
    pipe.flush()


def received(pipe: IO[bytes], most: int) -> bytes | None:
    """The next message; None where the other end has closed. `ValueError` above `most` bytes."""
    head = pipe.read(_LENGTH)
    if len(head) < _LENGTH:
        return None
    length = int.from_bytes(head, "little")
    if length > most:
        raise ValueError(f"a message of {length} bytes")
    message = pipe.read(length)
    return message if len(message) == length else None


def cpu_seconds(pid: int) -> float:
    """Time that a process has had on processors, endless where the system does not tell."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return math.inf


def memory_bytes(pid: int) -> int:
    """Resident memory of a process, 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
