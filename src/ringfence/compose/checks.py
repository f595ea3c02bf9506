"""Rule books tried before they take effect: here, or by a process beside this one.

A server checks in a process beside it: reading, compiling and measuring a large book takes a while, and
payments would wait for the interpreter meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

import msgspec
import numpy as np

from ringfence.analysis.rates import measured_rates
from ringfence.compose.rules import with_modes
from ringfence.compose.versions import compiled_book, vet_book
from ringfence.errors import InputError, RingfenceError, RuleError, StoreError
from ringfence.rulebook.checking import Checked, Rate, all_heard, check, missing_lists, warnings_of
from ringfence.scoring.reference import Lookups
from ringfence.scoring.rules import RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.features.spec import FeatureSpec
    from ringfence.ports import EventLog

T = TypeVar("T")

DEADLINE_SECONDS: Final = 30.0
START_SECONDS: Final = 60.0
_MOST_BYTES: Final = 1 << 30
_MOST_ANSWER: Final = 64 << 20  # bytes
_LOOK_SECONDS: Final = 0.05  # between two looks at the memory of the process
_STOPPED: Final = "rules are not checked any more: the server stops"
_LENGTH: Final = 8  # bytes that tell how long a message is


class Tried(msgspec.Struct, frozen=True):
    """The rates of a rule set, and what should be read before it takes effect."""

    rates: list[Rate]
    warnings: list[str]


class Checks(Protocol):
    """Looks at rules over the newest stored payments, with `lookups` as they are now."""

    def check(self, text: str, lookups: Lookups, *, measured: bool) -> Checked:
        """All that is wrong with a book's text, or else, if `measured`, how often its rules are TRUE."""
        ...

    def tried(self, ruleset: RuleSet, lookups: Lookups) -> Tried:
        """How often rules are TRUE. `RuleError` where they do not compile."""
        ...

    def close(self) -> None:
        """Nothing is asked any more."""
        ...


@dataclass(frozen=True, slots=True)
class ChecksHere:
    """`Checks` by the thread that asks."""

    log: EventLog
    spec: FeatureSpec

    def check(self, text: str, lookups: Lookups, *, measured: bool) -> Checked:
        """See `Checks.check`."""

        def vet(book: RuleSet) -> None:
            vet_book(book, self.spec)

        if not measured:
            return check(text, vet)
        return check(text, vet, lambda book: self._rates(book, lookups), lists=lookups.lists.names)

    def tried(self, ruleset: RuleSet, lookups: Lookups) -> Tried:
        """See `Checks.tried`."""
        rates = self._rates(ruleset, lookups)
        return Tried(rates, warnings_of(rates) + missing_lists(ruleset, lookups.lists.names()))

    def close(self) -> None:
        """See `Checks.close`."""

    def _rates(self, ruleset: RuleSet, lookups: Lookups) -> list[Rate]:
        heard = compiled_book(all_heard(ruleset), self.spec)
        return with_modes(measured_rates(self.log, heard, lookups.seed, reference=lookups), ruleset)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is asked: a book's `text`, or a rule set as JSON; beside it the lookups as arrays."""

    text: str | None = None
    ruleset: str | None = None
    measured: bool = True
    seed: int
    lookups: dict[str, tuple[str, bytes]]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What it says: one of these. `problem` is the text of a `RuleError`."""

    checked: Checked | None = None
    tried: Tried | None = None
    problem: str | None = None


class ChecksBeside:
    """`Checks` by a process of low priority, which is started when it is first asked.

    One question at a time. A process that takes longer than its deadline, or more memory than it may, is
    ended; the next question starts another. It ends where this process does, however that ends, also amid a
    question.
    """

    def __init__(self, folder: Path, spec: FeatureSpec, seconds: float = DEADLINE_SECONDS) -> None:
        """`folder` is that of the store."""
        self._command = [
            sys.executable,
            "-P",
            "-m",
            "ringfence.compose.checking_apart",
            str(folder.absolute()),
            str(seconds),
        ]
        self._spec = spec.to_json()
        self._seconds = seconds
        self._lock = Lock()  # held from a question to its answer
        self._starting = Lock()  # none starts once this is closed
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None

    def check(self, text: str, lookups: Lookups, *, measured: bool) -> Checked:
        """See `Checks.check`."""
        answer = self._ask(lookups, text=text, measured=measured)
        assert answer.checked is not None
        return answer.checked

    def tried(self, ruleset: RuleSet, lookups: Lookups) -> Tried:
        """See `Checks.tried`."""
        answer = self._ask(lookups, ruleset=ruleset.to_json())
        assert answer.tried is not None
        return answer.tried

    def close(self) -> None:
        """See `Checks.close`. A question under way is given up."""
        with self._starting:
            self._closed = True
            process = self._process
            if process is not None:
                process.kill()
        with self._lock:
            self._end()

    def _ask(self, lookups: Lookups, **asked: Any) -> Answer:
        question = Question(seed=lookups.seed, lookups=packed(lookups.to_arrays()), **asked)
        with self._lock:
            answer = self._answer(msgspec.msgpack.encode(question))
        if answer.problem is not None:
            raise RuleError(answer.problem)
        return answer

    def _answer(self, question: bytes) -> Answer:
        """What the process answers, which is started if need be."""
        process = self._process
        if process is None or process.poll() is not None:
            self._end()
            process = self._started()
            late: RingfenceError = StoreError(
                f"the process that checks rules could not be started within {START_SECONDS:g} s: try again "
                "when this machine is less busy"
            )
            self._exchange(process, self._spec.encode(), bytes, START_SECONDS, late)
        late = InputError(
            f"this rule book was not checked within {self._seconds:g} s: check it in parts, or make it "
            "smaller"
        )
        answer = self._exchange(process, question, _decoded, self._seconds, late)
        if memory_bytes(process.pid) > _MOST_BYTES:
            self._end()
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        with self._starting:
            if self._closed:
                raise StoreError(_STOPPED)
            self._process = subprocess.Popen(  # noqa: S603 (our own command)
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            return self._process

    def _exchange(
        self,
        process: subprocess.Popen[bytes],
        message: bytes,
        decode: Callable[[bytes], T],
        seconds: float,
        late: RingfenceError,
    ) -> T:
        """One message there and one back; the process is ended where anything goes wrong with that.

        `late` is raised where it takes longer than `seconds`.
        """
        assert process.stdin is not None
        assert process.stdout is not None
        watch, answer = _Watch(process, seconds, late), None
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
        raise StoreError(
            _STOPPED
            if self._closed
            else "the process that checks rules has ended; the server's log may say why: try again"
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError), process:  # closes its pipes, whatever is still in them, and waits
                pass


class _Watch:
    """Ends a process that takes longer than it may, or more memory; `why` is the error to raise then."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float, late: RingfenceError) -> None:
        self.why: RingfenceError | None = None
        self._over = Event()
        self._thread = Thread(target=self._look, args=(process, seconds, late), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self, process: subprocess.Popen[bytes], seconds: float, late: RingfenceError) -> None:
        end = monotonic() + seconds
        while not self._over.wait(min(_LOOK_SECONDS, max(end - monotonic(), 0))):
            if monotonic() >= end:
                self.why = late
            elif memory_bytes(process.pid) > _MOST_BYTES:
                self.why = InputError(
                    f"checking this rule book needs more than {_MOST_BYTES / (1 << 30):g} GiB of memory: "
                    "check it in parts, or make it smaller"
                )
            if self.why is not None:
                process.kill()
                return


def _decoded(said: bytes) -> Answer:
    return msgspec.msgpack.decode(said, type=Answer)


def packed(arrays: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    """Arrays as their types and bytes; all have one dimension."""
    return {name: (array.dtype.str, array.tobytes()) for name, array in arrays.items()}


def unpacked(arrays: dict[str, tuple[str, bytes]]) -> dict[str, Any]:
    """The arrays that were `packed`, read-only."""
    return {name: np.frombuffer(held, np.dtype(kind)) for name, (kind, held) in arrays.items()}


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


def memory_bytes(pid: int) -> int:
    """Resident memory of a process, 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def answered(question: Question, checks: Checks) -> Answer:
    """What `checks` says to a question."""
    lookups = Lookups.from_arrays(unpacked(question.lookups), question.seed)
    try:
        if question.text is not None:
            return Answer(checked=checks.check(question.text, lookups, measured=question.measured))
        return Answer(tried=checks.tried(RuleSet.from_json(question.ruleset or ""), lookups))
    except RuleError as error:
        return Answer(problem=str(error))
