"""The live rule book of one store: what is in force, what was, and how often rules fire on what it holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ringfence.analysis.rates import MeasuredRate, measured_rates
from ringfence.compose.folder.store import has_store, open_store
from ringfence.errors import InputError
from ringfence.events.activation import versions
from ringfence.rulebook.changes import Activation
from ringfence.rulebook.checking import Rate, all_heard
from ringfence.rulebook.desk import RuleBookReader
from ringfence.scoring.rulesets.rules import compile_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec
    from ringfence.ports.tables import ListAnswers
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.scoring.rulesets.ruleset import RuleSet
    from ringfence.store import DataFolder

FIRST_RULES: Final = "first_rules"
"""Under this name a store remembers the rules in force before its log activates others."""

_ACTIVATIONS: Final = (
    'SELECT "offset", event_time_ms, entity_id, note, attributes FROM events '
    """WHERE kind = 'activation' AND entity_type = 'rules' ORDER BY "offset" """
)


class Compiler(Protocol):
    """As much of a library as the book needs."""

    def rules(self, digest: str) -> CompiledRules:
        """Those of a kept version, kept at hand from then on."""
        ...


class Vetting(Protocol):
    """As much of `ringfence.compose.deciding.checks.Checks`."""

    def vet(self, ruleset: RuleSet, before: RuleSet | None = None, *, possible: bool = True) -> None:
        """`RuleError` where rules do not fit the features in use, or can never be true."""
        ...


@dataclass(frozen=True, slots=True)
class LoggedForce:
    """`ringfence.rulebook.desk.Force` over the log of an open store."""

    store: DataFolder
    library: Compiler
    checks: Vetting
    now: Callable[[], str]
    append: Callable[[EventBatch], int]
    lake: Callable[[], ListAnswers]

    def active(self) -> str:
        """See `History.active`."""
        return self.now()

    def activations(self) -> list[Activation]:
        """See `History.activations`."""
        return activations(self.store, self.lake())

    def fit(self, ruleset: RuleSet) -> None:
        """See `Force.fit`."""
        self.checks.vet(ruleset, possible=False)

    def vet(self, ruleset: RuleSet, before: RuleSet | None = None) -> None:
        """See `Force.vet`."""
        self.checks.vet(ruleset, before)

    def put(self, change: EventBatch) -> int:
        """See `Force.put`."""
        for version in versions(change):
            self.library.rules(version.digest)  # compiled here, so that no payment waits for it
        return self.append(change)


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """`ringfence.rulebook.desk.History` of a store that another process may be writing to."""

    store: DataFolder
    lake: ListAnswers

    def active(self) -> str:
        """See `History.active`."""
        found = self.activations()
        if not found:
            raise InputError(f"{self.store.folder} has no rules in force yet: run or serve it first")
        return found[-1].digest

    def activations(self) -> list[Activation]:
        """See `History.activations`."""
        return activations(self.store, self.lake)


def book_reader(store: DataFolder, lake: ListAnswers, *, require_approval: bool) -> RuleBookReader:
    """The rule book of a store, for looking at."""
    return RuleBookReader(store.rule_history, StoredHistory(store, lake), require_approval)


def activations(store: DataFolder, lake: ListAnswers) -> list[Activation]:
    """Every version of the rules that has been in force, from the first one on."""
    digest = store.remembered(FIRST_RULES)
    first = [Activation(digest=digest, offset=0, time_ms=None, author=None, note=None)] if digest else []
    return first + [
        Activation(
            digest=row["entity_id"],
            offset=row["offset"],
            time_ms=row["event_time_ms"],
            author=json.loads(row["attributes"] or "{}").get("author"),
            note=row["note"],
        )
        for row in lake.sql(_ACTIVATIONS).to_pylist()
    ]


def stored_rates(folder: Path, spec: FeatureSpec, ruleset: RuleSet) -> list[Rate]:
    """How often each rule's condition is TRUE of the newest payments that a folder holds, if it holds any.

    Another process may be writing there. Lists and profiles are taken to be empty.
    """
    if not has_store(folder):
        return []
    with open_store(folder, read_only=True) as store:
        heard = compile_rules(all_heard(ruleset), spec)
        return with_modes(measured_rates(store.log, heard, store.meta.hash_seed), ruleset)


def with_modes(measured: Iterable[MeasuredRate], ruleset: RuleSet) -> list[Rate]:
    """Measured rates, each with the mode that its rule really has."""
    modes = {rule.id: rule.mode for rule in ruleset.every_rule}
    return [Rate(one.rule, modes[one.rule], one.judged, one.fired, one.parts) for one in measured]
