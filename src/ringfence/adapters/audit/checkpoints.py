"""The head of the audit trail, signed and kept elsewhere every so often."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.audit import Act, Anchor, SigningKey
from ringfence.audit.records import KEY_ADDED
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.audit.trail import Trail

_POST_SECONDS: Final = 10.0
_LONGEST_ANCHORS: Final = 64 << 20  # bytes of a file of anchors
_URLS: Final = ("http://", "https://")


@dataclass(slots=True)
class Checkpoints:
    """Takes a checkpoint at most every so often; `due` is called as often as one likes.

    Attributes:
        every_ms: between two checkpoints of a trail that grows.
        now_ms: wall-clock time.
        key_file: where the signing key is; without one a checkpoint is not signed.
        anchor: a file to append heads to, or a URL that takes them by POST; nowhere without.
    """

    every_ms: int
    now_ms: Callable[[], int]
    key_file: Path | None = None
    anchor: str | None = None
    _last_ms: int = 0

    def due(self, trail: Trail) -> None:
        """Take one if it is time."""
        if self.now_ms() - self._last_ms >= self.every_ms:
            self.take(trail)

    def take(self, trail: Trail) -> Anchor:
        """Bring what the log holds into the chain, sign the head, keep it elsewhere."""
        now_ms = self.now_ms()
        key = None if self.key_file is None else self._key(trail, self.key_file)
        sealed = {topic: trail.sealed(topic) for topic in trail.positions()}
        acts = [
            span.act
            for span in trail.spans()
            if (known := sealed[span.topic]) is None or span.next > known.next or span.first > known.first
        ]
        if acts:
            trail.write(acts, now_ms)
        anchor = Anchor(trail.head(), now_ms) if key is None else trail.sign(key, now_ms)
        self._last_ms = now_ms
        if self.anchor is not None and anchor.head.number:
            keep(anchor, self.anchor)
        return anchor

    @staticmethod
    def _key(trail: Trail, path: Path) -> SigningKey:
        key = SigningKey.read(path)
        if trail.keys()[-1:] != [key.public]:
            raise InputError(
                f"{path} is not the key that signs this audit trail: set audit_key to the file of its newest "
                "key, or make one with `ringfence audit key`"
            )
        return key


def keep(anchor: Anchor, where: str) -> None:
    """Append an anchor to a file as one line of JSON, durably, or POST it; `StoreError` where that fails."""
    line = msgspec.json.encode(anchor)
    if where.startswith(_URLS):
        import httpx  # noqa: PLC0415 (few have an address here, and all processes would load it)

        host = httpx.URL(where).host or "the address"
        try:
            answer = httpx.post(
                where, content=line, headers={"content-type": "application/json"}, timeout=_POST_SECONDS
            )
        except httpx.HTTPError as error:
            raise StoreError(
                f"the anchor cannot be sent to {host}: {error or type(error).__name__}"
            ) from None
        if not answer.is_success:
            raise StoreError(f"{host} answered {answer.status_code} to an anchor of the audit trail")
        return
    try:
        with Path(where).open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"the anchor file {where} cannot be written ({error.strerror})") from error


def anchors_in(path: Path) -> list[Anchor]:
    """The anchors that `keep` wrote to a file, the last of each record; `InputError` where it holds others.

    A last line that a crash cut off is passed over.
    """
    try:
        if path.stat().st_size > _LONGEST_ANCHORS:
            raise InputError(f"{path} is too large to be a file of anchors")
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"the anchors in {path} cannot be read: {error.strerror}") from error
    found = {}
    for number, line in enumerate(lines[:-1], 1):
        try:
            anchor = msgspec.json.decode(line, type=Anchor)
        except msgspec.MsgspecError as error:
            raise InputError(f"{path}, line {number}: no anchor of an audit trail ({error})") from error
        found[anchor.head.number] = anchor
    return list(found.values())


def add_key(trail: Trail, path: Path, actor: str, now_ms: int, before: Path | None = None) -> SigningKey:
    """Make a signing key, keep it in a new file and have the key before sign for it, if there was one.

    `InputError` where the file is there already, or the key before is needed and not given.
    """
    known = trail.keys()
    older = None if before is None else SigningKey.read(before)
    if known and (older is None or older.public != known[-1]):
        raise InputError(
            f"the trail is signed with the key {known[-1][:16]}…: give its file as --before, so that it "
            "signs for the new one"
        )
    key = SigningKey.new()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError(f"{path} is there already: a key is never written over") from None
    except OSError as error:
        raise InputError(f"the key cannot be kept in {path}: {error.strerror}") from error
    with closing(os.fdopen(descriptor, "wb")) as file:
        file.write(key.pem)
        file.flush()
        os.fsync(file.fileno())
    added = Act(actor=actor, channel="command", action=KEY_ADDED, object=key.public)
    trail.sign(older or key, now_ms, trail.write([added], now_ms))
    return key
