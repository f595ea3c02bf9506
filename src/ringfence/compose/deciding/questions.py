"""Questions about rules to a store: the rule set in force, and what is needed to try another on the past."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from ringfence.analysis.backtest import backtest
from ringfence.analysis.clearing import Scene, clears
from ringfence.analysis.explain import Explainer
from ringfence.analysis.history import LogScan, Past, missing
from ringfence.analysis.rule_lab import Lab, lab_of
from ringfence.analysis.tune import Variants, variants
from ringfence.compose.deciding.models import model_registry, model_texts
from ringfence.compose.deciding.versions import registered_rules, registered_spec
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import InputError, RingfenceError
from ringfence.features.spec import FeatureSpec
from ringfence.ports import DECISIONS, EVENTS
from ringfence.scoring.rulesets.possible import check_possible
from ringfence.scoring.rulesets.rules import CompiledRules, compile_rules, fit
from ringfence.scoring.rulesets.ruleset import RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.analysis.explain import Explanation
    from ringfence.analysis.report import Report
    from ringfence.analysis.tunable_numbers import Tunable
    from ringfence.decisions.decision import Decision
    from ringfence.scoring.artifacts.manifest import Bands
    from ringfence.scoring.rulesets.ruleset import Rule
    from ringfence.store import DataFolder


@dataclass(frozen=True, slots=True)
class BacktestQuestion:
    """Two rule sets and the past that they are asked about."""

    past: Past
    active: CompiledRules
    new: CompiledRules
    bands_of: Callable[[str], Bands | None]
    registered: dict[str, RuleSet]


def newest_versions(store: DataFolder) -> tuple[RuleSet, FeatureSpec]:
    """Rules and features that made the newest decision; `InputError` where nothing has been decided."""
    end = store.log.end_offset(DECISIONS)
    if end == 0:
        raise InputError(
            "nothing has been decided yet: run `ringfence run SOURCE` or `ringfence serve` first"
        )
    last = DecisionBatch.decode(next(iter(store.log.read(DECISIONS, end - 1))).payload)
    ruleset = registered_rules(store, last.versions["rules"])
    spec = registered_spec(store, last.versions["features"])
    if ruleset is None or spec is None:
        raise InputError("the versions of the newest decision are not kept here: restore the data folder")
    return ruleset, spec


def question(
    store: DataFolder,
    new: RuleSet,
    spec: FeatureSpec | None = None,
    span: tuple[int | None, int | None] = (None, None),
) -> BacktestQuestion:
    """What a backtest of `new` against the rules in force takes, payments of event times `span`.

    `spec` has the features that the new rules ask for, those of the newest decision unless given. RuleError
    where a rule does not compile over it, or can never fire and is not in force as it stands.
    """
    book, known = newest_versions(store)
    active, _ = fit(book, known)
    compiled = compile_rules(new, spec or known)
    check_possible(new, spec or known, before=book)
    stored = [FeatureSpec.from_json(version.body) for version in store.registry.versions("features")]
    begin_ms, end_ms = span
    measure = missing(compiled.asked_for | active.asked_for, _merged(spec or known, known), stored)
    past = Past(store.log, store.meta.hash_seed, begin_ms, end_ms, measure)
    registered = {
        version.digest: RuleSet.from_json(version.body) for version in store.registry.versions("rules")
    }
    return BacktestQuestion(past, active, compiled, bands_of(store), registered)


def backtest_of(
    store: DataFolder,
    new: RuleSet,
    spec: FeatureSpec | None,
    span: tuple[int | None, int | None],
    progress: Callable[[int, int], None],
) -> Report:
    """A rule set beside the one in force, on what was decided; `spec` and errors as of `question`.

    `progress` hears of payments done and to do. `InputError` where no decided payment falls into the span.
    """
    asked = question(store, new, spec, span)
    started = time.perf_counter()
    report = backtest(
        asked.past,
        asked.active,
        asked.new,
        progress=progress,
        bands_of=asked.bands_of,
        registered=asked.registered,
        seconds=lambda: time.perf_counter() - started,
    )
    if not report.payments:
        raise InputError("no decided payment falls into this time: `ringfence topics` says what there is")
    return report


def tuning(
    store: DataFolder,
    rule_id: str,
    parameter: str | None,
    span: Callable[[Tunable], Sequence[float]],
    *,
    ruleset: RuleSet | None = None,
    times: tuple[int | None, int | None] = (None, None),
) -> tuple[Past, Variants]:
    """What tuning a rule of a rule set (the one in force unless given) takes; `span` gives the values.

    RuleError where a rule of that set can never fire and is not in force as it stands.
    """
    book, known = newest_versions(store)
    if ruleset is not None:
        check_possible(ruleset, known, before=book)
    what = variants(ruleset or book, known, rule_id, parameter, span)
    stored = [FeatureSpec.from_json(version.body) for version in store.registry.versions("features")]
    measure = missing(what.base.asked_for | what.trials.asked_for, known, stored)
    return Past(store.log, store.meta.hash_seed, *times, measure), what


def laboratory(store: DataFolder, book: RuleSet, rule: Rule, days: float | None) -> tuple[Past, Lab]:
    """What trying a rule beside a book takes, over the last so many days of the log, all without.

    RuleError where the rule does not compile, or can never fire and is not in the book as it stands.
    """
    _, known = newest_versions(store)
    check_possible(RuleSet(rules=(rule,), typologies=book.typologies), known, before=book)
    lab = lab_of(book, rule, known)
    asked = lab.with_it.asked_for | (lab.moved.asked_for if lab.moved else frozenset())
    stored = [FeatureSpec.from_json(version.body) for version in store.registry.versions("features")]
    measure = missing(asked, known, stored)
    begin = None
    if days is not None:
        end = store.log.end_offset(EVENTS)
        last_ms = next(iter(store.log.read(EVENTS, end - 1))).last_time_ms if end else 0
        begin = last_ms - round(days * 86_400_000)
    return Past(store.log, store.meta.hash_seed, begin, None, measure), lab


def _merged(spec: FeatureSpec, known: FeatureSpec) -> FeatureSpec:
    """A specification and what another has beyond it."""
    if spec is known:
        return spec
    more = tuple(feature for feature in known.features if feature.name not in spec.names)
    names = {entity.name for entity in spec.entities}
    entities = tuple(entity for entity in known.entities if entity.name not in names)
    return FeatureSpec(
        spec.entities + entities,
        spec.features + more,
        spec.allowed_lateness_ms,
        spec.horizon_ms,
        spec.zone,
        spec.decimals,
        spec.graph or known.graph,
    )


def explain(
    store: DataFolder, decision: Decision, *, every: bool = False, scan: LogScan | None = None
) -> Explanation:
    """Why a decision is what it is, by the versions that made it.

    `every` shows the rules that did not fire, too. A `scan` that is kept between calls reads the log once.
    `InputError` where its versions or its event are no longer kept.
    """
    ruleset = registered_rules(store, decision.versions["rules"])
    spec = registered_spec(store, decision.versions["features"])
    if ruleset is None or spec is None:
        raise InputError("the versions that made this decision are not kept here: restore the data folder")
    if decision.offset < store.log.start_offset(EVENTS):
        raise InputError("the payment of this decision was trimmed from the log: its parts are gone")
    scan = scan or LogScan(store.log, store.meta.hash_seed)
    payment, reference = scan.payment(decision.offset), scan.reference(decision.offset)
    bands = bands_of(store)(decision.model) if decision.model else None
    texts = model_texts(store, decision)
    explainer = Explainer(decision, payment, ruleset, spec, reference, bands, texts)
    scene = Scene(payment, spec, reference, ruleset.zone, partial(scan.related, payment, decision.offset))
    return explainer.explain(every=every, clears=lambda rule: clears(rule, ruleset, scene))


def bands_of(store: DataFolder) -> Callable[[str], Bands | None]:
    """The bands of a model by its digest, None where its artifact is not kept."""
    models = model_registry(store.folder)

    @cache
    def find(digest: str) -> Bands | None:
        try:
            return models.read(digest).manifest.bands
        except (RingfenceError, OSError):
            return None

    return find
