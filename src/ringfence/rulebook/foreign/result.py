"""What an import asks for and what it gives: rules, features, and what could not be translated."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.errors import InputError
from ringfence.scoring.rulesets.outcomes import Mode, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.features.spec import BoundFeature
    from ringfence.scoring.rulesets.ruleset import Rule

MAX_BYTES: Final = 4 << 20
MAX_RULES: Final = 1_000

_OUTCOMES: Final[dict[str, Outcome]] = {
    **dict.fromkeys(
        ("approve", "approved", "allow", "accept", "legit", "pass", "low_risk", "no_action"), Outcome.APPROVE
    ),
    **dict.fromkeys(
        ("challenge", "mfa", "otp", "step_up", "verify", "verification", "captcha"), Outcome.CHALLENGE
    ),
    **dict.fromkeys(
        ("review", "investigate", "manual_review", "hold", "escalate", "medium_risk"), Outcome.REVIEW
    ),
    **dict.fromkeys(
        ("decline", "declined", "block", "blocked", "deny", "reject", "rejected", "fraud", "high_risk"),
        Outcome.DECLINE,
    ),
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user says of an import.

    `names` are names of the source with ours, `outcomes` the source's outcomes with ours. `first_matched`
    says whether the first rule that is true decides alone; None leaves it to the source.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    first_matched: bool | None = None
    mode: Mode = Mode.SHADOW

    def outcome(self, name: str) -> Outcome | None:
        """Our outcome for one of the source; None where nobody said."""
        plain = re.sub(r"[\s-]+", "_", name.strip().lower())
        return self.outcomes.get(name) or _OUTCOMES.get(plain)


class ForeignRefusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """An expression that was not translated: of which rule, what it says, and why."""

    rule: str
    expression: str
    reason: str
    line: int | None = None
    column: int | None = None


@dataclass(slots=True)
class Imported:
    """What came of a file. The rules compile over the shipped catalog and `features`."""

    rules: list[Rule] = field(default_factory=list)
    features: list[BoundFeature] = field(default_factory=list)
    refused: list[ForeignRefusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Something to know, said once."""
        if text not in self.notes:
            self.notes.append(text)


def rule_id(text: str) -> str:
    """An id that a rule may have.

    >>> rule_id("High value, new user!")
    'high_value_new_user'
    """
    return re.sub(r"[^a-z0-9.-]+", "_", text.lower()).strip("_")[:80] or "rule"


def plain_words(text: str) -> str:
    """Text for people, without braces, which would name features."""
    return text.replace("{", "(").replace("}", ")").strip()


def read_source(text: str) -> str:
    """The text, within bounds."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise InputError(f"the file is larger than {MAX_BYTES >> 20} MiB: split it")
    return text.removeprefix("\ufeff")
