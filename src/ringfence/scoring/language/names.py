"""What a rule can speak of.

Event fields, features, profiles, flags, lists, free attributes, and what each name's type is.
"""

from __future__ import annotations

import difflib
import re
from contextlib import suppress
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ringfence.events.model import ATTRIBUTE_PREFIX, BIN_FIELDS, CATEGORY_FIELDS, ID_FIELDS
from ringfence.features.spec import ENTITY_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.errors import RuleError
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.language.program import Builder


class Type(StrEnum):
    """Type of a value in a rule."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"


EVENT_NAMES: Final = {
    **dict.fromkeys(
        ("amount", "amount_minor", "cents", "lat", "lon", "hour", "weekday", "event_time"), Type.NUMBER
    ),
    **dict.fromkeys(("transaction_id", *ID_FIELDS, *CATEGORY_FIELDS, "card_last4", *BIN_FIELDS), Type.TEXT),
}
"""Fields of the transaction itself.

`amount` is in major units, `cents` are the hundredths behind its point, `event_time` in ms since 1970, `hour`
and `weekday` (0 = Monday) in the rule set's zone.
"""

MODEL_NAMES: Final = {"model.probability": Type.NUMBER, "model.score": Type.NUMBER}
"""What the model says, 0 to 1 and 0 to 100: null where none speaks, or it failed."""

TIME_PARTS: Final = ("year", "month", "day", "isodow", "dow", "hour", "minute", "second")
"""What EXTRACT takes of `event_time`; isodow is 1 for Monday to 7, dow 0 for Sunday to 6."""

PARAMETER_PREFIX: Final = "param."
"""`param.x` is the parameter x of the rule or typology itself."""

TYPOLOGY_PREFIX: Final = "typology."
"""`typology.x` is the score, 0 to 100, of the rule set's typology x."""

ENTITY_NAMES: Final = {
    "flagged": Type.BOOLEAN,  # a flag is in force at the event's time
    "flag_age_days": Type.NUMBER,  # since the latest such flag took effect, null without one
    "blocked": Type.BOOLEAN,  # in a list of kind block that has not expired at the event's time
    "watched": Type.BOOLEAN,
    "allowed": Type.BOOLEAN,
}
"""What every entity answers to: `card.flagged`, `merchant.watched`, ..."""

_PROFILE: Final = re.compile(rf"({'|'.join(ENTITY_KEYS)})\.profile\.\S.*", re.DOTALL)


class Names:
    """The names known to the rules over one feature specification."""

    def __init__(self, spec: FeatureSpec, extra: dict[str, Type] | None = None) -> None:
        self.fixed: dict[str, Type] = {
            **EVENT_NAMES,
            **MODEL_NAMES,
            **{f"{entity}.{name}": kind for entity in ENTITY_KEYS for name, kind in ENTITY_NAMES.items()},
            **dict.fromkeys(spec.names, Type.NUMBER),
            **(extra or {}),
        }
        self.derived: dict[str, Callable[[Builder], int]] = {}
        """Numbers that are worked out of others, such as typologies: what gives their register."""

    def derive(self, name: str, register: Callable[[Builder], int]) -> None:
        """A further number, worked out of others in whatever program asks for it."""
        self.fixed[name] = Type.NUMBER
        self.derived[name] = register

    def type_of(self, name: str) -> Type | None:
        """Type of a name.

        None for attributes and profile fields, which take the type that their use asks for.

        KeyError for a name that does not exist.
        """
        if self.is_dynamic(name):
            return None
        return self.fixed[name]

    @staticmethod
    def is_dynamic(name: str) -> bool:
        """Whether the name is a free attribute or a profile field."""
        return (name.startswith(ATTRIBUTE_PREFIX) and name != ATTRIBUTE_PREFIX) or _PROFILE.fullmatch(
            name
        ) is not None

    @cached_property
    def _all(self) -> list[str]:
        return [*self.fixed, ATTRIBUTE_PREFIX, *(f"{entity}.profile." for entity in ENTITY_KEYS)]

    def nearest(self, name: str) -> str:
        """Remedy for an unknown name: the nearest known ones, or where to find them."""
        found = difflib.get_close_matches(name[:200], self._all, n=3, cutoff=0.7)
        if found:
            return f"did you mean {' or '.join(found)}?"
        return "known are event fields, features, attributes.*, <entity>.profile.* and <entity>.flagged"


def check_zone(zone: str, error: Callable[[str], RuleError]) -> None:
    """Raise what `error` makes of a message where this is no IANA time zone."""
    with suppress(KeyError, ValueError, OSError):
        ZoneInfo(zone)
        return
    raise error(f"{zone[:80]!r} is no time zone: write an IANA name such as Europe/Berlin")
