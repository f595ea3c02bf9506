"""A compiled set of expressions: steps in order, each equal step once, run over the columns of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    Step = Callable[..., Any]
    Steps = list[tuple[Step, tuple[int, ...], Any]]


class Builder:
    """Collects steps; equal ones (same operation, operands and value) become one."""

    def __init__(self) -> None:
        self.steps: Steps = []
        self._known: dict[Hashable, int] = {}

    def add(self, operation: Step, *operands: int, value: Hashable = None) -> int:
        """Register of the result of `operation(*operand values)`, or `operation(*operand values, value)`."""
        key = (operation, operands, type(value), value)
        if key not in self._known:
            self._known[key] = len(self.steps)
            self.steps.append((operation, operands, value))
        return self._known[key]

    def load(self, what: str, *names: str | float) -> int:
        """Register of `columns.<what>(*names)`."""
        key = (what, names)
        if key not in self._known:
            self._known[key] = len(self.steps)
            self.steps.append((load, (), (what, names)))
        return self._known[key]

    def constant(self, value: Any) -> int:
        """Register of a value that is the same for every row."""
        return self.add(constant, value=value)


def run(steps: Steps, columns: object) -> list[Any]:
    """Values of all registers, over `Columns` or what has those methods of theirs that the steps load by.

    Numbers are float64 with NaN for null, truth sets bool, texts `Text`; constants broadcast.
    """
    registers: list[Any] = []
    done = registers.append
    with np.errstate(all="ignore"):
        for operation, operands, value in steps:
            if operation is constant:
                done(value)
            elif operation is load:
                done(getattr(columns, value[0])(*value[1]))
            elif value is None and len(operands) == 2:  # most steps: spelt out, it costs a third less
                left, right = operands
                done(operation(registers[left], registers[right]))
            elif value is None:
                done(operation(*[registers[index] for index in operands]))
            else:
                done(operation(*[registers[index] for index in operands], value))
    return registers


def load() -> None:
    """The operation that stands for a column; `run` handles it."""
    raise AssertionError("handled by run")


def constant(value: Any) -> Any:
    """The operation that stands for a value that is the same for every row."""
    return value
