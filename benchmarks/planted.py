"""Secrets that hostile requests carry, and where they may never come up: answers, logs, files, the store."""

from __future__ import annotations

import random
import re
from contextlib import closing
from typing import TYPE_CHECKING

from ringfence.access.roles import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.compose.folder.store import open_store
from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ringfence.store import DataFolder

CARDS = 20
PROOFS = 10
STRANGERS = 4
SETTINGS = {
    "RINGFENCE_SERVE_TOKEN_SECRET": "planted-token-secret-0123456789abcdef",
    "RINGFENCE_SMTP_PASSWORD": "planted-smtp-password-77",
    "RINGFENCE_SLACK_TOKEN": "xoxb-planted-slack-token-88",
    "RINGFENCE_SLACK_SIGNING_SECRET": "planted-slack-signing-99",
    "RINGFENCE_SERVE_OIDC_CLIENT_SECRET": "planted-oidc-secret-66",
}
PROOF_FIELDS = ("cvv", "cvc", "cvv2", "pin", "pin_block", "track1", "track2", "card_verification_value")


class Planted:
    """50 secrets: card numbers, proofs of a payer, a key of each role, keys of nobody, and settings."""

    def __init__(self, folder: Path, seed: int) -> None:
        chance = random.Random(seed)
        self.cards = [_card(chance) for _ in range(CARDS)]
        self.proofs = [f"PROOF{chance.randrange(10**9):09d}X" for _ in range(PROOFS)]
        self.strangers = [
            f"rf_{chance.randrange(16**8):08x}_planted{number}key" for number in range(STRANGERS)
        ]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(ApiKeys(folder)) as keys:
            self.keys = {role: keys.create(role, frozenset({role}), 0) for role in Role}
        secret = [one.split("_", 2)[2] for one in (*self.keys.values(), *self.strangers)]
        everything = [*self.cards, *self.proofs, *secret, *SETTINGS.values()]
        assert len(everything) == 50
        self._pattern = re.compile(b"|".join(re.escape(one.encode()) for one in everything))
        self.count = len(everything)

    def find(self, content: bytes) -> str | None:
        """One that is in there; None where none is."""
        found = self._pattern.search(content)
        return found[0].decode() if found else None

    def in_files(self, folder: Path) -> list[str]:
        """Files below a folder that hold one, as they are on the disk."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        found = [(path, self.find(path.read_bytes())) for path in files]
        return [f"{path.relative_to(folder)} holds {one}" for path, one in found if one]

    def in_store(self, folder: Path) -> list[str]:
        """Topics and the quarantine, whose content is packed on the disk."""
        with open_store(folder, read_only=True) as store:
            return [f"{place} holds {one}" for place, text in _texts(store) if (one := self._in(text))]

    def _in(self, text: str) -> str | None:
        return self.find(text.encode(errors="replace"))


def _texts(store: DataFolder) -> Iterator[tuple[str, str]]:
    """What a store holds, and where."""
    for topic, unpacked in ((EVENTS, _events), (DECISIONS, _decisions)):
        for batch in store.log.read(topic, store.log.start_offset(topic), store.log.end_offset(topic)):
            yield f"topic {topic} at {batch.base_offset}", unpacked(batch.payload)
    for record in store.quarantine.records(limit=1_000_000):
        yield f"quarantined record {record.id}", repr(store.quarantine.get(record.id))


def _events(payload: bytes) -> str:
    return str(codec.decode(payload).table.to_pylist())


def _decisions(payload: bytes) -> str:
    return str(DecisionBatch.decode(payload).table.to_pylist())


def _card(chance: random.Random) -> str:
    """A number of 16 digits that passes the check of cards."""
    digits = [4, *(chance.randrange(10) for _ in range(14))]
    doubled = [2 * one - 9 * (one > 4) if place % 2 == 0 else one for place, one in enumerate(digits)]
    return "".join(map(str, digits)) + str(-sum(doubled) % 10)
