"""What is known of the values in a payment for which a condition is TRUE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ringfence.scoring.language.ranges import EVERYTHING, Range

if TYPE_CHECKING:
    from sqlglot import exp

Facts: TypeAlias = "dict[tuple[str, ...], Fact]"
"""By what each is about: its kind, and the text of the expression or expressions."""

_SMALL: Final = 64  # whole numbers that are looked at one by one
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Fact:
    """One value is in the range, is one of `among` unless that is None, and is none of `without`."""

    origin: exp.Expression  # the condition that says so
    range: Range = EVERYTHING
    among: frozenset[object] | None = None
    without: frozenset[object] = frozenset()

    @property
    def empty(self) -> bool:
        """Whether no value fits."""
        if self.range.empty:
            return True
        if self.among is not None:
            left = self.among - self.without
            return not any(not isinstance(one, float) or self.range.holds(one) for one in left)
        if self.range.low == self.range.high:
            return self.range.low in self.without
        if self.range.whole and self.range.high - self.range.low < _SMALL:
            return all(one in self.without for one in range(int(self.range.low), int(self.range.high) + 1))
        return False

    def meet(self, other: Fact) -> Fact:
        """Both hold."""
        among = self.among if other.among is None else other.among
        if self.among is not None and other.among is not None:
            among = self.among & other.among
        return Fact(other.origin, self.range.meet(other.range), among, self.without | other.without)

    def join(self, other: Fact) -> Fact:
        """One of the two holds."""
        both = self.among is not None and other.among is not None
        among = (self.among or frozenset()) | (other.among or frozenset()) if both else None
        return Fact(self.origin, self.range.join(other.range), among, self.without & other.without)


class Contradiction(Exception):  # noqa: N818 (a finding)
    """`later` is never true where `earlier` is."""

    def __init__(self, earlier: exp.Expression, later: exp.Expression) -> None:
        super().__init__()
        self.earlier = earlier
        self.later = later


def all_of(parts: list[Facts]) -> Facts:
    """Facts where each part holds; `Contradiction` where they cannot."""
    found: Facts = {}
    for part in parts:
        for about, fact in part.items():
            known = found.get(about)
            met = fact if known is None else known.meet(fact)
            if known is not None and met.empty:
                raise Contradiction(known.origin, fact.origin)
            found[about] = met
    return found


def one_of(parts: list[Facts]) -> Facts:
    """Facts where at least one part holds."""
    found = dict(parts[0])
    for part in parts[1:]:
        found = {about: fact.join(part[about]) for about, fact in found.items() if about in part}
    return found


def shown(node: exp.Expression) -> str:
    """A part of a condition as a message quotes it."""
    text = node.sql("duckdb")
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
