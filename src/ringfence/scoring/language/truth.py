"""Three-valued logic as two sets of rows.

Where an expression is TRUE and where it is FALSE; the rest is NULL.

NOT swaps the sets, so no null masks are carried. A set is compiled only when something asks for it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ringfence.scoring.language.operations import minus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.scoring.language.program import Builder


class Truth:
    """A boolean expression in a program.

    Registers of its TRUE and its FALSE set, made on demand, each once.
    """

    def __init__(self, true: Callable[[], int], false: Callable[[], int]) -> None:
        self._true = true
        self._false = false

    @cached_property
    def true(self) -> int:
        return self._true()

    @cached_property
    def false(self) -> int:
        return self._false()

    def negated(self) -> Truth:
        """NOT: what was true is false."""
        return Truth(lambda: self.false, lambda: self.true)


def fold(build: Builder, operation: Callable[..., object], registers: Sequence[int]) -> int:
    """One register of an associative operation over many."""
    result = registers[0]
    for register in registers[1:]:
        result = build.add(operation, result, register)
    return result


def both(build: Builder, parts: Sequence[Truth]) -> Truth:
    """AND of all parts."""
    return Truth(
        lambda: fold(build, np.logical_and, [part.true for part in parts]),
        lambda: fold(build, np.logical_or, [part.false for part in parts]),
    )


def either(build: Builder, parts: Sequence[Truth]) -> Truth:
    """OR of all parts."""
    return Truth(
        lambda: fold(build, np.logical_or, [part.true for part in parts]),
        lambda: fold(build, np.logical_and, [part.false for part in parts]),
    )


def known(build: Builder, part: Truth) -> Truth:
    """IS NOT NULL."""
    return two_valued(build, lambda: build.add(np.logical_or, part.true, part.false))


def two_valued(build: Builder, true: Callable[[], int]) -> Truth:
    """A truth that is never null: FALSE wherever it is not TRUE."""
    result = Truth(true, lambda: build.add(np.logical_not, result.true))
    return result


def same(build: Builder, left: Truth, right: Truth) -> Truth:
    """Equality of two booleans."""

    def meet(a: int, b: int, c: int, d: int) -> int:
        return build.add(np.logical_or, build.add(np.logical_and, a, b), build.add(np.logical_and, c, d))

    return Truth(
        lambda: meet(left.true, right.true, left.false, right.false),
        lambda: meet(left.true, right.false, left.false, right.true),
    )


def cases(build: Builder, branches: Sequence[tuple[Truth, Truth]], default: Truth) -> Truth:
    """CASE: the value of the first branch whose condition is TRUE, else the default."""

    def side(of: Callable[[Truth], int]) -> int:
        result = of(default)
        for condition, value in reversed(branches):
            taken = build.add(np.logical_and, condition.true, of(value))
            result = build.add(np.logical_or, taken, build.add(minus, result, condition.true))
        return result

    return Truth(lambda: side(lambda truth: truth.true), lambda: side(lambda truth: truth.false))


def constant(build: Builder, *, value: bool | None) -> Truth:
    """TRUE, FALSE or (None) NULL in every row."""
    return Truth(
        lambda: build.constant(np.bool_(value is True)), lambda: build.constant(np.bool_(value is False))
    )
