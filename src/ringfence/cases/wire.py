"""What is asked of a case, as it is sent to a server and as the command line asks: one struct an action."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ringfence.cases.model import Case, CaseEvent, Disposition, Payment, Subject  # noqa: TC001 (msgspec reads them)

Text = Annotated[str, msgspec.Meta(max_length=10_000)]
Reason = Annotated[str, msgspec.Meta(max_length=1000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
CaseId = Annotated[str, msgspec.Meta(pattern="^[Cc]-[0-9]{1,15}$")]
Version = Annotated[int, msgspec.Meta(ge=1)]
Ids = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]], msgspec.Meta(max_length=10_000)
]
Word = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_-]{1,40}$")]


class Do(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="action",
    omit_defaults=True,
):
    """Base of all actions. `version` is that of the case which the caller saw."""

    version: Version


class Assign(Do, frozen=True, kw_only=True, tag="assign"):
    """Give the case to somebody, or take it, until further notice."""

    to: Name | None = None  # the caller unless named


class Release(Do, frozen=True, kw_only=True, tag="release"):
    """Give the case back to its queue."""


class Note(Do, frozen=True, kw_only=True, tag="note"):
    """Write something down."""

    text: Text


class Snooze(Do, frozen=True, kw_only=True, tag="snooze"):
    """Let the case rest for so many minutes."""

    minutes: Annotated[int, msgspec.Meta(ge=1, le=525_600)]
    reason: Reason = ""


class Wake(Do, frozen=True, kw_only=True, tag="wake"):
    """End the rest."""


class Escalate(Do, frozen=True, kw_only=True, tag="escalate"):
    """Put the case before all others of its queue."""

    reason: Reason = ""


class Move(Do, frozen=True, kw_only=True, tag="move"):
    """Put the case into another queue."""

    queue: Word


class Merge(Do, frozen=True, kw_only=True, tag="merge"):
    """Take over the payments of another case, which the caller saw at `other_version`."""

    other: CaseId
    other_version: Version


class Unmerge(Do, frozen=True, kw_only=True, tag="unmerge"):
    """Give a merged case its payments back."""


class Split(Do, frozen=True, kw_only=True, tag="split"):
    """Give some payments a case of their own, which is the answer."""

    payments: Ids


class Close(Do, frozen=True, kw_only=True, tag="close"):
    """Say what was found. The payments, all unless named, become labels.

    `block` names the entity types whose ids join the block list.
    """

    disposition: Disposition
    typology: Word | None = None
    payments: Ids | None = None
    block: Annotated[list[Word], msgspec.Meta(max_length=10)] = []
    note: Text = ""


class Approve(Do, frozen=True, kw_only=True, tag="approve"):
    """Agree to what somebody else proposed."""


class Reject(Do, frozen=True, kw_only=True, tag="reject"):
    """Do not agree to it: the case is open again."""

    reason: Reason = ""


class Reopen(Do, frozen=True, kw_only=True, tag="reopen"):
    """Open a closed case again."""

    reason: Reason = ""


Action = (
    Assign
    | Release
    | Note
    | Snooze
    | Wake
    | Escalate
    | Move
    | Merge
    | Unmerge
    | Split
    | Close
    | Approve
    | Reject
    | Reopen
)


class Seen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A case at a version."""

    id: CaseId
    version: Version


class NextCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for the next case of a queue, of all unless named; `passing` is given back first."""

    queue: Word | None = None
    passing: Seen | None = None


class OpenCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Open a case on a payment."""

    transaction_id: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """The case that was handed out; null where none is ready."""

    case: Case | None


class Bulk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One action on many cases. The version of `act` is passed over: each case brings its own."""

    cases: Annotated[list[Seen], msgspec.Meta(min_length=1, max_length=200)]
    act: Assign | Release | Note | Snooze | Wake | Escalate | Move | Close | Approve | Reject | Reopen


class BulkResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one case of many."""

    id: str
    status: Literal["done", "refused"]
    version: int | None = None
    problem: str | None = None


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A case with its newest payments and all that happened to it; whom it is about, by the policy."""

    case: Case
    payments: list[Payment]
    events: list[CaseEvent]
    about: list[Subject] = []


class CasePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some cases, and how many there are."""

    total: int
    cases: list[Case]
