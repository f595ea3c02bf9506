"""What an event does to a case."""

from __future__ import annotations

from functools import reduce, singledispatch
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from ringfence.cases import model
from ringfence.cases.model import Case, CaseEvent, CaseState, Finding
from ringfence.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Iterable


MOST_REASONS: Final = 8


def apply(case: Case | None, event: CaseEvent) -> Case:
    """The case after an event; `CorruptError` where the event does not follow on it."""
    expected = 1 if case is None else case.version + 1
    if event.version != expected or (case is None) != isinstance(event.change, model.Opened):
        raise CorruptError(
            f"case {event.case}: event {event.version} ({type(event.change).__name__}) does not follow on "
            f"version {expected - 1}"
        )
    if case is None:
        return _opened(event)
    fields = _fields(event.change, case, event)
    after = replace(case, version=event.version, changed_ms=event.at_ms, **fields)
    return replace(after, highest=max(case.reached, after.reached), waiting_ms=_waiting_ms(after))


def _waiting_ms(case: Case) -> int:
    """When its oldest alert came, whichever case that opened; when it was reopened, if it was."""
    first_ms = case.totals.first_ms
    begin_ms = case.opened_ms if first_ms is None else min(case.opened_ms, first_ms)
    return begin_ms if case.reopened_ms is None else max(begin_ms, case.reopened_ms)


def _regrouped(case: Case, totals: model.Totals) -> dict[str, Any]:
    """With other payments; totals of before do not know the strictest outcome of these."""
    return {"totals": totals, "outcome": case.outcome if totals.first_ms is None else totals.outcome}


def _due(due_ms: int | None) -> dict[str, Any]:
    return {} if due_ms is None else {"due_ms": due_ms}


def fold(events: Iterable[CaseEvent]) -> Case | None:
    """The case that these events, all of one case and in order, come to; None where there are none."""
    found: Case | None = reduce(apply, events, None)
    return found


def _opened(event: CaseEvent) -> Case:
    change = event.change
    assert isinstance(change, model.Opened)
    return Case(
        id=event.case,
        version=1,
        state=CaseState.OPEN,
        queue=change.queue,
        subjects=change.subjects,
        opened_ms=event.at_ms,
        available_ms=change.available_ms,
        due_ms=change.due_ms,
        changed_ms=event.at_ms,
        waiting_ms=event.at_ms,
        previous=change.previous,
    )


@singledispatch
def _fields(change: model.CaseChange, _case: Case, _event: CaseEvent) -> dict[str, Any]:
    raise CorruptError(f"a case cannot be {type(change).__name__.lower()} twice")


@_fields.register
def _(change: model.Joined, case: Case, _event: CaseEvent) -> dict[str, Any]:
    payment = change.payment
    new = [code for code in payment.reasons if code not in case.reasons]
    return {
        "totals": case.totals.plus(payment),
        "outcome": max(case.outcome, payment.outcome, key=lambda one: one.strictness),
        "reasons": [*case.reasons, *new][:MOST_REASONS],
    }


@_fields.register
def _(change: model.Widened, case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {"subjects": sorted({*case.subjects, *change.subjects})}


@_fields.register
def _(change: model.Alerted, case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {"alerts": [*case.alerts, change.alert]}


@_fields.register
def _(change: model.Assigned, _case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {"assignee": change.to, "lease_until_ms": change.until_ms}


@_fields.register
def _(change: model.Released, case: Case, event: CaseEvent) -> dict[str, Any]:
    passed = {who: until for who, until in case.passed.items() if until > event.at_ms}
    if change.not_before_ms is not None:
        passed[event.by] = change.not_before_ms
    return {"assignee": None, "lease_until_ms": None, "passed": passed}


@_fields.register
def _(_change: model.Noted, case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {"notes": case.notes + 1}


@_fields.register
def _(_change: model.Attached, _case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {}


@_fields.register
def _(_change: model.Reported, _case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {}


@_fields.register
def _(change: model.Snoozed, _case: Case, _event: CaseEvent) -> dict[str, Any]:
    resting = {"snoozed_until_ms": change.until_ms, "snooze_reason": change.reason}
    return resting | {"assignee": None, "lease_until_ms": None, **_due(change.due_ms)}


@_fields.register
def _(change: model.Woken, _case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {"snoozed_until_ms": None, "snooze_reason": None, **_due(change.due_ms)}


@_fields.register
def _(change: model.Escalated, _case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {"escalated": True, "snoozed_until_ms": None, "snooze_reason": None, **_due(change.due_ms)}


@_fields.register
def _(change: model.Moved, _case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {"queue": change.queue, "assignee": None, "lease_until_ms": None}


@_fields.register
def _(change: model.Merged, _case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {"state": CaseState.MERGED, "merged_into": change.into, "assignee": None, "lease_until_ms": None}


@_fields.register
def _(change: model.Absorbed, case: Case, _event: CaseEvent) -> dict[str, Any]:
    subjects = sorted({*case.subjects, *change.subjects})
    new = [one for one in change.alerts if one not in case.alerts]
    return {
        "subjects": subjects,
        "alerts": [*case.alerts, *new],
        "highest": max(case.highest, change.highest),
        "escalated": case.escalated or change.escalated,
        **_due(change.due_ms),
        **_regrouped(case, change.totals),
    }


@_fields.register
def _(change: model.Separated, case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {
        "subjects": [one for one in case.subjects if one not in change.subjects],
        "alerts": [one for one in case.alerts if one not in change.alerts],
        **_regrouped(case, change.totals),
    }


@_fields.register
def _(change: model.Unmerged, case: Case, _event: CaseEvent) -> dict[str, Any]:
    return {"state": CaseState.OPEN, "merged_into": None, **_regrouped(case, change.totals)}


@_fields.register
def _(change: model.Proposed, _case: Case, event: CaseEvent) -> dict[str, Any]:
    waiting = {"state": CaseState.PROPOSED, "proposal": change, "proposed_by": event.by}
    return waiting | {"assignee": None, "lease_until_ms": None}


@_fields.register
def _(_change: model.Rejected, case: Case, _event: CaseEvent) -> dict[str, Any]:
    back = {"assignee": case.proposed_by, "lease_until_ms": None}
    return back | {"state": CaseState.OPEN, "proposal": None, "proposed_by": None}


@_fields.register
def _(change: model.Closed, _case: Case, event: CaseEvent) -> dict[str, Any]:
    return {
        "state": CaseState.CLOSED,
        "finding": Finding(change.disposition, change.typology, event.by, event.at_ms),
        "proposal": None,
        "proposed_by": None,
        "assignee": None,
        "lease_until_ms": None,
        "snoozed_until_ms": None,
        "snooze_reason": None,
    }


@_fields.register
def _(change: model.Reopened, case: Case, event: CaseEvent) -> dict[str, Any]:
    earlier = case.earlier if case.finding is None else [*case.earlier, case.finding]
    again = {"state": CaseState.OPEN, "finding": None, "due_ms": change.due_ms}
    return again | {"earlier": earlier, "reopened_ms": event.at_ms}
