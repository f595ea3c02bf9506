"""The inner loop: instructions in order, each over a few rows, whose registers stay in the nearest cache.

An instruction is five numbers: operation, destination, and up to three operands, which are registers, rows of
an input, or a span of `spans`. Numbers are float64 with NaN for null, as are comparisons with it false; truth
sets are bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from ringfence.features.kernel.jit import entry, inlined

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 128
"""Rows that go through all instructions together."""

WEIGHT_SCALE = 10_000.0
_MOST = 100 * WEIGHT_SCALE


class Op(IntEnum):
    """Operations; those before `EQUAL` have numbers as results, the others truth sets."""

    FEATURE = 0
    NUMBER = 1
    ADD = 2
    SUBTRACT = 3
    MULTIPLY = 4
    DIVIDE = 5
    REMAINDER = 6
    NEGATIVE = 7
    ABSOLUTE = 8
    FLOOR = 9
    CEIL = 10
    LEAST = 11
    GREATEST = 12
    CHOOSE = 13
    FIRST_KNOWN = 14
    NULL_WHERE = 15
    WEIGH = 16
    EQUAL = 17
    NOT_EQUAL = 18
    LESS = 19
    LESS_EQUAL = 20
    GREATER = 21
    GREATER_EQUAL = 22
    KNOWN = 23
    UNKNOWN = 24
    ONE_OF = 25
    TRUTH = 26
    AND = 27
    OR = 28
    NOT = 29
    MINUS = 30


@entry
def execute(
    code: NDArray[np.int32],
    spans: NDArray[np.float64],
    features: NDArray[np.float64],
    rows: NDArray[np.int64],
    given: NDArray[np.float64],
    truths: NDArray[np.bool_],
    numbers: NDArray[np.float64],
    sets: NDArray[np.bool_],
    wanted: NDArray[np.int32],
    out: NDArray[np.bool_],
    signals: NDArray[np.int32],
    starts: NDArray[np.int32],
    weights: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    """Run `code` (k, 5) over all payments of the inputs `features`, `given` and `truths`, (inputs, n) each.

    `rows` are the places of the named features in `features`.

    `numbers` and `sets` (registers, ROWS) are room to work in, with the constants in their places. `out` gets
    the truth sets of the registers `wanted`, `scores` the weighted sums of `signals`, group by group.
    """
    count = out.shape[1]
    for begin in range(0, count, ROWS):
        n = min(ROWS, count - begin)
        for step in range(len(code)):
            op, to, a, b, c = code[step, 0], code[step, 1], code[step, 2], code[step, 3], code[step, 4]
            if op < Op.EQUAL:
                _number(op, numbers[to], a, b, c, spans, features, rows, given, numbers, sets, begin, n)
            else:
                _truth(op, sets[to], a, b, c, spans, truths, numbers, sets, begin, n)
        for row in range(len(wanted)):
            for i in range(n):
                out[row, begin + i] = sets[wanted[row], i]
        for group in range(len(scores)):
            for i in range(n):
                total = 0.0
                for signal in range(starts[group], starts[group + 1]):
                    if sets[signals[signal], i]:
                        total += weights[signal]
                scores[group, begin + i] = _bounded(total)


@inlined
def _bounded(total: float) -> float:
    return min(max(total, 0.0), _MOST) / WEIGHT_SCALE


@inlined
def _number(  # noqa: PLR0912, C901 (an instruction set)
    op: int,
    to: NDArray[np.float64],
    a: int,
    b: int,
    c: int,
    spans: NDArray[np.float64],
    features: NDArray[np.float64],
    rows: NDArray[np.int64],
    given: NDArray[np.float64],
    numbers: NDArray[np.float64],
    sets: NDArray[np.bool_],
    begin: int,
    n: int,
) -> None:
    if op == Op.FEATURE:
        for i in range(n):
            to[i] = features[rows[a], begin + i]
    elif op == Op.NUMBER:
        for i in range(n):
            to[i] = given[a, begin + i]
    elif op == Op.ADD:
        for i in range(n):
            to[i] = numbers[a, i] + numbers[b, i]
    elif op == Op.SUBTRACT:
        for i in range(n):
            to[i] = numbers[a, i] - numbers[b, i]
    elif op == Op.MULTIPLY:
        for i in range(n):
            to[i] = numbers[a, i] * numbers[b, i]
    elif op == Op.DIVIDE:
        for i in range(n):
            to[i] = np.nan if numbers[b, i] == 0 else numbers[a, i] / numbers[b, i]
    elif op == Op.REMAINDER:
        for i in range(n):
            to[i] = np.fmod(numbers[a, i], numbers[b, i])
    elif op == Op.NEGATIVE:
        for i in range(n):
            to[i] = -numbers[a, i]
    elif op == Op.ABSOLUTE:
        for i in range(n):
            to[i] = abs(numbers[a, i])
    elif op == Op.FLOOR:
        for i in range(n):
            to[i] = np.floor(numbers[a, i])
    elif op == Op.CEIL:
        for i in range(n):
            to[i] = np.ceil(numbers[a, i])
    elif op == Op.LEAST:
        for i in range(n):
            to[i] = np.fmin(numbers[a, i], numbers[b, i])
    elif op == Op.GREATEST:
        for i in range(n):
            to[i] = np.fmax(numbers[a, i], numbers[b, i])
    elif op == Op.CHOOSE:
        for i in range(n):
            to[i] = numbers[b, i] if sets[a, i] else numbers[c, i]
    elif op == Op.FIRST_KNOWN:
        for i in range(n):
            to[i] = numbers[a, i] if numbers[a, i] == numbers[a, i] else numbers[b, i]
    elif op == Op.NULL_WHERE:
        for i in range(n):
            to[i] = np.nan if sets[b, i] else numbers[a, i]
    elif op == Op.WEIGH:
        for i in range(n):
            total = 0.0
            for place in range(a, a + b):
                if sets[int(spans[place]), i]:
                    total += spans[place + b]
            to[i] = _bounded(total)


@inlined
def _truth(  # noqa: PLR0912, C901 (an instruction set)
    op: int,
    to: NDArray[np.bool_],
    a: int,
    b: int,
    c: int,
    spans: NDArray[np.float64],
    truths: NDArray[np.bool_],
    numbers: NDArray[np.float64],
    sets: NDArray[np.bool_],
    begin: int,
    n: int,
) -> None:
    if op == Op.EQUAL:
        for i in range(n):
            to[i] = numbers[a, i] == numbers[b, i]
    elif op == Op.NOT_EQUAL:
        for i in range(n):
            to[i] = numbers[a, i] < numbers[b, i] or numbers[a, i] > numbers[b, i]
    elif op == Op.LESS:
        for i in range(n):
            to[i] = numbers[a, i] < numbers[b, i]
    elif op == Op.LESS_EQUAL:
        for i in range(n):
            to[i] = numbers[a, i] <= numbers[b, i]
    elif op == Op.GREATER:
        for i in range(n):
            to[i] = numbers[a, i] > numbers[b, i]
    elif op == Op.GREATER_EQUAL:
        for i in range(n):
            to[i] = numbers[a, i] >= numbers[b, i]
    elif op == Op.KNOWN:
        for i in range(n):
            to[i] = numbers[a, i] == numbers[a, i]
    elif op == Op.UNKNOWN:
        for i in range(n):
            to[i] = numbers[a, i] != numbers[a, i]
    elif op == Op.ONE_OF:
        for i in range(n):
            low, high = b, b + c  # the values are sorted
            while low < high:
                middle = (low + high) // 2
                if spans[middle] < numbers[a, i]:
                    low = middle + 1
                else:
                    high = middle
            to[i] = low < b + c and spans[low] == numbers[a, i]
    elif op == Op.TRUTH:
        for i in range(n):
            to[i] = truths[a, begin + i]
    elif op == Op.AND:
        for i in range(n):
            to[i] = sets[a, i] & sets[b, i]
    elif op == Op.OR:
        for i in range(n):
            to[i] = sets[a, i] | sets[b, i]
    elif op == Op.NOT:
        for i in range(n):
            to[i] = not sets[a, i]
    elif op == Op.MINUS:
        for i in range(n):
            to[i] = sets[a, i] and not sets[b, i]
