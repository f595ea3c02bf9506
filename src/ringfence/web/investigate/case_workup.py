"""Everything that an analyst wants to see of a case, put together for its page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa

from ringfence.api.services import CaseServices, RecordServices
from ringfence.cases import model
from ringfence.cases.words import FOUND, told
from ringfence.decisions.index import Term, Wanted
from ringfence.events.ids.hashing import hash_column
from ringfence.web.investigate import dossier
from ringfence.web.investigate.usual import COLUMNS, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ringfence.cases.model import Case, CaseEvent, Payment
    from ringfence.web.dashboard import Dashboard
    from ringfence.web.investigate.dossier import Dossier
    from ringfence.web.investigate.usual import Comparison

SHOWN_PAYMENTS: Final = 500
_TIMELINE: Final = 40
_ALERTS: Final = 3  # more than these share one line of the timeline
_NAMED: Final = 4  # cases of a merge
_MINUTE_MS: Final = 60_000
_LINKED: Final = ("card", "device", "email", "phone", "ip", "counterparty", "merchant")
_LINKING: Final = 50  # payments whose entities are linked
_MOST_LINKED: Final = 10
_SHOWN: Final = ("transaction_id", "event_time_ms", "outcome", "amount", "currency", "merchant_id", "score")
_LOOKED_AT: Final = 40  # newest payments of a linked entity


class Moment(NamedTuple):
    """One line of the timeline. `text` is a predicate where `who` names somebody, else a sentence."""

    at_ms: int
    kind: str  # payment, case, label
    text: str
    who: str | None = None
    payment: dict[str, Any] | None = None
    is_of_case: bool = False
    body: str = ""


class Linked(NamedTuple):
    """An entity of the payments: how many payments it has, and what labels say of its newest ones."""

    kind: str
    id: str
    payments: int
    fraud: int
    labelled: int


@dataclass(frozen=True, slots=True)
class Workup:
    """A case and what surrounds it.

    `lead` is the strictest payment, and the costliest of those; `about` as of `CasePolicy.about`.
    """

    case: Case
    payments: list[Payment]
    events: list[CaseEvent]
    lead: Payment | None
    dossier: Dossier | None
    strip: list[Comparison]
    timeline: list[Moment]
    notes: list[CaseEvent]
    files: list[CaseEvent]
    to_customer: str
    blockable: list[str]
    about: list[model.Subject]


def work_up(dashboard: Dashboard, case_id: str, *, with_reports: bool) -> Workup:
    """The workup of a case; errors and `with_reports` as of `CaseDesk.view`."""
    view = dashboard.of(CaseServices).cases.view(case_id, with_reports=with_reports)
    case, payments = view.case, view.payments
    lead = max(payments, key=_weight, default=None)
    found = dossier.compile(dashboard, lead.transaction_id) if lead else None
    kinds = {kind for one in payments for kind in one.entities}
    about = dashboard.of(CaseServices).cases.policy.about(case, payments)
    return Workup(
        case,
        payments,
        view.events,
        lead,
        found,
        _strip(dashboard, case, lead),
        _timeline(dashboard, about, payments, view.events),
        [one for one in reversed(view.events) if isinstance(one.change, model.Noted)],
        [one for one in view.events if isinstance(one.change, model.Attached)],
        _to_customer(found),
        [kind for kind in ("card", "device", "email", "ip", "counterparty") if kind in kinds],
        about,
    )


def preview(dashboard: Dashboard, case_id: str) -> dict[str, Any]:
    """As much of it as stands beside the queue."""
    view = dashboard.of(CaseServices).cases.view(case_id)
    lead = max(view.payments, key=_weight, default=None)
    return {
        "case": view.case,
        "about": dashboard.of(CaseServices).cases.policy.about(view.case, view.payments),
        "lead": lead,
        "d": dossier.compile(dashboard, lead.transaction_id) if lead else None,
        "strip": _strip(dashboard, view.case, lead),
        "payments": view.payments[:8],
        "found_as": FOUND,
    }


def linked(dashboard: Dashboard, case_id: str) -> list[Linked]:
    """Entities that the newest payments of a case name beside whom it is about; `UnknownCaseError`."""
    book = dashboard.of(CaseServices).case_book
    case = book.case(case_id.strip().upper())
    payments = book.payments(case.id, _LINKING)
    about = dashboard.of(CaseServices).cases.policy.about(case, payments)
    wanted = dict.fromkeys(
        (kind, one.entities[kind])
        for kind in _LINKED
        for one in payments
        if kind in one.entities and model.Subject(kind, one.entities[kind]) not in about
    )
    return [_link(dashboard, kind, identity) for kind, identity in list(wanted)[:_MOST_LINKED]]


def _weight(payment: Payment) -> tuple[int, float, float]:
    return payment.outcome.strictness, payment.loss, payment.score


def _strip(dashboard: Dashboard, case: Case, lead: Payment | None) -> list[Comparison]:
    if lead is None:
        return []
    named = [model.Subject(*one) for one in lead.entities.items()]
    subject = next((one for one in case.subjects if one in named), None)  # of a merge, whose payment it is
    if subject is None:
        kind = next((one for one in ("customer", "card", "account") if one in lead.entities), None)
        if kind is None:
            return []
        subject = model.Subject(kind, lead.entities[kind])
    row = dashboard.finder.find(
        Wanted(
            terms=(Term(subject.entity_type, subject.entity_id),),
            since_ms=lead.event_time_ms,
            until_ms=lead.event_time_ms + 1,
        ),
        20,
        ("transaction_id", *COLUMNS),
    ).rows
    this = next((one for one in row if one["transaction_id"] == lead.transaction_id), None)
    return compare(dashboard.finder, this, subject) if this else []


def _timeline(
    dashboard: Dashboard, about: list[model.Subject], payments: list[Payment], events: list[CaseEvent]
) -> list[Moment]:
    ids = {one.transaction_id for one in payments}
    rows: list[dict[str, Any]] = []
    for subject in about[:3]:
        wanted = Wanted(terms=(Term(subject.entity_type, subject.entity_id),))
        rows += dashboard.finder.find(wanted, _TIMELINE, _SHOWN).rows
    known = {row["transaction_id"] for row in rows}
    for one in payments[:_TIMELINE]:
        if one.transaction_id not in known:
            rows.append(
                {
                    "transaction_id": one.transaction_id,
                    "event_time_ms": one.event_time_ms,
                    "outcome": one.outcome.value,
                    "amount": one.amount,
                    "currency": one.currency,
                    "merchant_id": one.entities.get("merchant"),
                    "score": one.score,
                }
            )
    found = [
        Moment(row["event_time_ms"], "payment", "", None, row, row["transaction_id"] in ids) for row in rows
    ]
    asked = [one.transaction_id for one in payments]
    labels = dashboard.of(RecordServices).annotations.labels_of_each(asked)
    found += _labels(zip(asked, labels, strict=True))
    alerted = [event for event in events if isinstance(event.change, model.Alerted)]
    if len(alerted) > _ALERTS:
        found.append(Moment(alerted[-1].at_ms, "case", _alerts(alerted), alerted[-1].by))
        events = [event for event in events if not isinstance(event.change, model.Alerted)]
    for same in _merges(events):
        found.append(Moment(same[-1].at_ms, "case", _merged(same), same[-1].by))
        events = [event for event in events if event not in same]
    for event in events:
        if not isinstance(event.change, model.Joined):
            body = event.change.text if isinstance(event.change, model.Noted) else ""
            found.append(Moment(event.at_ms, "case", told(event.change), event.by, body=body))
    found.sort(key=lambda one: (one.kind == "payment" and not one.is_of_case, -one.at_ms))
    return sorted(found[: 2 * _TIMELINE], key=lambda one: -one.at_ms)  # what goes first is not of the case


def _labels(known: Iterable[tuple[str, Sequence[Mapping[str, Any]]]]) -> list[Moment]:
    """Labels by payment; those that one source gave to several at once share a line."""
    payments: dict[tuple[int, str], list[str]] = {}
    for transaction_id, labels in known:
        for label in labels:
            said = "fraud" if label["label"] else "genuine"
            text = f"labelled {said} by {label['label_source'] or 'a label'}"
            payments.setdefault((label["event_time_ms"], text), []).append(transaction_id)
    return [
        Moment(at_ms, "label", f"Payment {ids[0]} {text}" if len(ids) == 1 else f"{len(ids)} payments {text}")
        for (at_ms, text), ids in payments.items()
    ]


def _merges(events: Sequence[CaseEvent]) -> list[list[CaseEvent]]:
    """Merges into the case that the same person, or Ringfence, made one after the other."""
    merged = [event for event in events if isinstance(event.change, model.Absorbed)]
    runs = [list(run) for _, run in groupby(merged, lambda event: (event.by, event.at_ms // _MINUTE_MS))]
    return [run for run in runs if len(run) > 1]


def _merged(events: Sequence[CaseEvent]) -> str:
    names = [event.change.case for event in events if isinstance(event.change, model.Absorbed)]
    listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return f"added the payments of {len(names)} cases: {listed}"


def _alerts(alerted: Sequence[CaseEvent]) -> str:
    """Many alerts in one line, the most frequent first."""
    titles = Counter(one.change.title for one in alerted if isinstance(one.change, model.Alerted))
    named = (f"{count} × {title}" if count > 1 else title for title, count in titles.most_common())
    return f"added {len(alerted)} alerts: {'; '.join(named)}"


def _link(dashboard: Dashboard, kind: str, identity: str) -> Linked:
    found = dashboard.finder.find(Wanted(terms=(Term(kind, identity),)), _LOOKED_AT, ("transaction_id",))
    seed = dashboard.store.meta.hash_seed
    keys = hash_column(pa.array([row["transaction_id"] for row in found.rows], pa.string()), seed)
    said = dashboard.of(RecordServices).annotations.fraud(keys)
    return Linked(kind, identity, found.total, int((said == 1).sum()), int((said >= 0).sum()))


def _to_customer(found: Dossier | None) -> str:
    if found is None:
        return ""
    reasons = [one.customer for one in (*found.reasons, *found.besides) if one.customer]
    return reasons[0] if reasons else ""
