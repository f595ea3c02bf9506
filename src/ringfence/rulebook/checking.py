"""Looking at a rule book before it is saved: all that is wrong with it, and how often its rules fire."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from ringfence.errors import RuleError
from ringfence.events.values.vocabulary import nearest
from ringfence.rulebook.named_countries import country_names
from ringfence.scoring.language.names import TYPOLOGY_PREFIX
from ringfence.scoring.rulesets.books import load_book, nodes_of
from ringfence.scoring.rulesets.outcomes import Mode
from ringfence.scoring.rulesets.rules import lists_of
from ringfence.scoring.rulesets.ruleset import Policy, Rule, RuleSet
from ringfence.scoring.rulesets.typologies import Typology

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_MOST_FAULTS: Final = 50  # told at once: each is looked for by itself
ALWAYS: Final = 0.5
"""A rule that fires on a greater share of payments is warned of: it says nothing, or stops everybody."""

T = TypeVar("T", Rule, Typology)
_PLACE: Final = re.compile(r"\(line (\d+), column (\d+)\)")
_IN_BOOK: Final = re.compile(r"line (\d+)[:,]")


class RuleFault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong. `line` is of the book's text, `column` of the rule's condition."""

    problem: str
    rule: str | None = None
    line: int | None = None
    column: int | None = None


class PartRate(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often one part of a condition is true, a part being what stands between AND, OR and NOT.

    `why` says why it never was, where the payments tell. `mistake` where that is hardly chance: a number
    compared with text, or a value beside one that payments have.
    """

    text: str
    fired: int
    why: str = ""
    mistake: bool = False


class Rate(msgspec.Struct, frozen=True):
    """How often a rule's condition, and each part of it, is true, over the newest stored payments."""

    rule: str
    mode: Mode
    judged: int
    fired: int
    parts: list[PartRate] = []

    @property
    def share(self) -> float:
        """Of the payments judged, 0 where there are none."""
        return self.fired / self.judged if self.judged else 0.0


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of a rule book. `digest` is the version it would be, null where it has faults."""

    digest: str | None
    faults: list[RuleFault]
    warnings: list[str] = []
    rates: list[Rate] = []
    modes: dict[str, int] = {}


def check(
    text: str,
    fit: Callable[[RuleSet], object],
    measure: Callable[[RuleSet], Iterable[Rate]] = lambda _ruleset: (),
    origin: str = "the book",
    lists: Callable[[], Collection[str]] | None = None,
    more: Callable[[RuleSet], list[str]] = lambda _ruleset: [],
) -> Checked:
    """Every fault of a book's text; where it has none, its warnings and measured rates.

    `fit` raises a RuleError for rules that do not compile. `lists` gives the names of the lists that there
    are, where anybody knows; `more` gives other warnings.
    """
    try:
        ruleset = load_book(text, origin)
    except RuleError as error:
        found = _IN_BOOK.search(str(error))
        return Checked(digest=None, faults=[RuleFault(str(error), line=int(found[1]) if found else None)])
    try:
        fit(ruleset)
    except RuleError as error:
        faults = _faults(ruleset, fit, text) or [RuleFault(str(error))]
        return Checked(digest=None, faults=faults)
    rates = list(measure(ruleset))
    warnings = warnings_of(rates) + country_names(ruleset, true_parts(rates))
    warnings += missing_lists(ruleset, lists()) if lists is not None else []
    warnings += more(ruleset)
    return Checked(digest=ruleset.digest, faults=[], warnings=warnings, rates=rates, modes=_modes(ruleset))


def missing_lists(ruleset: RuleSet, known: Collection[str]) -> list[str]:
    """A warning for each list that a rule asks for, that nobody is on, and that no rule adds to."""
    there = {*known, *(rule.add_to.list for rule in ruleset.rules if rule.add_to is not None)}
    return [
        f"rule {rule.id!r} asks for list {name!r}, which does not exist{nearest(name, sorted(there))}: "
        "it is as if it were empty"
        for rule in ruleset.every_rule
        if rule.mode is not Mode.ARCHIVED
        for name in sorted(lists_of(rule) - there)
    ]


def all_heard(ruleset: RuleSet) -> RuleSet:
    """The same rules, those that rest in shadow, for measuring them; archived ones are left alone."""

    def heard(part: T) -> T:
        resting = part.mode in (Mode.DRAFT, Mode.PAUSED)
        return msgspec.structs.replace(part, mode=Mode.SHADOW) if resting else part

    return msgspec.structs.replace(
        ruleset, rules=tuple(map(heard, ruleset.rules)), typologies=tuple(map(heard, ruleset.typologies))
    )


def warnings_of(rates: Iterable[Rate]) -> list[str]:
    """What somebody should read before these rules take effect.

    >>> warnings_of([Rate("all", Mode.ACTIVE, 1000, 1000), Rate("few", Mode.ACTIVE, 1000, 3)])
    ["rule 'all' fires on every one of the last 1,000 payments: is its condition what you mean?"]
    """
    rates = list(rates)
    always = [
        f"rule {rate.rule!r} fires on {_much(rate)} of the last {rate.judged:,} payments: is its condition "
        "what you mean?"
        for rate in rates
        if rate.share > ALWAYS
    ]
    never = [
        f"rule {rate.rule!r}: {part.text} was true of none of the last {rate.judged:,} payments: {part.why}"
        for rate in rates
        for part in rate.parts
        if part.mistake
    ]
    return always + never


def true_parts(rates: Iterable[Rate]) -> list[str]:
    """The parts of conditions that were true of some payment."""
    return [part.text for rate in rates for part in rate.parts if part.fired]


def _much(rate: Rate) -> str:
    return "every one" if rate.fired == rate.judged else f"{100 * rate.share:.1f} %"


def _faults(ruleset: RuleSet, fit: Callable[[RuleSet], object], text: str) -> list[RuleFault]:
    """One by one, so that no mistake hides the next; typologies first, because rules speak of them."""
    try:
        fit(ruleset)
    except RuleError:
        alone = msgspec.structs.replace(ruleset, policy=Policy(), rules=(), typologies=())
    else:
        return []
    faults = []
    for typology, line in zip_longest(ruleset.typologies, _lines(text, "typologies")):
        part = msgspec.structs.replace(alone, typologies=(typology,))
        faults += _fault(part, typology.name, fit, line)
        if len(faults) >= _MOST_FAULTS:
            return faults
    if faults:
        return faults
    for rule, line in zip_longest(ruleset.rules, _lines(text, "rules")):
        needed = ruleset.typologies if TYPOLOGY_PREFIX in rule.when else ()
        part = msgspec.structs.replace(alone, rules=(rule,), typologies=needed)
        faults += _fault(part, rule.id, fit, line)
        if len(faults) >= _MOST_FAULTS:
            return faults
    return faults


def _fault(part: RuleSet, name: str, fit: Callable[[RuleSet], object], line: int | None) -> list[RuleFault]:
    try:
        fit(part)
    except RuleError as error:
        place = _PLACE.search(str(error))
        return [RuleFault(str(error), name, line, int(place[2]) if place else None)]
    return []


def _lines(text: str, what: str) -> list[int]:
    """Line of each rule, or typology, in a book's text; those of a book that it extends come after them."""
    root = nodes_of(text)
    found = next((value for key, value in root.value if key.value == what), None)
    return [] if found is None else [node.start_mark.line + 1 for node in found.value]


def _modes(ruleset: RuleSet) -> dict[str, int]:
    counts = dict.fromkeys(map(str, Mode), 0)
    for rule in ruleset.every_rule:
        counts[str(rule.mode)] += 1
    return counts
