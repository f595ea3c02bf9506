"""What happened to a case, in words: the predicate of a sentence whose subject is a person, or Ringfence."""

from __future__ import annotations

from collections import Counter
from functools import singledispatch

from ringfence.cases import model
from ringfence.cases.model import Disposition

FOUND = {
    Disposition.CONFIRMED_FRAUD: "confirmed fraud",
    Disposition.FALSE_POSITIVE: "genuine",
    Disposition.INCONCLUSIVE: "inconclusive",
}
"""Dispositions as people say them."""


@singledispatch
def told(change: model.CaseChange) -> str:
    """What somebody did.

    >>> told(model.Noted(text="asked")), told(model.Assigned(to="anna"))
    ('added a note', 'assigned the case to anna')
    """
    return type(change).__name__.lower()


@told.register
def _(change: model.Opened) -> str:
    if change.split_from is not None:
        return f"split this case from {change.split_from}"
    before = f"; the case before it was {change.previous}" if change.previous else ""
    return f"opened the case in queue {change.queue}{before}"


@told.register
def _(change: model.Joined) -> str:
    return f"added payment {change.payment.transaction_id} ({change.payment.outcome})"


@told.register
def _(change: model.Widened) -> str:
    many = len(change.subjects)
    return f"widened the case to {many} more {'subject' if many == 1 else 'subjects'}"


@told.register
def _(change: model.Alerted) -> str:
    return f"added an alert: {change.title}"


@told.register
def _(change: model.Assigned) -> str:
    return f"assigned the case to {change.to}" if change.until_ms is None else "took the case from the queue"


@told.register
def _(_change: model.Released) -> str:
    return "returned the case to the queue"


@told.register
def _(_change: model.Noted) -> str:
    return "added a note"


@told.register
def _(change: model.Attached) -> str:
    return f"attached {change.name} ({change.size:,} bytes)"


@told.register
def _(_change: model.Reported) -> str:
    return "made a suspicious-activity report"


@told.register
def _(change: model.Snoozed) -> str:
    return f"snoozed the case{_why(change.reason)}"


@told.register
def _(_change: model.Woken) -> str:
    return "ended the snooze"


@told.register
def _(change: model.Escalated) -> str:
    return f"escalated the case{_why(change.reason)}"


@told.register
def _(change: model.Moved) -> str:
    return f"moved the case to queue {change.queue}"


@told.register
def _(change: model.Merged) -> str:
    return f"merged the case into {change.into}"


@told.register
def _(change: model.Absorbed) -> str:
    return f"added payments from {change.case}"


@told.register
def _(change: model.Separated) -> str:
    return f"moved payments to {change.case}"


@told.register
def _(_change: model.Unmerged) -> str:
    return "took the case out of the merge"


@told.register
def _(change: model.Proposed) -> str:
    return f"proposed to close the case as {FOUND[change.disposition]}{_kind(change.typology)}"


@told.register
def _(change: model.Rejected) -> str:
    return f"rejected the proposal{_why(change.reason)}"


@told.register
def _(change: model.Closed) -> str:
    labels = f" and labelled {len(change.payments):,} payments" if change.payments else ""
    kinds = Counter(one.entity_type for one in change.blocked)
    named = [f"{many} {kind}s" if many > 1 else f"the {kind}" for kind, many in kinds.items()]
    blocked = f", blocked {' and '.join(named)}" if named else ""
    return f"closed the case as {FOUND[change.disposition]}{_kind(change.typology)}{labels}{blocked}"


@told.register
def _(change: model.Reopened) -> str:
    return f"reopened the case{_why(change.reason)}"


def _why(reason: str) -> str:
    return f": {reason}" if reason else ""


def _kind(typology: str | None) -> str:
    return f" ({typology.replace('_', ' ')})" if typology else ""
