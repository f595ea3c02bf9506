"""Rule books read, checked and tried before they take effect: here, or by a process beside this one.

A server has that done beside it: reading, compiling and measuring a large book takes a while, and payments
would wait for the interpreter meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

import msgspec
import numpy as np

from ringfence.analysis.rates import measured_rates
from ringfence.compose.clock import late_after
from ringfence.compose.deciding.models import impact_of_rules
from ringfence.compose.deciding.rules import with_modes
from ringfence.compose.deciding.sent_to_job import refused_by_job
from ringfence.compose.deciding.versions import vet_book
from ringfence.compose.worker_process import MOST_BYTES, Apart, ApartWords, NoAnswerError, TooLateError
from ringfence.decisions.impact import Impact  # noqa: TC001 (msgspec reads the annotations)
from ringfence.errors import InputError, RuleError, ScorerError, StoreError
from ringfence.rulebook.checking import (
    Checked,
    Rate,
    all_heard,
    check,
    missing_lists,
    true_parts,
    warnings_of,
)
from ringfence.rulebook.named_countries import country_names
from ringfence.scoring.reference import Lookups
from ringfence.scoring.rulesets.books import load_book
from ringfence.scoring.rulesets.compiled_books import compiled_of
from ringfence.scoring.rulesets.possible import has_new_conditions
from ringfence.scoring.rulesets.ruleset import RuleSet

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.features.spec import FeatureSpec
    from ringfence.pipeline import View
    from ringfence.ports import EventLog
    from ringfence.ports.models import Deployments
    from ringfence.scoring.rulesets.rules import CompiledRules

T = TypeVar("T")
DEADLINE_SECONDS: Final = 30.0
SAVING_START_SECONDS: Final = 20.0
"""With the deadline less than the pool's for the rule book: whoever saves is told what was late."""

_RATES_SECONDS: Final = 8.0  # for which payments are looked at: of a large book, fewer of them
_KNOWN_START_SECONDS, _KNOWN_SECONDS = 5.0, 10.0  # of what is done here where it is not done in time
_BUSY_SECONDS: Final = 30.0  # for which a process that was late is not waited for again


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

    def read(self, text: str) -> RuleSet:
        """The rules in a book's text. `RuleError` where there are none."""
        ...

    def vet(self, ruleset: RuleSet, before: RuleSet | None = None, *, possible: bool = True) -> None:
        """`RuleError` where rules do not compile, or (`possible`) one beside `before` can never be true."""
        ...

    def impact(self, ruleset: RuleSet, view: View) -> Impact:
        """What recent payments' outcomes would be with these rules. `RuleError` as of `tried`."""
        ...

    def close(self) -> None:
        """Nothing is asked any more."""
        ...


class NowInForce(msgspec.Struct, frozen=True):
    """What a change is compared with: the rules that decide now as JSON, and the champion's digest."""

    ruleset: str
    champion: str | None


@dataclass(frozen=True, slots=True)
class ChecksHere:
    """`Checks` by the thread that asks."""

    log: EventLog
    spec: FeatureSpec
    models: Deployments

    def check(self, text: str, lookups: Lookups, *, measured: bool) -> Checked:
        """See `Checks.check`."""

        def vet(book: RuleSet) -> None:
            vet_book(book, self.spec)

        if not measured:
            return check(text, vet, more=refused_by_job)
        rates = lambda book: self._rates(book, lookups)  # noqa: E731
        return check(text, vet, rates, lists=lookups.lists.names, more=refused_by_job)

    def tried(self, ruleset: RuleSet, lookups: Lookups) -> Tried:
        """See `Checks.tried`."""
        rates = self._rates(ruleset, lookups)
        others = missing_lists(ruleset, lookups.lists.names()) + refused_by_job(ruleset)
        return Tried(rates, warnings_of(rates) + country_names(ruleset, true_parts(rates)) + others)

    def read(self, text: str) -> RuleSet:
        """See `Checks.read`."""
        return load_book(text, "the book")

    def vet(self, ruleset: RuleSet, before: RuleSet | None = None, *, possible: bool = True) -> None:
        """See `Checks.vet`."""
        if possible:
            vet_book(ruleset, self.spec, before)
        else:
            compiled_of(ruleset, self.spec)

    def impact(self, ruleset: RuleSet, view: View) -> Impact:
        """See `Checks.impact`."""
        return self._compared(ruleset, view.rules, view.models.deployment.champion, view.lookups)

    def compared(self, ruleset: RuleSet, now: NowInForce, lookups: Lookups) -> Impact:
        """The same with what decides now told in words."""
        before = compiled_of(RuleSet.from_json(now.ruleset), self.spec)
        return self._compared(ruleset, before, now.champion, lookups)

    def close(self) -> None:
        """See `Checks.close`."""

    def _compared(
        self, ruleset: RuleSet, before: CompiledRules, champion: str | None, lookups: Lookups
    ) -> Impact:
        after = compiled_of(ruleset, self.spec)
        return impact_of_rules(self.log, self.models, champion, lookups, before, after)

    def _rates(self, ruleset: RuleSet, lookups: Lookups) -> list[Rate]:
        heard = compiled_of(all_heard(ruleset), self.spec)
        is_late = late_after(_RATES_SECONDS)
        rates = measured_rates(self.log, heard, lookups.seed, reference=lookups, is_late=is_late)
        return with_modes(rates, ruleset)


class CheckQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is asked: `errand` names a function of `Checks`, the rest is what it is given.

    Rule sets are JSON, lookups are arrays.
    """

    errand: Literal["check", "tried", "read", "vet", "impact"]
    text: str = ""
    ruleset: str = ""
    before: str | None = None
    now: NowInForce | None = None
    flag: bool = True  # `measured` of a check, `possible` of a vetting
    seed: int = 0
    lookups: dict[str, tuple[str, bytes]] = {}


class CheckAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What it says: one of these, or nothing where all is well. `error` is the class of what was raised."""

    checked: Checked | None = None
    tried: Tried | None = None
    ruleset: str | None = None
    impact: Impact | None = None
    error: str | None = None
    problem: str = ""


_ERRORS: Final = {one.__name__: one for one in (RuleError, InputError, ScorerError, StoreError)}


class ChecksBeside:
    """`Checks` by processes of low priority, which are started when they are first asked.

    One looks at what somebody is writing. What is about to be saved has another: nobody who pauses a rule
    waits for a check. Where that one cannot be had, this process does the work; likewise where it is late
    with what this process compiles anyway, as a rule that is paused. New conditions are refused then.
    """

    def __init__(
        self, folder: Path, spec: FeatureSpec, here: Checks, seconds: float = DEADLINE_SECONDS
    ) -> None:
        """`folder` is that of the store."""
        wording = ApartWords(
            "the process that checks rules",
            f"this rule book was not checked within {seconds:g} s: check it in parts, or make it smaller",
            f"checking this rule book needs more than {MOST_BYTES / (1 << 30):g} GiB of memory: check it in "
            "parts, or make it smaller",
            "rules are not checked any more: the server stops",
            f"the rules were not checked within {seconds:g} s, as this machine is busy: try again later",
        )
        arguments = (str(folder.absolute()), str(seconds))
        module = "ringfence.compose.deciding.checking_apart"
        made = (module, arguments, wording, seconds, spec.to_json().encode())
        self._apart, self._saving = Apart(*made), Apart(*made)
        self._here = here
        self._busy_until = 0.0

    def check(self, text: str, lookups: Lookups, *, measured: bool) -> Checked:
        """See `Checks.check`."""
        asked = CheckQuestion(errand="check", text=text, flag=measured, **_of(lookups))
        return _given(self._ask(self._apart, asked).checked)

    def tried(self, ruleset: RuleSet, lookups: Lookups) -> Tried:
        """See `Checks.tried`."""
        asked = CheckQuestion(errand="tried", ruleset=ruleset.to_json(), **_of(lookups))
        return _given(self._ask(self._apart, asked).tried)

    def read(self, text: str) -> RuleSet:
        """See `Checks.read`."""
        answer = self._saved(CheckQuestion(errand="read", text=text))
        return self._here.read(text) if answer is None else RuleSet.from_json(_given(answer.ruleset))

    def vet(self, ruleset: RuleSet, before: RuleSet | None = None, *, possible: bool = True) -> None:
        """See `Checks.vet`."""
        known = None if before is None else before.to_json()
        asked = CheckQuestion(errand="vet", ruleset=ruleset.to_json(), before=known, flag=possible)
        is_known = not possible or (before is not None and not has_new_conditions(ruleset, before))
        if self._saved(asked, is_known=is_known) is None:
            self._here.vet(ruleset, before, possible=possible)

    def impact(self, ruleset: RuleSet, view: View) -> Impact:
        """See `Checks.impact`."""
        now = NowInForce(view.rules.ruleset.to_json(), view.models.deployment.champion)
        asked = CheckQuestion(errand="impact", ruleset=ruleset.to_json(), now=now, **_of(view.lookups))
        answer = self._saved(asked, is_known=not has_new_conditions(ruleset, view.rules.ruleset))
        return self._here.impact(ruleset, view) if answer is None else _given(answer.impact)

    def close(self) -> None:
        """See `Checks.close`. A question under way is given up."""
        self._apart.close()
        self._saving.close()

    def _saved(self, question: CheckQuestion, *, is_known: bool = False) -> CheckAnswer | None:
        """Its answer; None where there is no process to ask, or it is late with what is known here."""
        if is_known and monotonic() < self._busy_until:
            return None
        start, seconds = SAVING_START_SECONDS, DEADLINE_SECONDS
        if is_known:
            start, seconds = _KNOWN_START_SECONDS, _KNOWN_SECONDS
        try:
            return self._ask(self._saving, question, start, seconds)
        except (NoAnswerError, TooLateError) as error:
            self._busy_until = monotonic() + _BUSY_SECONDS
            if isinstance(error, TooLateError) and not is_known:
                raise
            return None

    def _ask(
        self,
        apart: Apart,
        question: CheckQuestion,
        start_seconds: float | None = None,
        seconds: float | None = None,
    ) -> CheckAnswer:
        message = msgspec.msgpack.encode(question)
        answer = apart.ask(message, _decoded, start_seconds=start_seconds, seconds=seconds)
        if answer.error is not None:
            raise _ERRORS[answer.error](answer.problem)
        return answer


def _of(lookups: Lookups) -> dict[str, Any]:
    return {"seed": lookups.seed, "lookups": packed(lookups.to_arrays())}


def _given(found: T | None) -> T:
    assert found is not None
    return found


def _decoded(said: bytes) -> CheckAnswer:
    return msgspec.msgpack.decode(said, type=CheckAnswer)


def packed(arrays: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    """Arrays as their types and bytes; all have one dimension."""
    return {name: (array.dtype.str, array.tobytes()) for name, array in arrays.items()}


def unpacked(arrays: dict[str, tuple[str, bytes]]) -> dict[str, Any]:
    """The arrays that were `packed`, read-only."""
    return {name: np.frombuffer(held, np.dtype(kind)) for name, (kind, held) in arrays.items()}


def answered(question: CheckQuestion, checks: ChecksHere) -> CheckAnswer:
    """What `checks` says to a question."""
    try:
        return _answered(question, checks)
    except tuple(_ERRORS.values()) as error:
        kind = next(name for name, one in _ERRORS.items() if isinstance(error, one))
        return CheckAnswer(error=kind, problem=str(error))


def _answered(question: CheckQuestion, checks: ChecksHere) -> CheckAnswer:
    if question.errand == "read":
        return CheckAnswer(ruleset=checks.read(question.text).to_json())
    if question.errand == "vet":
        before = None if question.before is None else RuleSet.from_json(question.before)
        checks.vet(RuleSet.from_json(question.ruleset), before, possible=question.flag)
        return CheckAnswer()
    lookups = Lookups.from_arrays(unpacked(question.lookups), question.seed)
    if question.errand == "check":
        return CheckAnswer(checked=checks.check(question.text, lookups, measured=question.flag))
    ruleset = RuleSet.from_json(question.ruleset)
    if question.errand == "tried":
        return CheckAnswer(tried=checks.tried(ruleset, lookups))
    return CheckAnswer(impact=checks.compared(ruleset, _given(question.now), lookups))
