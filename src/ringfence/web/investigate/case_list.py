"""A list of cases, with what stands above it: what queues hold, and how the caller has done."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from ringfence.api.services import CaseServices, RecordServices
from ringfence.cases.errors import UnknownCaseError
from ringfence.cases.model import CaseState
from ringfence.cases.words import FOUND
from ringfence.web.parts.catching_up import late

if TYPE_CHECKING:
    from ringfence.cases.book import CaseQuery
    from ringfence.cases.model import Case
    from ringfence.web.dashboard import Dashboard

_DAY_MS: Final = 86_400_000
_JUDGED: Final = 100  # of an analyst's newest findings
_JUDGED_BY: Final = 5  # payments of each
_ABOUT: Final = 20  # newest payments of a split case, which say whom it is about


def listed(dashboard: Dashboard, query: CaseQuery, now_ms: int, me: str) -> dict[str, Any]:
    """Cases that match, with what queues hold and how the caller has done."""
    desk, book = dashboard.of(CaseServices).cases, dashboard.of(CaseServices).case_book
    page = desk.page(query, now_ms)
    split = [one for one in page.cases if not one.subjects]
    return {
        "reading": late(dashboard, "cases"),
        "page": page,
        "about": {one.id: desk.policy.about(one, book.payments(one.id, _ABOUT)) for one in split},
        "queues": [one for one in desk.queues(now_ms) if not query.queues or one.queue in query.queues],
        "now_ms": now_ms,
        "done": book.count_closed_by(me, now_ms - _DAY_MS),
        "agreement": _agreement(dashboard, me, now_ms),
        "found_as": FOUND,
    }


def just_closed(dashboard: Dashboard, case_id: str, me: str) -> Case | None:
    """The case with this id where the caller has closed it and may undo that; None where it is another's."""
    try:
        case = dashboard.of(CaseServices).case_book.case(case_id.upper())
    except UnknownCaseError:
        return None
    is_mine = case.finding is not None and case.finding.by == me
    return case if case.state is CaseState.CLOSED and is_mine else None


def _agreement(dashboard: Dashboard, me: str, now_ms: int) -> tuple[int, int]:
    """How many later labels agree with this analyst's newest findings of 90 days, of how many."""
    book = dashboard.of(CaseServices).case_book
    said = [
        (one.finding.at_ms, one.finding.disposition.label, book.payments(one.id, _JUDGED_BY))
        for one in book.closed_by(me, now_ms - 90 * _DAY_MS, _JUDGED)
        if one.finding is not None and one.finding.disposition.label is not None
    ]
    asked = [payment.transaction_id for _, _, payments in said for payment in payments]
    labels = iter(dashboard.of(RecordServices).annotations.labels_of_each(asked))
    agreed = judged = 0
    for at_ms, label, payments in said:
        for known in itertools.islice(labels, len(payments)):
            others = [one for one in known if one["label_source"] != "case" and one["label"] is not None]
            if others and others[-1]["event_time_ms"] >= at_ms:
                judged += 1
                agreed += others[-1]["label"] == label
    return agreed, judged
