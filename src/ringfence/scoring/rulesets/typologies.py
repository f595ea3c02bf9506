"""Typologies: named fraud scenarios as weighted signals, each a condition of the rule language.

The score of a typology is the sum of the weights of its signals that are TRUE, kept between 0 and 100. Rules
may ask for it (`typology.card_testing >= 40`), and from `at` on the typology acts as a rule of its own id.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from ringfence.errors import RuleError
from ringfence.scoring.language import operations as ops
from ringfence.scoring.language.names import TYPOLOGY_PREFIX, Names
from ringfence.scoring.rulesets.outcomes import Mode, Outcome, as_members, check_id

if TYPE_CHECKING:
    from ringfence.scoring.language.program import Builder


MOST_WEIGHT: Final = 1000


class Signal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One sign of a typology. A negative weight is a sign against it; four decimals of it count."""

    when: str
    weight: float
    text: str = ""


class Typology(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A fraud scenario. `parameters` are the numbers and texts that its signals name as `param.x`."""

    id: str
    title: str
    signals: tuple[Signal, ...]
    at: float = 60.0  # score from which it acts
    outcome: Outcome | None = Outcome.REVIEW
    points: float = 0.0
    parameters: dict[str, float | str] = {}
    reason: str  # code, such as CARD_TESTING
    analyst: str
    customer: str = ""
    description: str = ""  # what happens, and what to look at
    mode: Mode = Mode.ACTIVE
    tags: tuple[str, ...] = ()
    owner: str = ""

    def __post_init__(self) -> None:
        as_members(self, f"typology {self.id!r}", outcome=Outcome, mode=Mode)
        check_id(self.id, "typology id")
        if not self.signals:
            raise RuleError(f"typology {self.id!r} has no signals")
        if any(not -MOST_WEIGHT <= signal.weight <= MOST_WEIGHT for signal in self.signals):
            raise RuleError(f"typology {self.id!r}: weights are between -{MOST_WEIGHT} and {MOST_WEIGHT}")
        reach = sum(signal.weight for signal in self.signals if signal.weight > 0)
        if not 0 < self.at <= min(reach, 100):
            raise RuleError(
                f"typology {self.id!r} acts at {self.at:g}, its signals reach {min(reach, 100):g}: "
                "lower `at`, or raise weights"
            )

    @property
    def name(self) -> str:
        """What rules call its score."""
        return f"{TYPOLOGY_PREFIX}{self.id}"

    def score(self, names: Names, build: Builder) -> int:
        """Register of the score in a program; RuleError names the signal that does not compile."""
        fired = self.fired(names, build)
        return build.add(ops.weigh, *fired, value=tuple(signal.weight for signal in self.signals))

    def weighed(self, names: Names, build: Builder) -> list[tuple[int, float]]:
        """Registers of the signals with their weights."""
        weights = [signal.weight for signal in self.signals]
        return list(zip(self.fired(names, build), weights, strict=True))

    def fired(self, names: Names, build: Builder) -> list[int]:
        """Registers of the signals."""
        from ringfence.scoring.language.lower_boolean import (  # noqa: PLC0415 (loads sqlglot, and few compile)
            compile_expression,
        )

        fired = []
        for number, signal in enumerate(self.signals, start=1):
            try:
                fired.append(compile_expression(signal.when, names, build, self.parameters).true)
            except RuleError as error:
                raise RuleError(f"typology {self.id!r}, signal {number}: {error}") from error
        return fired


SHIPPED: Final = (
    "card_testing",
    "account_takeover",
    "new_device_spree",
    "impossible_travel",
    "mule_fan_in",
    "mule_fan_out",
    "bust_out",
    "merchant_collusion",
    "structuring",
    "mule_pass_through",
    "shared_ring",
    "layering",
)
"""Typologies that come with Ringfence, one file each."""


@cache
def shipped_typology(typology_id: str) -> Typology:
    """A typology that comes with Ringfence.

    >>> shipped_typology("card_testing").reason
    'CARD_TESTING'
    """
    if typology_id not in SHIPPED:
        raise RuleError(f"no typology {typology_id[:80]!r} is shipped: one of {', '.join(SHIPPED)}")
    file = resources.files("ringfence.scoring") / "typology" / f"{typology_id}.yaml"
    return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), Typology)


def used(given: dict[str, Any]) -> dict[str, Any]:
    """What `use: NAME` in a rule book stands for: the shipped typology with the fields that are given.

    Parameters are replaced one by one, other fields as a whole. RuleError for a parameter that it lacks.
    """
    base = msgspec.to_builtins(shipped_typology(str(given["use"])))
    changed = given.get("parameters") or {}
    unknown = set(changed) - set(base.get("parameters", {})) if isinstance(changed, dict) else {"parameters"}
    if unknown:
        known = ", ".join(base.get("parameters", {})) or "none"
        raise RuleError(
            f"typology {given['use']!r} has no parameter {min(map(str, unknown))!r}: it has {known}"
        )
    rest = {name: value for name, value in given.items() if name != "use"}
    return base | rest | {"parameters": base.get("parameters", {}) | changed}
