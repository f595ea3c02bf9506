"""Rule books tried before they take effect: here, or by a process beside this one.

A server checks in a process beside it: reading, compiling and measuring a large book takes a while, and
payments would wait for the interpreter meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Timer
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

import msgspec
import numpy as np

from ringfence.analysis.rates import measured_rates
from ringfence.compose.rules import with_modes
from ringfence.compose.versions import compiled_book, vet_book
from ringfence.errors import InputError, RuleError, StoreError
from ringfence.rulebook.checking import Checked, Rate, all_heard, check, missing_lists, warnings_of
from ringfence.scoring.reference import Lookups
from ringfence.scoring.rules import RuleSet

if TYPE_CHECKING:
    from ringfence.features.spec import FeatureSpec
    from ringfence.ports import EventLog

DEADLINE_SECONDS: Final = 30.0
_START_SECONDS: Final = 60.0
_MOST_BYTES: Final = 1 << 30
_PROCESS: Final = "ringfence.compose.checking_apart"
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
    ended; the next question starts another. It ends where this process does, however that ends.
    """

    def __init__(self, folder: Path, spec: FeatureSpec, seconds: float = DEADLINE_SECONDS) -> None:
        """`folder` is that of the store."""
        self._command = [
            sys.executable,
            "-P",
            "-m",
            "ringfence.compose.checking_apart",
            str(folder.absolute()),
        ]
        self._spec = spec.to_json()
        self._seconds = seconds
        self._lock = Lock()
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
        process = self._process
        if process is not None:
            process.kill()
        with self._lock:
            self._end()

    def _ask(self, lookups: Lookups, **asked: Any) -> Answer:
        question = Question(seed=lookups.seed, lookups=packed(lookups.to_arrays()), **asked)
        with self._lock:
            said = self._said(msgspec.msgpack.encode(question))
        answer = msgspec.msgpack.decode(said, type=Answer)
        if answer.problem is not None:
            raise RuleError(answer.problem)
        return answer

    def _said(self, question: bytes) -> bytes:
        """What the process answers, which is started if need be."""
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(  # noqa: S603 (our own command)
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._exchange(self._process, self._spec.encode(), _START_SECONDS)
        said = self._exchange(self._process, question, self._seconds)
        if memory_bytes(self._process.pid) > _MOST_BYTES:
            self._end()
        return said

    def _exchange(self, process: subprocess.Popen[bytes], message: bytes, seconds: float) -> bytes:
        """One message there and one back; the process is ended where it takes longer."""
        assert process.stdin is not None
        assert process.stdout is not None
        late = Timer(seconds, process.kill)
        late.start()
        try:
            send(process.stdin, message)
            said = received(process.stdout)
        except OSError:
            said = None
        in_time = late.is_alive()
        late.cancel()
        if said is not None:
            return said
        self._end()
        if in_time:
            raise StoreError(
                "the process that checks rules has ended; the server's log may say why: try again"
            )
        raise InputError(
            f"this rule book was not checked within {seconds:g} s: check it in parts, or make it smaller"
        )

    def _end(self) -> None:
        if self._process is not None:
            with self._process as process:  # closes its pipes, and waits
                process.kill()
            self._process = None


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


def received(pipe: IO[bytes]) -> bytes | None:
    """The next message; None where the other end has closed."""
    head = pipe.read(_LENGTH)
    if len(head) < _LENGTH:
        return None
    length = int.from_bytes(head, "little")
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
