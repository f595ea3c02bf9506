"""What people and the follower do with cases: checks, and the events that follow. Each runs in one `Work`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ringfence.cases import model
from ringfence.cases.book import Outgoing
from ringfence.cases.errors import CaseStateError, SecondPersonError
from ringfence.cases.model import SYSTEM, Case, CaseState, Disposition, Subject
from ringfence.cases.policy import DAY_MS, MINUTE_MS
from ringfence.errors import InputError
from ringfence.masking import list_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ringfence.cases.book import Work
    from ringfence.cases.model import Payment, Raised
    from ringfence.cases.policy import CasePolicy


def take_payment(work: Work, policy: CasePolicy, payment: Payment) -> Case | None:
    """A payment opens a case, joins the one that is open, or neither; one that is in a case stays there."""
    subject = policy.subject_of(payment)
    opens, joins = policy.opens(payment), payment.outcome in (*policy.open_on, *policy.join_on)
    if subject is None or not joins or work.has_payment(payment.transaction_id):
        return None
    case = work.live_case_of(subject)
    if case is None and opens:
        case = _open(work, policy, payment, subject)
    if case is None:
        return None
    return work.append(case.id, model.Joined(payment=payment), SYSTEM, payment.decided_at_ms)


def _open(work: Work, policy: CasePolicy, payment: Payment, subject: Subject) -> Case:
    at_ms, before = payment.decided_at_ms, work.latest_closed_of(subject)
    queue = policy.queue_for(payment, subject)
    due_ms = policy.due_ms(queue, at_ms)
    if before is not None and is_taken_up_again(work, policy, before, at_ms):
        return work.append(
            before.id, model.Reopened(reason="a new payment came", due_ms=due_ms), SYSTEM, at_ms
        )
    opened = model.Opened(
        queue=queue,
        subjects=[subject],
        available_ms=at_ms + policy.hold_minutes * MINUTE_MS,
        due_ms=due_ms,
        previous=before.id if before else None,
    )
    return work.append(work.new_id(), opened, SYSTEM, at_ms)


def is_taken_up_again(work: Work, policy: CasePolicy, case: Case, at_ms: int) -> bool:
    """Whether the policy reopens it, and none of its subjects has an open case by now."""
    finding = case.finding
    return (
        finding is not None
        and not any(work.live_case_of(subject) for subject in case.subjects)
        and finding.disposition is Disposition.INCONCLUSIVE
        and at_ms - finding.at_ms < policy.reopen_days * DAY_MS
    )


def open_by_hand(work: Work, policy: CasePolicy, payment: Payment, by: str, now_ms: int) -> Case:
    """Somebody opens a case on a payment, whatever its outcome, or finds the one that has it."""
    subject = policy.subject_of(payment)
    if work.has_payment(payment.transaction_id):
        raise CaseStateError(f"payment {payment.transaction_id} is in a case already")
    case = work.live_case_of(subject) if subject else None
    if case is None:
        queue = policy.queue_for(payment, subject) if subject else "default"
        opened = model.Opened(
            queue=queue,
            subjects=[subject] if subject else [],
            available_ms=now_ms,
            due_ms=policy.due_ms(queue, now_ms),
        )
        case = work.append(work.new_id(), opened, by, now_ms)
    return work.append(case.id, model.Joined(payment=payment), by, now_ms)


def take_alert(work: Work, policy: CasePolicy, alert: Raised) -> Case | None:
    """An alert joins the case of its payment, or else of its subject, or opens one where the policy says so.

    The same alert joins once. None where it joins no case.
    """
    if policy.alerts == "ignore" or work.has_alert(alert.id):
        return None
    subject = alert.subject
    case = work.case_of(alert.payment) or (work.live_case_of(subject) if subject else None)
    if case is None:
        if policy.alerts != "open" or subject is None or subject.entity_type not in policy.subjects:
            return None
        case = open_on_alert(work, policy, subject, alert.at_ms)
    return work.append(case.id, model.Alerted(alert=alert.id, title=alert.title), SYSTEM, alert.at_ms)


def open_on_alert(work: Work, policy: CasePolicy, subject: Subject, at_ms: int) -> Case:
    """A new case on a subject that an alert, and no payment, is about."""
    opened = model.Opened(
        queue="default",
        subjects=[subject],
        available_ms=at_ms + policy.hold_minutes * MINUTE_MS,
        due_ms=policy.due_ms("default", at_ms),
    )
    return work.append(work.new_id(), opened, SYSTEM, at_ms)


def hand_out(work: Work, policy: CasePolicy, queue: str | None, analyst: str, now_ms: int) -> Case | None:
    """The most urgent case goes to an analyst for a while; None where none is ready."""
    case = work.best(queue, analyst, now_ms)
    if case is None:
        return None
    lease_ms = policy.lease_minutes * MINUTE_MS
    until_ms = now_ms + lease_ms
    if case.assignee == analyst and (
        case.lease_until_ms is None or case.lease_until_ms - now_ms > lease_ms / 2
    ):
        return case  # theirs for a good while yet
    return work.append(case.id, model.Assigned(to=analyst, until_ms=until_ms), analyst, now_ms)


def assign(work: Work, case: Case, to: str, by: str, now_ms: int) -> Case:
    """It is somebody's until further notice."""
    _demand_live(case)
    return work.append(case.id, model.Assigned(to=to), by, now_ms)


def release(work: Work, policy: CasePolicy, case: Case, by: str, now_ms: int) -> Case:
    """It goes back into its queue; whoever gives it back is not given it again for a while."""
    _demand_live(case)
    _demand_holder(case, by, now_ms)
    not_before_ms = now_ms + policy.pass_minutes * MINUTE_MS
    return work.append(case.id, model.Released(not_before_ms=not_before_ms), by, now_ms)


def note(work: Work, case: Case, text: str, by: str, now_ms: int) -> Case:
    """Somebody writes something down; on a closed case, too."""
    if not text.strip():
        raise InputError("the note is empty: write something")
    return work.append(case.id, model.Noted(text=text), by, now_ms)


def snooze(work: Work, case: Case, until_ms: int, reason: str, by: str, now_ms: int) -> Case:
    """It rests until a time, such as while a customer is asked."""
    _demand_open(case)
    _demand_holder(case, by, now_ms)
    if not now_ms < until_ms <= now_ms + 365 * DAY_MS:
        raise InputError("a case is snoozed until a time within the next year")
    due_ms = until_ms + max(0, _awake_due_ms(work, case, now_ms) - now_ms)
    change = model.Snoozed(until_ms=until_ms, reason=reason, due_ms=due_ms)
    return work.append(case.id, change, by, now_ms)


def _awake_due_ms(work: Work, case: Case, now_ms: int) -> int:
    """When it is due if it rests no longer; a due time that the snooze did not set, as by a merge, stays."""
    left_ms = (case.snoozed_until_ms or 0) - now_ms
    if left_ms <= 0:
        return case.due_ms
    snoozes = [one.change for one in work.events(case.id) if isinstance(one.change, model.Snoozed)]
    return case.due_ms - left_ms if snoozes and snoozes[-1].due_ms == case.due_ms else case.due_ms


def wake(work: Work, case: Case, by: str, now_ms: int) -> Case:
    """It rests no longer."""
    _demand_open(case)
    if case.snoozed_until_ms is None:
        raise CaseStateError(f"case {case.id} is not snoozed")
    return work.append(case.id, model.Woken(due_ms=_awake_due_ms(work, case, now_ms)), by, now_ms)


def escalate(work: Work, case: Case, reason: str, by: str, now_ms: int) -> Case:
    """It goes before all others of its queue."""
    _demand_live(case)
    if case.escalated:
        raise CaseStateError(f"case {case.id} is escalated already")
    change = model.Escalated(reason=reason, due_ms=_awake_due_ms(work, case, now_ms))
    return work.append(case.id, change, by, now_ms)


def move(work: Work, policy: CasePolicy, case: Case, queue: str, by: str, now_ms: int) -> Case:
    """It goes to another queue."""
    _demand_live(case)
    if queue not in policy.queue_names():
        raise InputError(f"there is no queue {queue!r}: queues are {', '.join(policy.queue_names())}")
    return work.append(case.id, model.Moved(queue=queue), by, now_ms)


def close(
    work: Work,
    policy: CasePolicy,
    case: Case,
    asked: model.Proposed,
    by: str,
    now_ms: int,
) -> Case:
    """It is decided, or proposed where two have to agree."""
    _demand_open(case)
    _demand_holder(case, by, now_ms)
    typology = asked.typology
    if typology is not None and typology not in policy.typologies:
        raise InputError(f"there is no typology {typology!r}: typologies are {', '.join(policy.typologies)}")
    if asked.block and asked.disposition is not Disposition.CONFIRMED_FRAUD:
        raise InputError("only confirmed fraud is put on the block list")
    _chosen(work, case, asked.payments)
    if policy.needs_two(case):
        return work.append(case.id, asked, by, now_ms)
    return _close(work, case, asked, by, now_ms, None)


def approve(work: Work, case: Case, by: str, now_ms: int) -> Case:
    """A second person agrees: it is decided."""
    proposal = _second(case, by)
    return _close(work, case, proposal, by, now_ms, case.proposed_by)


def reject(work: Work, case: Case, reason: str, by: str, now_ms: int) -> Case:
    """A second person does not agree: it is open again."""
    _second(case, by)
    return work.append(case.id, model.Rejected(reason=reason), by, now_ms)


def reopen(work: Work, policy: CasePolicy, case: Case, reason: str, by: str, now_ms: int) -> Case:
    """A closed case is open again; what was found is kept."""
    if case.state is not CaseState.CLOSED:
        raise CaseStateError(f"case {case.id} is {case.state}: only a closed case is reopened")
    for subject in case.subjects:
        live = work.live_case_of(subject)
        if live is not None:
            raise CaseStateError(
                f"{subject.entity_type} {subject.entity_id} has an open case already: {live.id}. Work on that"
            )
    due_ms = policy.due_ms(case.queue, now_ms)
    return work.append(case.id, model.Reopened(reason=reason, due_ms=due_ms), by, now_ms)


def merge(work: Work, case: Case, other: Case, by: str, now_ms: int) -> Case:
    """The payments, subjects and alerts of another case come to this one; the earlier due time holds."""
    _demand_open(case)
    _demand_open(other)
    if case.id == other.id:
        raise InputError("a case cannot be merged into itself")
    _demand_holder(other, by, now_ms)
    work.append(other.id, model.Merged(into=case.id), by, now_ms)
    work.move(other.id, case.id)
    work.move_alerts(case.id, other.alerts)
    came = model.Absorbed(
        case=other.id,
        subjects=other.subjects,
        alerts=other.alerts,
        totals=work.totals(case.id),
        highest=other.reached,
        due_ms=min(case.due_ms, other.due_ms),
        escalated=other.escalated,
    )
    return work.append(case.id, came, by, now_ms)


def unmerge(work: Work, merged: Case, by: str, now_ms: int) -> Case:
    """A merged case has its payments, subjects and alerts back, and is open again."""
    if merged.state is not CaseState.MERGED or merged.merged_into is None:
        raise CaseStateError(f"case {merged.id} is {merged.state}: only a merged case is unmerged")
    host = work.case(merged.merged_into)
    _demand_open(host)
    work.move_back(host.id, merged.id)
    work.move_alerts(merged.id, merged.alerts)
    left = model.Separated(
        case=merged.id, subjects=merged.subjects, alerts=merged.alerts, totals=work.totals(host.id)
    )
    work.append(host.id, left, by, now_ms)
    return work.append(merged.id, model.Unmerged(totals=work.totals(merged.id)), by, now_ms)


def split(work: Work, case: Case, transaction_ids: Sequence[str], by: str, now_ms: int) -> Case:
    """Some payments get a case of their own, which is the one that is returned."""
    _demand_open(case)
    _demand_holder(case, by, now_ms)
    chosen = _chosen(work, case, transaction_ids)
    if len(chosen) == case.totals.payments:
        raise InputError("a split leaves at least one payment behind")
    new = work.append(
        work.new_id(),
        model.Opened(
            queue=case.queue,
            subjects=[],
            available_ms=now_ms,
            due_ms=case.due_ms,
            split_from=case.id,
        ),
        by,
        now_ms,
    )
    work.move(case.id, new.id, [payment.transaction_id for payment in chosen])
    left = model.Separated(case=new.id, subjects=[], totals=work.totals(case.id))
    work.append(case.id, left, by, now_ms)
    came = model.Absorbed(case=case.id, subjects=[], totals=work.totals(new.id), highest=case.reached)
    return work.append(new.id, came, by, now_ms)


def overdue(work: Work, policy: CasePolicy, case: Case, now_ms: int) -> Case | None:
    """What the policy does to a case that is due; None where that is nothing.

    One that two people have to close, or that was proposed, is escalated: time does not stand in for the
    second person.
    """
    if case.due_ms > now_ms or not case.is_live or policy.on_overdue == "nothing":
        return None
    proposed = case.state is CaseState.PROPOSED
    if proposed or policy.on_overdue == "escalate" or policy.needs_two(case):
        if case.escalated:
            return None
        reason = "its approval is overdue" if proposed else "it is overdue"
        return work.append(case.id, model.Escalated(reason=reason), SYSTEM, now_ms)
    closed = model.Closed(disposition=Disposition.INCONCLUSIVE)
    return work.append(case.id, closed, SYSTEM, now_ms)


def _close(
    work: Work, case: Case, asked: model.Proposed, by: str, now_ms: int, proposed_by: str | None
) -> Case:
    chosen = _chosen(work, case, asked.payments)
    label = asked.disposition.label
    labelled = [payment.transaction_id for payment in chosen] if label is not None else []
    blocked = sorted(
        {
            Subject(kind, payment.entities[kind])
            for payment in chosen
            for kind in asked.block
            if kind in payment.entities
        }
    )
    change = model.Closed(
        disposition=asked.disposition,
        typology=asked.typology,
        payments=labelled,
        blocked=blocked,
        proposed_by=proposed_by,
    )
    closed = work.append(case.id, change, by, now_ms)
    found = asked.disposition.replace("_", " ") + (f", {asked.typology}" if asked.typology else "")
    base = Outgoing(id="", case=case.id, at_ms=now_ms, by=by, note=f"case {case.id}: {found}")
    begin = f"{case.id}.{closed.version}"
    work.post(
        [
            *(
                replace(base, id=f"{begin}.{number}", transaction_id=one, label=label)
                for number, one in enumerate(labelled)
            ),
            *(
                replace(base, id=f"{begin}.block.{number}", subject=subject)
                for number, subject in enumerate(blocked)
            ),
        ]
    )
    return closed


def _chosen(work: Work, case: Case, transaction_ids: Iterable[str] | None) -> list[Payment]:
    every = work.payments(case.id)
    if transaction_ids is None:
        return list(every)
    wanted = set(transaction_ids)
    found = [payment for payment in every if payment.transaction_id in wanted]
    missing = wanted - {payment.transaction_id for payment in found}
    if missing or not wanted:
        named = list_ids(sorted(missing)[:3]) or "none is named"
        raise InputError(f"these payments are not in case {case.id}: {named}")
    return found


def _second(case: Case, by: str) -> model.Proposed:
    if case.state is not CaseState.PROPOSED or case.proposal is None:
        raise CaseStateError(f"case {case.id} is {case.state}: nothing waits for a second person")
    if case.proposed_by == by:
        raise SecondPersonError(f"{by} proposed this: somebody else has to agree, under a key of their own")
    return case.proposal


def _demand_live(case: Case) -> None:
    if not case.is_live:
        raise CaseStateError(f"case {case.id} is {case.state}: reopen it first")


def _demand_open(case: Case) -> None:
    if case.state is CaseState.PROPOSED:
        raise CaseStateError(
            f"case {case.id} waits for a second person: they agree or reject before anything else"
        )
    _demand_live(case)


def _demand_holder(case: Case, by: str, now_ms: int) -> None:
    holder = case.holder(now_ms)
    if holder is not None and holder != by:
        raise CaseStateError(f"{holder} is working on case {case.id}: assign it to yourself first")
