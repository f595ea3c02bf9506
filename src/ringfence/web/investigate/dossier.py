"""Everything that is known of one decision, put together for its page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ringfence.analysis.explain import Explainer
from ringfence.api.handlers.reading import id_in_norm
from ringfence.api.services import RecordServices, Surroundings
from ringfence.compose.deciding.questions import explain
from ringfence.compose.deciding.versions import registered_rules, registered_spec
from ringfence.decisions.index import Term, Wanted
from ringfence.decisions.verdict import usual_amount, verdict
from ringfence.errors import InputError
from ringfence.features.spec import ENTITY_KEYS
from ringfence.intake import event_json
from ringfence.scoring.artifacts.models import NO_MODELS
from ringfence.web.investigate.deciding_again import decide_again

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.analysis.explain import Explanation
    from ringfence.decisions.decision import Decision, FiredReason
    from ringfence.decisions.verdict import Verdict
    from ringfence.scoring.artifacts.manifest import ReasonText
    from ringfence.scoring.rulesets.ruleset import Rule
    from ringfence.web.dashboard import Dashboard

_TOLD_APART: Final = frozenset(
    {"transaction_id", "kind", "event_time", "amount", "currency", "attributes", "amount_minor"}
)


@dataclass(frozen=True, slots=True)
class Dossier:
    """One decision and what surrounds it."""

    decision: Decision
    payment: dict[str, Any]
    amount: float | None
    usual: tuple[str, float, float] | None  # whose, the amount, how many times that is this payment's
    parties: list[tuple[str, str, int]]  # entity, id, payments that the store knows of it
    facts: dict[str, Any]  # other fields of the payment
    verdict: Verdict
    reasons: list[FiredReason]  # of rules that fired
    besides: list[FiredReason]  # of the model, and of missing parts
    rules: dict[str, Rule]  # of the version that decided
    has_rules: bool  # whether that version is kept here
    shadow: list[Rule]
    features: dict[str, list[tuple[str, float | None]]]  # by entity


def compile(dashboard: Dashboard, transaction_id: str) -> Dossier | None:  # noqa: A001 (read as dossier.compile)
    """The dossier of a decision; None where there is none."""
    found = dashboard.of(RecordServices).stored.decision_of(transaction_id)
    if found is None:
        return None
    decision = found.batch.row(found.row)
    event = dashboard.of(RecordServices).stored.event_at(decision.offset)
    payment = event_json(*event) if event is not None else {}
    ruleset = dashboard.rules(decision.versions["rules"])
    by_id = ruleset.by_id if ruleset else {}
    kinds = {column: kind for kind, column in ENTITY_KEYS.items()}
    parties = [
        (kinds[name], str(value), payments_of(dashboard, kinds[name], str(value)))
        for name, value in payment.items()
        if name in kinds
    ]
    facts = {n: v for n, v in payment.items() if n not in kinds and n not in _TOLD_APART}
    facts |= payment.get("attributes", {})
    texts = _texts(dashboard.of(RecordServices), decision.model)
    bands = dashboard.bands(decision.model) if decision.model else None
    amount = None if event is None else _known(float(event.batch.amount[event.row]))
    return Dossier(
        decision,
        payment,
        amount,
        usual_amount(decision, amount),
        parties,
        facts,
        verdict(decision, ruleset, bands, texts),
        decision.by_rules(ruleset) if ruleset else [],
        decision.besides_rules(texts),
        by_id,
        ruleset is not None,
        [by_id[rule] for rule in decision.shadow_rules if rule in by_id],
        _by_entity(decision.features),
    )


def _texts(services: RecordServices, model: str | None) -> Mapping[str, ReasonText]:
    return services.library.stored_models.texts(model) if model else {}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


class TakenApart(NamedTuple):
    """A decision taken apart, and whether with lists, flags and profiles as of the payment."""

    told: Explanation
    as_of_payment: bool


def take_apart(dashboard: Dashboard, transaction_id: str) -> TakenApart | None:
    """The decision rule by rule; None where there is none.

    Lists, flags and profiles are those as of the payment, or those of now where the log is too long to look
    back so fast.
    """
    found = dashboard.of(RecordServices).stored.decision_of(transaction_id)
    if found is None:
        return None
    decision = found.batch.row(found.row)
    event = dashboard.of(RecordServices).stored.event_at(decision.offset)
    versions = dashboard.versions(decision.versions["rules"], decision.versions["features"])
    if event is None or versions is None:
        raise InputError("the payment, or a version that decided on it, is no longer kept")
    payment = event.batch.slice(event.row, event.row + 1)
    bands = dashboard.bands(decision.model) if decision.model else None
    then = dashboard.of(RecordServices).hindsight.reference(decision.offset)
    lookups = dashboard.of(RecordServices).view().lookups if then is None else then
    texts = _texts(dashboard.of(RecordServices), decision.model)
    explainer = Explainer(decision, payment, versions.rules, versions.spec, lookups, bands, texts)
    return TakenApart(explainer.explain(), as_of_payment=then is not None)


def explain_fully(dashboard: Dashboard, transaction_id: str) -> Explanation:
    """The same with all of it as it was, and when each rule clears: reads the log up to the payment."""
    found = dashboard.of(RecordServices).stored.decision_of(transaction_id)
    if found is None:
        raise InputError("this decision is no longer kept")
    return explain(dashboard.store, found.batch.row(found.row))


def _by_entity(features: dict[str, float | None]) -> dict[str, list[tuple[str, float | None]]]:
    found: dict[str, list[tuple[str, float | None]]] = {}
    for name, value in features.items():
        entity, _, rest = name.partition(".")
        found.setdefault(entity, []).append((rest, value))
    return dict(sorted(found.items(), key=lambda item: all(value is None for _, value in item[1])))


def id_of(dashboard: Dashboard, entity: str, entity_id: str) -> str:
    """The id of an entity in its field's norm; as typed where only payments from before the norms have it."""
    kept, personal = id_in_norm(entity, entity_id), dashboard.of(Surroundings).tokenizer.personal
    if personal is not None:
        return personal.as_kept(ENTITY_KEYS[entity], kept)
    if kept == entity_id or payments_of(dashboard, entity, kept):
        return kept
    return entity_id if payments_of(dashboard, entity, entity_id) else kept


def payments_of(dashboard: Dashboard, entity: str, entity_id: str) -> int:
    """How many payments the index knows of an entity."""
    return dashboard.finder.count(Wanted(terms=(Term(entity, entity_id),)))


def replay(
    dashboard: Dashboard, transaction_id: str, tell: Callable[[int, int], None]
) -> list[tuple[str, Any, Any, bool]]:
    """The decision made again: name, stored value, value now, and whether they are equal."""
    store = dashboard.store
    found = dashboard.of(RecordServices).stored.decision_of(transaction_id)
    if found is None:
        raise InputError("this decision is no longer kept")
    stored = found.batch.row(found.row)
    spec = registered_spec(store, stored.versions["features"])
    rules = registered_rules(store, stored.versions["rules"])
    if spec is None or rules is None:
        raise InputError("the versions that made this decision are not kept in this store")
    digest = stored.versions.get("models")
    models = dashboard.of(RecordServices).library.models(digest) if digest else NO_MODELS
    made = decide_again(store, spec, rules, models, stored, tell)
    pairs: list[tuple[str, Any, Any]] = [
        ("outcome", stored.outcome, made.outcome),
        ("score", stored.score, made.score),
        ("reasons", ", ".join(stored.reasons), ", ".join(made.reasons)),
        ("rules", ", ".join(stored.rules), ", ".join(made.rules)),
        ("shadow rules", ", ".join(stored.shadow_rules), ", ".join(made.shadow_rules)),
        *((name, value, made.features[name]) for name, value in stored.features.items()),
    ]
    return [(name, one, other, one == other) for name, one, other in pairs]
