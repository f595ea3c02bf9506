"""A ring that the macro analysis found has one case, which grows with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.cases import model
from ringfence.cases.actions import merge
from ringfence.cases.errors import CaseStateError
from ringfence.cases.model import SYSTEM, Case, CaseState, Subject
from ringfence.cases.policy import MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.cases.book import Work
    from ringfence.cases.policy import CasePolicy


def take_ring(
    work: Work, policy: CasePolicy, members: Sequence[Subject], alert: str, title: str, at_ms: int
) -> Case | None:
    """The case of a ring: of a member that has one, else a new one; all members are its subjects then.

    Cases of other members are merged into it, unless somebody works on them: these stay as they are. The same
    alert joins once; what it says later is a note. None where no member may be a case's subject.
    """
    wanted = [one for one in members if one.entity_type in policy.subjects]
    if not wanted:
        return None
    theirs = {one: work.live_case_of(one) for one in wanted}
    cases = sorted({case.id: case for case in theirs.values() if case is not None}.items())
    known = [case for _, case in cases if alert in case.alerts]
    case = known[0] if known else cases[0][1] if cases else None
    if case is None or not known:
        case = case or _opened(work, policy, wanted[0], at_ms)
        case = work.append(case.id, model.Alerted(alert=alert, title=title), SYSTEM, at_ms)
    else:
        case = work.append(case.id, model.Noted(text=title), SYSTEM, at_ms)
    for _, other in cases:
        if other.id != case.id and case.state is not CaseState.CLOSED:
            case = _merged(work, case, other, at_ms)
    free = [one for one in wanted if one not in case.subjects and work.live_case_of(one) is None]
    return work.append(case.id, model.Widened(subjects=free), SYSTEM, at_ms) if free else case


def _opened(work: Work, policy: CasePolicy, subject: Subject, at_ms: int) -> Case:
    opened = model.Opened(
        queue="default",
        subjects=[subject],
        available_ms=at_ms + policy.hold_minutes * MINUTE_MS,
        due_ms=policy.due_ms("default", at_ms),
    )
    return work.append(work.new_id(), opened, SYSTEM, at_ms)


def _merged(work: Work, case: Case, other: Case, at_ms: int) -> Case:
    try:
        return merge(work, case, other, SYSTEM, at_ms)
    except CaseStateError:
        return case
