"""What an alert is, and how decisions become alerts."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ringfence.alerts.policy import AlertPolicy, Severity
from ringfence.scoring.language.names import TYPOLOGY_PREFIX

MOST_PAYMENTS: Final = 50
"""Payments that an alert names; it counts all of them."""

ENTITIES: Final = ("card", "customer", "account", "merchant", "device")
"""What an alert is about: the first of these that a payment names."""
OTHER: Final = "other"
_OF_MODEL: Final = "model_"  # how reason codes of a model begin, in small letters


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions on one entity for one typology within a window.

    Attributes:
        id: `alert-OFFSET`, of the decision that opened it: made again, it is the same.
        entity: "card", "customer", ...; `entity_id` its token or id.
        typology: fraud scenario, or the first reason where no typology acted.
        severity: the highest so far, by name.
        count: decisions that it stands for; `payments` the latest of their ids.
        opened_ms, last_ms: event times of the first and the latest.
        decided_ms: when the decision that opened it was made; `raised_ms` when it became severe enough to be
            escalated, if later.
        amounts: sums by currency, in major units.
        state: `open`, `in_case` (it has joined a case, and nobody has acknowledged it) or `acknowledged`, by
            whom and when.
        case: the case that it joined, if any; a case that was merged names its successor.
    """

    id: str
    entity: str
    entity_id: str
    typology: str
    severity: str
    score: float
    outcome: str
    count: int
    opened_ms: int
    last_ms: int
    decided_ms: int
    raised_ms: int
    payments: tuple[str, ...]
    amounts: dict[str, float]
    state: str = "open"
    by: str = ""
    acknowledged_ms: int = 0
    case: str = ""


def topic(typology: str) -> str:
    """What an alert is about, in words; the model's topics say whose they are.

    >>> topic("unusual_amount"), topic("model_card_turnover"), topic("model_score")
    ('unusual amount', 'card turnover (model)', 'score (model)')
    """
    of_model = typology.startswith(_OF_MODEL)
    return typology.removeprefix(_OF_MODEL).replace("_", " ") + (" (model)" if of_model else "")


def subject_of(event: dict[str, Any]) -> tuple[str, str, str]:
    """Entity, its id and typology that a decision's alert is about.

    The typology is the one with the highest score of those that acted, as rules of their ids: one of which
    there are a few signs only is not why somebody is alerted.
    """
    data = event["data"]
    payment = data.get("transaction", {})
    acted = set(data.get("rules", ()))
    scores = {
        name: score
        for name, score in data.get("typologies", {}).items()
        if f"{TYPOLOGY_PREFIX}{name}" in acted
    }
    typology = max(scores, key=lambda name: (scores[name], name), default="")
    if not typology:
        typology = next(iter(data.get("reasons", ())), OTHER).lower()
    for entity in ENTITIES:
        if found := payment.get(f"{entity}_id"):
            return entity, found, typology
    return "transaction", data["transaction_id"], typology


def opened(offset: int, event: dict[str, Any], policy: AlertPolicy) -> Alert:
    """The alert that a decision opens."""
    data = event["data"]
    entity, entity_id, typology = subject_of(event)
    return Alert(
        id=f"alert-{offset}",
        entity=entity,
        entity_id=entity_id,
        typology=typology,
        severity=_severity(data, policy).name.lower(),
        score=data["score"],
        outcome=data["outcome"],
        count=1,
        opened_ms=data["event_time_ms"],
        last_ms=data["event_time_ms"],
        decided_ms=data["decided_at_ms"],
        raised_ms=data["decided_at_ms"],
        payments=(data["transaction_id"],),
        amounts=_added({}, data.get("transaction", {})),
    )


def grown(alert: Alert, event: dict[str, Any], policy: AlertPolicy) -> tuple[Alert, bool]:
    """The alert with one more decision, and whether it is more severe by it."""
    data = event["data"]
    severity = _severity(data, policy)
    before, urgent = Severity[alert.severity.upper()], Severity[policy.escalate_from.upper()]
    raised = severity > before
    return msgspec.structs.replace(
        alert,
        severity=severity.name.lower() if raised else alert.severity,
        score=max(alert.score, data["score"]),
        outcome=data["outcome"] if raised else alert.outcome,
        count=alert.count + 1,
        last_ms=max(alert.last_ms, data["event_time_ms"]),
        raised_ms=data["decided_at_ms"] if before < urgent <= severity else alert.raised_ms,
        payments=(*alert.payments, data["transaction_id"])[-MOST_PAYMENTS:],
        amounts=_added(alert.amounts, data.get("transaction", {})),
    ), raised


def belongs(alert: Alert, event: dict[str, Any], policy: AlertPolicy) -> bool:
    """Whether a decision on the same subject is near enough in time."""
    return abs(int(event["data"]["event_time_ms"]) - alert.opened_ms) < policy.window_ms


def _severity(data: dict[str, Any], policy: AlertPolicy) -> Severity:
    return policy.severity(data["outcome"], data["score"])


def _added(amounts: dict[str, float], payment: dict[str, Any]) -> dict[str, float]:
    amount = payment.get("amount")
    if amount is None:
        return amounts
    currency = payment.get("currency", "")
    return amounts | {currency: round(amounts.get(currency, 0.0) + amount, 3)}
