"""Two pairs of eyes: what one person asks for, another one approves, and then it is done once."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from ringfence.access.roles import Permission, holders
from ringfence.errors import InputError
from ringfence.rulebook.changes import ApprovalError, NothingToDoError
from ringfence.rulebook.desk import bare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ringfence.rulebook.desk import Who

WAITS_MS: Final = 7 * 86_400_000
"""How long a request waits for somebody to decide."""

COUNTS_MS: Final = 86_400_000
"""How long an approval counts: what was looked at may be another thing tomorrow."""

MOST_WAITING: Final = 100
"""Requests of one principal that wait at once."""

LONGEST: Final = 500
"""Characters of what people read."""


class Deed(StrEnum):
    """What the setting `four_eyes` can hold to two pairs of eyes, beside rules and the closing of cases."""

    MODELS = "models"  # a model is promoted, rolled out or retired
    ERASURE = "erasure"  # a person is erased
    REVEAL = "reveal"  # originals are revealed beyond the limit


class ApprovalState(StrEnum):
    """Where a request stands. `done`: what was approved has been done, and may not be done again."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    DONE = "done"
    LAPSED = "lapsed"


class ApprovalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants done. `subject` is for people, `content` a digest of all that it names."""

    id: str
    deed: Deed
    subject: str
    content: str
    asked_by: str
    asked_ms: int
    reason: str
    state: ApprovalState
    decided_by: str | None = None
    decided_ms: int | None = None
    note: str | None = None

    def at(self, now_ms: int) -> ApprovalRequest:
        """As it is at this time: what waited, or was approved, for too long has lapsed."""
        waited = self.state is ApprovalState.WAITING and now_ms - self.asked_ms > WAITS_MS
        passed = self.state is ApprovalState.APPROVED and now_ms - (self.decided_ms or 0) > COUNTS_MS
        return msgspec.structs.replace(self, state=ApprovalState.LAPSED) if waited or passed else self


class AwaitingApprovalError(ApprovalError):
    """Nothing is done until somebody else has approved `request`."""

    def __init__(self, request: ApprovalRequest) -> None:
        self.request = request
        super().__init__(
            f"this waits for a second person: {request.id} is to be approved by somebody else with the role "
            f"{holders(Permission.APPROVE)} (`ringfence approvals approve {request.id}`, or the page "
            "Approvals). Then do the same again"
        )


class UnknownApprovalError(InputError):
    """There is no request of this id."""


class Approvals(Protocol):
    """Where requests are kept. Any thread and any process may use them."""

    def add(self, asked: ApprovalRequest) -> ApprovalRequest:
        """Keep a request under a new id."""
        ...

    def get(self, request_id: str) -> ApprovalRequest:
        """`UnknownApprovalError` where there is none of this id."""
        ...

    def latest(self, content: str, asked_by: str) -> ApprovalRequest | None:
        """The newest request of somebody for the same thing."""
        ...

    def newest(self, limit: int, *, asked_by: str | None = None) -> list[ApprovalRequest]:
        """The newest first."""
        ...

    def move(self, request: ApprovalRequest, state: ApprovalState, by: Who | None = None) -> bool:
        """Whether the request was still as given, and is in this state now; `by` is who decided."""
        ...

    def close(self) -> None:
        """Closing twice is allowed."""
        ...


class ApprovalDesk:
    """Requests of one installation. `demanded` are the deeds that need a second person; others just pass."""

    def __init__(self, book: Approvals, demanded: frozenset[Deed]) -> None:
        self.book = book
        self.demanded = demanded

    @contextmanager
    def approved(self, deed: Deed, subject: str, content: Mapping[str, object], who: Who) -> Iterator[None]:
        """Inside, do what somebody else has approved; an approval counts once, and again if that failed.

        `content` is all that decides what is done: an approval of one thing is none of another. Where nobody
        has approved it yet the request is kept, and `AwaitingApprovalError` names it. `InputError` where too
        many requests of the same principal wait.
        """
        if deed not in self.demanded:
            yield
            return
        request = self._asked(deed, subject, content, who)
        if request.state is not ApprovalState.APPROVED or not self.book.move(request, ApprovalState.DONE):
            raise AwaitingApprovalError(request)
        try:
            yield
        except BaseException:
            self.book.move(msgspec.structs.replace(request, state=ApprovalState.DONE), ApprovalState.APPROVED)
            raise

    def decide(self, request_id: str, who: Who, *, approve: bool) -> ApprovalRequest:
        """Approve or decline a request that waits. One's own can only be taken back, by declining it.

        `InputError` where there is none, `NothingToDoError` where it does not wait, `ApprovalError` for
        whoever may not decide.
        """
        request = self.book.get(request_id).at(who.now_ms)
        if request.state is not ApprovalState.WAITING:
            raise NothingToDoError(f"{request.id} does not wait: it is {request.state}")
        own = bare(request.asked_by) == bare(who.name)
        if (approve and own) or not (own or who.may_approve):
            raise ApprovalError(
                f"{request.id} has to be decided by somebody else than {request.asked_by}, with the role "
                f"{holders(Permission.APPROVE)}"
            )
        if approve and (why := who.same_hand(request.asked_by, request.asked_ms)):
            raise ApprovalError(f"{request.id}: {why}")
        state = ApprovalState.APPROVED if approve else ApprovalState.DECLINED
        if not self.book.move(request, state, who):
            raise NothingToDoError(f"{request.id} has been decided by somebody else meanwhile")
        return self.book.get(request.id)

    def list(self, now_ms: int, limit: int = 200) -> list[ApprovalRequest]:
        """The newest requests, as they stand."""
        return [one.at(now_ms) for one in self.book.newest(limit)]

    def _asked(self, deed: Deed, subject: str, content: Mapping[str, object], who: Who) -> ApprovalRequest:
        told = msgspec.json.encode(
            {"deed": deed, "subject": subject, "content": dict(content)}, order="sorted"
        )
        digest = blake2b(told, digest_size=16).hexdigest()
        known = self.book.latest(digest, who.name)
        if known is not None:
            known = known.at(who.now_ms)
            if known.state in (ApprovalState.WAITING, ApprovalState.APPROVED):
                return known
        own = self.book.newest(MOST_WAITING, asked_by=who.name)
        if len([one for one in own if one.at(who.now_ms).state is ApprovalState.WAITING]) >= MOST_WAITING:
            raise InputError(
                f"{MOST_WAITING} requests of {who.name} wait already: decline some with "
                "`ringfence approvals decline`"
            )
        asked = ApprovalRequest(
            id="",
            deed=deed,
            subject=subject[:LONGEST],
            content=digest,
            asked_by=who.name,
            asked_ms=who.now_ms,
            reason=who.note[:LONGEST],
            state=ApprovalState.WAITING,
        )
        return self.book.add(asked)
