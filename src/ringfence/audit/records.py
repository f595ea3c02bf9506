"""What is written down of an act, and how records hang together."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Final

import msgspec

GENESIS: Final = "0" * 64
"""What stands for the hash before the first record."""

KEY_ADDED: Final = "audit.key_added"
"""Act by which a signing key comes in; its object is the public key."""

SEALED: Final = "log.sealed"
"""Act that says what a span of the log holds; its object is the topic."""

REPORTED: Final = "case.reported"
"""Act that nobody may know of but who may make such reports."""

_LONGEST: Final = 500  # characters of a text that somebody else chose
_MOST_DETAILS: Final = 20
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody did, saw or was refused.

    Attributes:
        actor: `key:ID` of an API key, the subject of a token, `user:NAME` of a command, or `ringfence`.
        channel: where it happened: `api`, `dashboard`, `command` or `server`.
        action: what was done, as `list.changed`.
        object: to what: the name of a list, the id of a payment, a version.
        outcome: `done`, `refused` or `failed`.
        details: whatever else tells one such act from another. Texts only, never a secret.
    """

    actor: str
    channel: str
    action: str
    object: str = ""
    outcome: str = "done"
    details: dict[str, str] = {}


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An act in its place: `number` counts from 1, `previous` is the hash of the record before."""

    number: int
    time_ms: int
    act: Act
    previous: str
    hash: str


def chained(act: Act, number: int, time_ms: int, previous: str) -> Record:
    """The record of an act behind the one with the hash `previous`; over-long texts are cut.

    >>> first = chained(Act(actor="user:ada", channel="command", action="key.created"), 1, 0, GENESIS)
    >>> first.hash == hash_of(first), len(first.hash)
    (True, 64)
    """
    kept = Act(
        actor=_short(act.actor),
        channel=_short(act.channel),
        action=_short(act.action),
        object=_short(act.object),
        outcome=_short(act.outcome),
        details={_short(name): _short(text) for name, text in list(act.details.items())[:_MOST_DETAILS]},
    )
    bare = Record(number=number, time_ms=time_ms, act=kept, previous=previous, hash="")
    return msgspec.structs.replace(bare, hash=hash_of(bare))


def hash_of(record: Record) -> str:
    """SHA-256 over everything that a record says, in hex: of its JSON with sorted names, without `hash`."""
    said = {
        "act": record.act,
        "number": record.number,
        "previous": record.previous,
        "time_ms": record.time_ms,
    }
    return hashlib.sha256(_ENCODER.encode(said)).hexdigest()


def _short(text: str) -> str:
    """At most so many characters, all of which can be stored and shown on one line."""
    clean = "".join("\ufffd" if unicodedata.category(one)[0] == "C" else one for one in text[: _LONGEST + 1])
    return clean if len(clean) <= _LONGEST else clean[: _LONGEST - 1] + "…"
