"""What is sent to a server about rules and lists, and what it answers: the same for the command line."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from ringfence.rulebook.changes import Activation, Change  # noqa: TC001 (msgspec reads the annotations)
from ringfence.rulebook.entries import NAME_LIMIT, Entry
from ringfence.scoring.rulesets.actions import ListKind
from ringfence.scoring.rulesets.rules import Mode  # noqa: TC001 (likewise)

Note = Annotated[str, msgspec.Meta(max_length=1000)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-z]{4,16}$")]  # may be shortened; or active, or head
_EDGE = "[^\\x00-\\x20\\x7f-\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]"  # no space
_INSIDE = f"[^\\x00-\\x1f\\x7f]{{0,{NAME_LIMIT - 2}}}"
LIST_NAME: Final = f"^{_EDGE}({_INSIDE}{_EDGE})?$"
ListName = Annotated[str, msgspec.Meta(pattern=LIST_NAME)]
RuleId = Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,80}$")]
Confirm = Annotated[str, msgspec.Meta(max_length=64)]  # that of the impact sheet of this very change
Entries = Annotated[list[Entry], msgspec.Meta(min_length=1, max_length=10_000)]


class RequestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is sent: a field that nobody knows is refused."""


class CheckBook(RequestBody, frozen=True, kw_only=True):
    """A book's text to be looked at."""

    text: str


class SaveBook(RequestBody, frozen=True, kw_only=True):
    """A new version of the whole book, made on `based_on`; with `activate` also put in force at once."""

    text: str
    based_on: Digest
    note: Note = ""
    activate: bool = False
    confirm: Confirm = ""


class SetMode(RequestBody, frozen=True, kw_only=True):
    """A new version in which one rule has another mode."""

    mode: Mode
    based_on: Digest
    note: Note = ""
    activate: bool = False
    confirm: Confirm = ""


class ApprovalNote(RequestBody, frozen=True, kw_only=True):
    """Why something is approved or rejected."""

    note: Note = ""


class Activate(RequestBody, frozen=True, kw_only=True):
    """Why something is put in force. `confirm` is that of its impact sheet."""

    note: Note = ""
    confirm: Confirm = ""


class RollBack(RequestBody, frozen=True, kw_only=True):
    """Which version to put in force again: the one before the present unless named."""

    to: Digest | None = None
    note: Note = ""
    confirm: Confirm = ""


class ImpactOf(RequestBody, frozen=True, kw_only=True):
    """A change that has not been made: a version, a text, a rule with another mode, or a rollback.

    A mode is changed in `version`, the newest unless named; so is a rollback's target, the version before the
    present one unless named.
    """

    version: Digest | None = None
    text: str | None = None
    rule: RuleId | None = None
    mode: Mode | None = None
    rollback: bool = False


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A new version, and from where on it decides: null where it does not yet."""

    change: Change
    activation: Activation | None
    warnings: list[str]


class AddEntries(RequestBody, frozen=True, kw_only=True):
    """Entries that join a list from the next event on."""

    list: ListName
    kind: ListKind = ListKind.WATCH
    entries: Entries


class RemoveEntries(RequestBody, frozen=True, kw_only=True):
    """Entries that leave a list from the next event on: by id, and by type if they had one."""

    list: ListName
    entries: Entries
