"""Rule sets tried on the past, and decisions taken apart: the same for the API and for the pages."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ringfence.analysis.explain import Explainer, Explanation
from ringfence.compose.deciding.questions import backtest_of, bands_of, explain
from ringfence.compose.deciding.versions import registered_rules, registered_spec
from ringfence.errors import InputError
from ringfence.scoring.rulesets.rules import fit

if TYPE_CHECKING:
    from ringfence.analysis.history import Hindsight
    from ringfence.analysis.report import Report
    from ringfence.api.background.jobs import Job
    from ringfence.api.hot.stored import Stored, StoredDecision
    from ringfence.compose.deciding.session import Session
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.scoring.rulesets.ruleset import RuleSet

_KEPT = 16  # versions compiled
_NOW = (
    "Lists, flags and profiles are those of now, not of the time of the payment, and when rules stop "
    "triggering is left out: ask in full for both."
)
_THEN = "When rules stop triggering is left out: ask in full."


class _Versions(NamedTuple):
    rules: CompiledRules
    spec: FeatureSpec


class Trials:
    """Questions to the past of one store; each may take long: not on the event loop."""

    def __init__(self, session: Session, stored: Stored, hindsight: Hindsight) -> None:
        self._session = session
        self._stored = stored
        self._hindsight = hindsight
        self._store = session.store
        self._bands = bands_of(self._store)
        self._versions = lru_cache(maxsize=_KEPT)(self._compiled)

    def backtest(self, book: RuleSet, span: tuple[int | None, int | None], job: Job) -> Report:
        """A rule set against the one in force, on the decided payments of a span of event times."""
        return backtest_of(self._store, book, None, span, job.tell)

    def explanation(self, found: StoredDecision, *, every: bool, full: bool) -> Explanation:
        """A decision taken apart; in `full` by reading the log up to its payment.

        `InputError` where the payment, or a version that decided, is no longer kept.
        """
        decision = found.batch.row(found.row)
        if full:
            return explain(self._store, decision, every=every)
        event = self._stored.event_at(decision.offset)
        versions = self._versions(decision.versions["rules"], decision.versions["features"])
        if event is None or versions is None:
            raise InputError("the payment, or a version that decided on it, is no longer kept")
        payment = event.batch.slice(event.row, event.row + 1)
        bands = self._bands(decision.model) if decision.model else None
        then = self._hindsight.reference(decision.offset)
        lookups = self._session.view().lookups if then is None else then
        texts = self._session.library.stored_models.texts(decision.model) if decision.model else {}
        explainer = Explainer(decision, payment, versions.rules, versions.spec, lookups, bands, texts)
        told = explainer.explain(every=every)
        return msgspec.structs.replace(told, notes=[*told.notes, _NOW if then is None else _THEN])

    def _compiled(self, rules: str, features: str) -> _Versions | None:
        ruleset, spec = registered_rules(self._store, rules), registered_spec(self._store, features)
        return None if ruleset is None or spec is None else _Versions(fit(ruleset, spec)[0], spec)
