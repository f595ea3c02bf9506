"""What happens to cases, as events of the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ringfence.alerts.events import event_of
from ringfence.bus.catalog import CASE_CHANGED, CASE_CLOSED, CASE_OPENED
from ringfence.cases.model import Closed, Opened, Reported

if TYPE_CHECKING:
    from ringfence.cases.model import Case, CaseEvent


def is_told(event: CaseEvent) -> bool:
    """Whether the bus has such an event: of a report, not everybody who listens may know."""
    return not isinstance(event.change, Reported)


def case_event(event: CaseEvent, case: Case, source: str) -> dict[str, Any]:
    """What happened to a case, and how it stands: no text that somebody wrote."""
    type_ = {Opened: CASE_OPENED, Closed: CASE_CLOSED}.get(type(event.change), CASE_CHANGED)
    data: dict[str, Any] = {
        "case_id": case.id,
        "version": event.version,
        "change": type(event.change).__name__.lower(),
        "by": event.by,
        "state": str(case.state),
        "queue": case.queue,
        "subjects": [{"entity_type": one.entity_type, "entity_id": one.entity_id} for one in case.subjects],
        "alerts": len(case.alerts),
        "payments": case.totals.payments,
        "escalated": case.escalated,
    }
    if case.finding is not None:
        data["disposition"] = str(case.finding.disposition)
    event_id = f"case:{case.id}:{event.version}"
    return event_of(type_, source, event_id, event.at_ms, case.id, data)
