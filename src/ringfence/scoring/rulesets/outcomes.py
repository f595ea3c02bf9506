"""The words that rules, typologies and policies share: outcomes, modes, failure policies, ids."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from ringfence.errors import RuleError


class Outcome(StrEnum):
    """What is done with a payment, from the mildest to the strictest."""

    APPROVE = "approve"
    CHALLENGE = "challenge"
    REVIEW = "review"
    DECLINE = "decline"

    @property
    def strictness(self) -> int:
        """0 for approve to 3 for decline."""
        return OUTCOMES.index(self)


OUTCOMES: Final = tuple(Outcome)


class Mode(StrEnum):
    """Life of a rule.

    Shadow rules are judged and recorded but decide nothing; draft, paused and archived ones rest.
    """

    DRAFT = "draft"
    SHADOW = "shadow"
    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


class OnFailure(StrEnum):
    """What a decision made without one of its parts is.

    As if the part had found nothing, or held for review at least.
    """

    OPEN = "open"
    CLOSED = "closed"


def as_members(value: msgspec.Struct, what: str, **kinds: type[StrEnum]) -> None:
    """Made in Python, a struct may be given plain texts: turn them into members, or refuse them."""
    for name, kind in kinds.items():
        given = getattr(value, name)
        if given is not None and not isinstance(given, kind):
            if given not in list(kind):
                raise RuleError(f"{what}: {name} is one of {', '.join(kind)}, not {given!r}")
            msgspec.structs.force_setattr(value, name, kind(given))


def check_id(text: str, what: str) -> None:
    """Refuse an id that could not stand in a command, a URL or a decision."""
    if not text or len(text) > 80 or not text.replace("_", "").replace("-", "").replace(".", "").isalnum():
        raise RuleError(f"{what} {text[:80]!r}: use letters, digits, _, - and ., at most 80")
