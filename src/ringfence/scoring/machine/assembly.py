"""From the steps of a program to instructions, and what has to be worked out before they can run.

steps ──┬─ numbers and truth sets ──► instructions
        ├─ what follows from one text ──► looked up by word, as inputs of the instructions
        └─ other texts, lists, profiles ──► step by step, likewise
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.scoring.language import operations as ops
from ringfence.scoring.language.program import constant, load, run
from ringfence.scoring.machine.kernel import ROWS, WEIGHT_SCALE, Op, execute
from ringfence.scoring.machine.lookups import Lookup, fields_asked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.columns import Columns
    from ringfence.scoring.language.program import Steps

_OPS: Final[dict[Any, Op]] = {
    np.add: Op.ADD,
    np.subtract: Op.SUBTRACT,
    np.multiply: Op.MULTIPLY,
    ops.divide: Op.DIVIDE,
    np.fmod: Op.REMAINDER,
    np.negative: Op.NEGATIVE,
    np.abs: Op.ABSOLUTE,
    np.floor: Op.FLOOR,
    np.ceil: Op.CEIL,
    np.fmin: Op.LEAST,
    np.fmax: Op.GREATEST,
    ops.choose: Op.CHOOSE,
    ops.first_known: Op.FIRST_KNOWN,
    ops.null_where: Op.NULL_WHERE,
    ops.weigh: Op.WEIGH,
    np.equal: Op.EQUAL,
    ops.not_equal: Op.NOT_EQUAL,
    np.less: Op.LESS,
    np.less_equal: Op.LESS_EQUAL,
    np.greater: Op.GREATER,
    np.greater_equal: Op.GREATER_EQUAL,
    ops.known_number: Op.KNOWN,
    np.isnan: Op.UNKNOWN,
    ops.is_one_of: Op.ONE_OF,
    np.logical_and: Op.AND,
    np.logical_or: Op.OR,
    np.logical_not: Op.NOT,
    ops.minus: Op.MINUS,
}
_SETS_FROM: Final = {Op.WEIGH: 0, Op.AND: 0, Op.OR: 0, Op.NOT: 0, Op.MINUS: 0, Op.NULL_WHERE: 1}
"""From which operand on an operation takes truth sets, not numbers; of `CHOOSE` it is the first."""

_SIDES: Final = {ops.first_of: 0, ops.second_of: 1}


class Machine:
    """A program, asked for some truth sets and for weighted sums of others.

    `wanted` are registers of the program. A group is some (register, weight); its score is the sum of the
    weights of what is true, kept between 0 and 100.
    """

    def __init__(
        self,
        steps: Steps,
        spec: FeatureSpec,
        wanted: Sequence[int],
        groups: Sequence[Sequence[tuple[int, float]]] = (),
    ) -> None:
        signals = [pair for group in groups for pair in group]
        asked = {*wanted, *(register for register, _ in signals)}
        assembly = _Assembly(steps, spec, asked)
        self._aside, self._lookups = assembly.aside, assembly.lookups
        self._given, self._truths = assembly.given, assembly.truths
        self._facts, self._features = tuple(assembly.facts), tuple(assembly.features)
        self._code = np.array(assembly.code, np.int32).reshape(-1, 5)
        self._spans = np.array(assembly.spans, np.float64)
        self._numbers = _room(assembly.constants, assembly.n_numbers, np.float64)
        self._sets = _room(assembly.fixed, assembly.n_sets, np.bool_)
        self._wanted = np.array([assembly.sets[register] for register in wanted], np.int32)
        self._signals = np.array([assembly.sets[register] for register, _ in signals], np.int32)
        self._weights = np.array([round(weight * WEIGHT_SCALE) for _, weight in signals], np.float64)
        self._starts = np.cumsum([0, *map(len, groups)], dtype=np.int32)

    def run(self, columns: Columns) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """What is wanted, bool (n_wanted, n), and the groups' scores, float64 (n_groups, n)."""
        count = len(columns)
        values = run(self._aside, columns) + [lookup.of(columns) for lookup in self._lookups]
        features, rows = columns.matrix(self._features)
        given = np.empty((len(self._given), count))
        for row, place in enumerate(self._given):
            given[row] = values[place]
        truths = np.empty((len(self._facts) + len(self._truths), count), np.bool_)
        columns.truths(self._facts, truths)
        for row, place in enumerate(self._truths, len(self._facts)):
            truths[row] = values[place]
        room = min(count, ROWS)  # a few payments need no more to work in
        out = np.empty((len(self._wanted), count), np.bool_)
        scores = np.empty((len(self._starts) - 1, count))
        execute(
            self._code,
            self._spans,
            np.ascontiguousarray(features),
            rows,
            given,
            truths,
            self._numbers[:, :room].copy(),
            self._sets[:, :room].copy(),
            self._wanted,
            out,
            self._signals,
            self._starts,
            self._weights,
            scores,
        )
        return out, scores


def _room(constants: Mapping[int, Any], count: int, kind: Any) -> NDArray[Any]:
    room = np.zeros((count, ROWS), kind)
    for register, value in constants.items():
        room[register] = value
    return room


def _moved(step: tuple[Any, tuple[int, ...], Any], places: Mapping[int, int]) -> Any:
    """A step of a program, for one whose registers have other places."""
    operation, operands, value = step
    return operation, tuple(places[operand] for operand in operands), value


class _Assembly:
    """Instructions for what is asked of a program (registers of truth sets).

    Registers of the program become registers of the machine: `numbers` and `sets` say which.
    """

    def __init__(self, steps: Steps, spec: FeatureSpec, asked: set[int]) -> None:
        self._steps = steps
        self._known = frozenset(spec.names)
        self.features: list[str] = []
        self.code: list[tuple[int, int, int, int, int]] = []
        self.spans: list[float] = []
        self.numbers: dict[int, int] = {}
        self.sets: dict[int, int] = {}
        self.n_numbers = self.n_sets = 0
        self.constants: dict[int, float] = {}
        self.fixed: dict[int, bool] = {}
        self.facts: list[tuple[str, int]] = []  # what columns know to be true (0) or false (1), by name
        self.given: list[int] = []  # steps aside, or lookups after them, whose numbers are inputs
        self.truths: list[int] = []  # and whose truth sets are, after the facts
        self._texts = fields_asked(steps)
        needed, aside, by_word = self._needed(asked)
        self._place_aside = {register: place for place, register in enumerate([*aside, *by_word])}
        self.aside = [_moved(steps[register], self._place_aside) for register in aside]
        self.lookups = [self._lookup(register) for register in by_word]
        self._count_facts(needed)
        for register in needed:
            if steps[register][0] in _OPS:
                self._instruction(register)
        for register in asked:
            self._set(register)

    def _needed(self, asked: set[int]) -> tuple[list[int], list[int], list[int]]:
        """Registers in order: what the machine works out; what is done step by step; what is looked up."""
        needed, aside, by_word = set(asked), set[int](), set[int]()
        for register in range(len(self._steps) - 1, -1, -1):
            operation, operands, _ = self._steps[register]
            if register in needed:
                if operation in _OPS:
                    needed.update(operands)
                elif self._texts[register] is not None:
                    by_word.add(register)
                elif not self._is_at_hand(register):
                    aside.add(register)
            if register in aside:
                aside.update(operands)
        return sorted(needed), sorted(aside), sorted(by_word - aside)

    def _lookup(self, register: int) -> Lookup:
        """The steps that lead to a register, all from one text."""
        parts = {register}
        for part in range(register, -1, -1):
            if part in parts:
                parts.update(self._steps[part][1])
        places = {part: place for place, part in enumerate(sorted(parts))}
        return Lookup(self._texts[register] or "", [_moved(self._steps[part], places) for part in places])

    def _is_at_hand(self, register: int) -> bool:
        operation, _, value = self._steps[register]
        is_feature = operation is load and value[0] == "number" and value[1][0] in self._known
        return operation is constant or is_feature or self._fact(register) is not None

    def _fact(self, register: int) -> tuple[str, int] | None:
        operation, operands, _ = self._steps[register]
        if operation in _SIDES:
            source, _, value = self._steps[operands[0]]
            if source is load and value[0] == "truth":
                return value[1][0], _SIDES[operation]
        return None

    def _count_facts(self, needed: list[int]) -> None:
        for register in needed:
            fact = self._fact(register)
            if fact is not None and register not in self._place_aside:
                self.sets[register] = self._emit(Op.TRUTH, len(self.facts))
                self.facts.append(fact)

    def _instruction(self, register: int) -> None:
        operation, operands, value = self._steps[register]
        op = _OPS[operation]
        first_set = _SETS_FROM.get(op, len(operands))
        parts = [
            self._set(operand)
            if place >= first_set or (op is Op.CHOOSE and place == 0)
            else self._number(operand)
            for place, operand in enumerate(operands)
        ]
        if op is Op.WEIGH:
            parts = self._span([*parts, *(round(weight * WEIGHT_SCALE) for weight in value)], len(parts))
        elif op is Op.ONE_OF:
            parts = [*parts, *self._span(value, len(value))]
        result = self._emit(op, *parts)
        (self.numbers if op < Op.EQUAL else self.sets)[register] = result

    def _span(self, values: Sequence[float], count: int) -> list[int]:
        begin = len(self.spans)
        self.spans += values
        return [begin, count]

    def _number(self, register: int) -> int:
        """Register of a number of the program; one that is no instruction yet is an input."""
        if register not in self.numbers:
            operation, _, value = self._steps[register]
            if operation is constant:
                self.numbers[register] = self._new(number=True)
                self.constants[self.numbers[register]] = value
            elif self._is_at_hand(register):
                self.numbers[register] = self._emit(Op.FEATURE, len(self.features))
                self.features.append(value[1][0])
            else:
                self.numbers[register] = self._emit(Op.NUMBER, len(self.given))
                self.given.append(self._place_aside[register])
        return self.numbers[register]

    def _set(self, register: int) -> int:
        """Likewise of a truth set."""
        if register not in self.sets:
            operation, _, value = self._steps[register]
            if operation is constant:
                self.sets[register] = self._new(number=False)
                self.fixed[self.sets[register]] = bool(value)
            else:
                self.sets[register] = self._emit(Op.TRUTH, len(self.facts) + len(self.truths))
                self.truths.append(self._place_aside[register])
        return self.sets[register]

    def _emit(self, op: Op, *parts: int) -> int:
        register = self._new(number=op < Op.EQUAL)
        a, b, c = (*parts, 0, 0, 0)[:3]
        self.code.append((int(op), register, a, b, c))
        return register

    def _new(self, *, number: bool) -> int:
        if number:
            self.n_numbers += 1
            return self.n_numbers - 1
        self.n_sets += 1
        return self.n_sets - 1
