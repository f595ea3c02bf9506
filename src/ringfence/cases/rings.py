"""A ring that the macro analysis found has one case, which grows with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.cases import model
from ringfence.cases.actions import is_taken_up_again, merge, open_on_alert
from ringfence.cases.errors import CaseStateError
from ringfence.cases.model import SYSTEM, Case, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.cases.book import Work
    from ringfence.cases.policy import CasePolicy


def take_ring(
    work: Work, policy: CasePolicy, members: Sequence[Subject], alert: str, title: str, at_ms: int
) -> Case | None:
    """The case of a ring: that which has its alert, else of a member that has one, else a new one.

    All members are its subjects then. Cases of other members are merged into it, unless somebody works on
    them: these stay as they are. The same alert joins once; what it says later is a note. A case that is
    closed is opened again where the policy says so; otherwise the note goes to a member's open case, and to
    the closed one where no member has any. None where no member may be a case's subject.
    """
    wanted = [one for one in members if one.entity_type in policy.subjects]
    if not wanted:
        return None
    owner = work.case_of_alert(alert)
    if owner is not None and is_taken_up_again(work, policy, owner, at_ms):
        due_ms = policy.due_ms(owner.queue, at_ms)
        owner = work.append(owner.id, model.Reopened(reason="the ring grew", due_ms=due_ms), SYSTEM, at_ms)
    theirs = {one: work.live_case_of(one) for one in wanted}
    cases = sorted({case.id: case for case in theirs.values() if case is not None}.items())
    if owner is not None and (owner.is_live or not cases):
        case = owner
    else:
        case = cases[0][1] if cases else open_on_alert(work, policy, wanted[0], at_ms)
    said = model.Alerted(alert=alert, title=title) if owner is None else model.Noted(text=title)
    case = work.append(case.id, said, SYSTEM, at_ms)
    if not case.is_live:
        return case
    for _, other in cases:
        if other.id != case.id:
            case = _merged(work, case, other, at_ms)
    free = [one for one in wanted if one not in case.subjects and work.live_case_of(one) is None]
    return work.append(case.id, model.Widened(subjects=free), SYSTEM, at_ms) if free else case


def _merged(work: Work, case: Case, other: Case, at_ms: int) -> Case:
    try:
        return merge(work, case, other, SYSTEM, at_ms)
    except CaseStateError:
        return case
