"""What a rule does beside asking for an outcome: it may put somebody on a list."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from ringfence.errors import RuleError
from ringfence.features.spec import ENTITY_KEYS
from ringfence.scoring.rulesets.outcomes import as_members

MOST_A_DAY: Final = 100_000
LONGEST_DAYS: Final = 3650
_LONGEST_NAME: Final = 80


class ListKind(StrEnum):
    """What being on a list means: `card.allowed`, `card.blocked`, `card.watched` in rules."""

    ALLOW = "allow"
    BLOCK = "block"
    WATCH = "watch"


class AddTo(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Where the rule fires, the payment's `entity` goes on a list, from the next payment on.

    At most `cap_per_day` entries a day (UTC, of the payments' times); who is on the list already stays as is.
    """

    list: str
    entity: str
    kind: ListKind = ListKind.WATCH
    days: int | None = None  # how long, for ever unless given
    cap_per_day: int = 100

    def __post_init__(self) -> None:
        as_members(self, "add_to", kind=ListKind)
        if self.entity not in ENTITY_KEYS:
            raise RuleError(f"add_to: entity is one of {', '.join(ENTITY_KEYS)}, not {self.entity[:40]!r}")
        if not 0 < len(self.list) <= _LONGEST_NAME or self.list != self.list.strip():
            raise RuleError(f"add_to: a list's name has 1 to {_LONGEST_NAME} characters, no space around it")
        if not 1 <= self.cap_per_day <= MOST_A_DAY:
            raise RuleError(f"add_to: cap_per_day is between 1 and {MOST_A_DAY:,}")
        if self.days is not None and not 1 <= self.days <= LONGEST_DAYS:
            raise RuleError(f"add_to: days are between 1 and {LONGEST_DAYS:,}, or left out for ever")
