"""List entries, flags, profiles and labels through a control topic: a record brings one event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.errors import RuleError
from ringfence.events.model import ADDED_BY, ATTRIBUTE_PREFIX, AUTHOR, LIST_SOURCE, Kind
from ringfence.intake import event_json
from ringfence.scoring.rulesets.actions import ListKind
from ringfence.sharded.kinds import is_of_kind

if TYPE_CHECKING:
    from collections.abc import Collection

    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer

_KIND: Final = "reference"
_TOKEN: Final = re.compile(r"(?:tok|pd)_[0-9a-f]{32}")
_ANY: Final = str(ListKind.WATCH)
_PURPOSE: Final = "entries of a control topic"
_OURS: Final = tuple(name.removeprefix(ATTRIBUTE_PREFIX) for name in (AUTHOR, LIST_SOURCE, ADDED_BY))
_AUTHOR, _SOURCE, _ = _OURS


class _About(msgspec.Struct):
    """The event in a record, as far as it matters before it is decoded."""

    kind: str = "transaction"
    entity_id: str | int | None = None


class ReferenceRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A record with a profile, list entry, flag or label.

    Attributes:
        event: it, as canonical JSON.
        keys: digest of the keys by which ids became tokens.
        author: who changed the list.
        source: where an entry of it is known from.
    """

    kind: str
    event: msgspec.Raw
    keys: str
    author: str = ""
    source: str = ""


_DECODER: Final = msgspec.json.Decoder(ReferenceRecord)
_ABOUT: Final = msgspec.json.Decoder(_About)
_CARRIED: Final = frozenset(
    kind.name.lower() for kind in (Kind.PROFILE, Kind.LIST_ENTRY, Kind.FLAG, Kind.LABEL)
)


def keys_of(tokenizer: Tokenizer) -> str:
    """By which two stores know whether they have the same tokens for the same ids."""
    kept = "vault" if tokenizer.personal is not None else "kept"
    return f"{tokenizer.seed(f'{_PURPOSE}, {kept}'):032x}"[:16]


def reference_record(events: EventBatch, row: int, keys: str, attributes: Collection[str] = ()) -> bytes:
    """The value of a record with an event of a log; of a profile these `attributes`, of a label no words."""
    event = event_json(events, row)
    known: dict[str, Any] = event.pop("attributes", {})
    if event["kind"] == Kind.LABEL.name.lower():
        event.pop("note", None)
        known = {}
    if event["kind"] == Kind.PROFILE.name.lower():
        event["attributes"] = {name: value for name, value in known.items() if name in attributes}
        known = {}
    if event.get("removed") and event["kind"] == Kind.LIST_ENTRY.name.lower():
        event.setdefault("list_kind", _ANY)  # no entry comes without one
    author, source = (str(known.get(name) or "") for name in (_AUTHOR, _SOURCE))
    return msgspec.json.encode(
        ReferenceRecord(_KIND, msgspec.Raw(msgspec.json.encode(event)), keys, author, source)
    )


def is_reference(value: bytes) -> bool:
    """Whether a record of a control topic brings a profile, list entry, flag or label."""
    return is_of_kind(value, _KIND)


def reference_in(value: bytes, keys: str) -> ReferenceRecord:
    """What a record brings to a store or job with `keys`; `RuleError` says why it cannot be taken."""
    try:
        found = _DECODER.decode(value)
        about = _ABOUT.decode(found.event)
    except msgspec.MsgspecError as error:
        raise RuleError(f"this is no list entry, flag, profile or label: {error}") from error
    if about.kind not in _CARRIED:
        raise RuleError(
            f"a control topic has no event of kind {about.kind[:40]!r}: send it to a topic of payments"
        )
    if found.keys != keys and _TOKEN.fullmatch(str(about.entity_id)):
        raise RuleError(
            f"{about.entity_id} is a token by the keys of another data folder, and no payment here has it: "
            "run servers and job with the keys of one data folder, and one setting of personal_data"
        )
    return found
