"""Rule books tried before they take effect: here, or by a process beside this one.

A server checks in a process beside it: reading, compiling and measuring a large book takes a while, and
payments would wait for the interpreter meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import numpy as np

from ringfence.analysis.rates import measured_rates
from ringfence.compose.rules import with_modes
from ringfence.compose.versions import vet_book
from ringfence.compose.worker_process import MOST_BYTES, Apart, ApartWords
from ringfence.errors import RuleError
from ringfence.rulebook.checking import Checked, Rate, all_heard, check, missing_lists, warnings_of
from ringfence.scoring.reference import Lookups
from ringfence.scoring.rulesets.compiled_books import compiled_of
from ringfence.scoring.rulesets.rules import RuleSet

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.features.spec import FeatureSpec
    from ringfence.ports import EventLog

DEADLINE_SECONDS: Final = 30.0


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
        heard = compiled_of(all_heard(ruleset), self.spec)
        return with_modes(measured_rates(self.log, heard, lookups.seed, reference=lookups), ruleset)


class CheckQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is asked: a book's `text`, or a rule set as JSON; beside it the lookups as arrays."""

    text: str | None = None
    ruleset: str | None = None
    measured: bool = True
    seed: int
    lookups: dict[str, tuple[str, bytes]]


class CheckAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What it says: one of these. `problem` is the text of a `RuleError`."""

    checked: Checked | None = None
    tried: Tried | None = None
    problem: str | None = None


class ChecksBeside:
    """`Checks` by a process of low priority, which is started when it is first asked."""

    def __init__(self, folder: Path, spec: FeatureSpec, seconds: float = DEADLINE_SECONDS) -> None:
        """`folder` is that of the store."""
        wording = ApartWords(
            "the process that checks rules",
            f"this rule book was not checked within {seconds:g} s: check it in parts, or make it smaller",
            f"checking this rule book needs more than {MOST_BYTES / (1 << 30):g} GiB of memory: check it in "
            "parts, or make it smaller",
            "rules are not checked any more: the server stops",
        )
        arguments = (str(folder.absolute()), str(seconds))
        module = "ringfence.compose.checking_apart"
        self._apart = Apart(module, arguments, wording, seconds, spec.to_json().encode())

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
        self._apart.close()

    def _ask(self, lookups: Lookups, **asked: Any) -> CheckAnswer:
        question = CheckQuestion(seed=lookups.seed, lookups=packed(lookups.to_arrays()), **asked)
        answer = self._apart.ask(msgspec.msgpack.encode(question), _decoded)
        if answer.problem is not None:
            raise RuleError(answer.problem)
        return answer


def _decoded(said: bytes) -> CheckAnswer:
    return msgspec.msgpack.decode(said, type=CheckAnswer)


def packed(arrays: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    """Arrays as their types and bytes; all have one dimension."""
    return {name: (array.dtype.str, array.tobytes()) for name, array in arrays.items()}


def unpacked(arrays: dict[str, tuple[str, bytes]]) -> dict[str, Any]:
    """The arrays that were `packed`, read-only."""
    return {name: np.frombuffer(held, np.dtype(kind)) for name, (kind, held) in arrays.items()}


def answered(question: CheckQuestion, checks: Checks) -> CheckAnswer:
    """What `checks` says to a question."""
    lookups = Lookups.from_arrays(unpacked(question.lookups), question.seed)
    try:
        if question.text is not None:
            return CheckAnswer(checked=checks.check(question.text, lookups, measured=question.measured))
        return CheckAnswer(tried=checks.tried(RuleSet.from_json(question.ruleset or ""), lookups))
    except RuleError as error:
        return CheckAnswer(problem=str(error))
