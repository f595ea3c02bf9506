"""Sums, means and deviations of eight lanes at once, with one instruction where the processor has one.

LLVM finds such code by itself only in loops simpler than the engine's, so that it is spelled out here; LLVM
splits it into what the processor at hand can do. Values are those of `exact`, bit for bit.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, is_jitted

from ringfence.features.kernel.exact import deviation_in_one_word
from ringfence.features.kernel.layout import M_COUNT, M_SQUARES, M_SUM, MEAN, STD, STEP, SUM
from ringfence.features.kernel.numba_internals import declared, pointer_to

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ringfence.features.kernel.layout import Words

_FLOATS = ir.VectorType(ir.DoubleType(), STEP)
_INTEGERS = ir.VectorType(ir.IntType(64), STEP)


def _python(
    code: int,
    values: NDArray[np.float64],
    feature: int,
    moments: Words,
    group: int,
    begin: int,
    scale: float,
    default: float,
) -> None:
    """Make a feature of lanes [begin, begin + STEP), but for those whose squares say that they are made."""
    for lane in range(begin, begin + STEP):
        n, squares = int(moments[group, M_COUNT, lane]), int(moments[group, M_SQUARES, lane])
        whole = int(moments[group, M_SUM, lane])
        if squares >= 0:
            value = default
            if code == SUM:
                value = float(whole) / scale
            elif code == MEAN and n > 0:
                value = float(whole) / (float(n) * scale)
            elif code != MEAN and n > 1:
                value = deviation_in_one_word(n, whole, squares) / scale
            values[feature, lane] = value


class _Lanes:
    """Vectors of one step of lanes, while an intrinsic is generated."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        values, feature, moments, self._group, self._begin, scale, default = arguments
        self._context, self._moments = context, (signature.args[2], moments)
        self._kept = self._place((signature.args[0], values), [feature, self._begin], _FLOATS)
        self.scale, self.default = self.all_of(scale), self.all_of(default)

    def _place(self, array: tuple[Any, Any], index: list[Any], vector: Any) -> Any:
        first = pointer_to(self._context, self.builder, array, index)
        return self.builder.bitcast(first, vector.as_pointer())

    def all_of(self, value: Any) -> Any:
        """The same in every lane."""
        none = ir.Constant(_FLOATS, ir.Undefined)
        first = self.builder.insert_element(none, value, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(
            first, none, ir.Constant(ir.VectorType(ir.IntType(32), STEP), [0] * STEP)
        )

    def integers(self, word: int) -> Any:
        """A word of the group's moments."""
        index = [self._group, ir.Constant(ir.IntType(64), word), self._begin]
        place = self._place(self._moments, index, _INTEGERS)
        return self.builder.load(place, align=8, typ=_INTEGERS)

    def floats(self, integers: Any) -> Any:
        return self.builder.sitofp(integers, _FLOATS)

    def above(self, integers: Any, least: int) -> Any:
        return self.builder.icmp_signed(">", integers, _repeated(least))

    def keep(self, made: Any) -> None:
        """Write what was made where the squares say that it is not written yet."""
        old = self.builder.load(self._kept, align=8, typ=_FLOATS)
        chosen = self.builder.select(self.above(self.integers(M_SQUARES), -1), made, old)
        self.builder.store(chosen, self._kept, align=8)


def _repeated(value: int) -> Any:
    return ir.Constant(_INTEGERS, [value] * STEP)


def _sums(lanes: _Lanes) -> None:
    lanes.keep(lanes.builder.fdiv(lanes.floats(lanes.integers(M_SUM)), lanes.scale))


def _means(lanes: _Lanes) -> None:
    n, b = lanes.integers(M_COUNT), lanes.builder
    mean = b.fdiv(lanes.floats(lanes.integers(M_SUM)), b.fmul(lanes.floats(n), lanes.scale))
    lanes.keep(b.select(lanes.above(n, 0), mean, lanes.default))


def _deviations(lanes: _Lanes) -> None:
    n, whole, b = lanes.integers(M_COUNT), lanes.integers(M_SUM), lanes.builder
    squared = b.sub(b.mul(n, lanes.integers(M_SQUARES)), b.mul(whole, whole))
    pairs = b.fmul(lanes.floats(n), lanes.floats(b.sub(n, _repeated(1))))
    root = declared(b.module, ir.FunctionType(_FLOATS, [_FLOATS]), f"llvm.sqrt.v{STEP}f64")
    std = b.fdiv(b.call(root, [b.fdiv(lanes.floats(squared), pairs)]), lanes.scale)
    lanes.keep(b.select(lanes.above(n, 1), std, lanes.default))


def _compiled(make: Any) -> Any:
    @intrinsic
    def made(
        _context: Any,
        values: Any,
        feature: Any,
        moments: Any,
        group: Any,
        begin: Any,
        scale: Any,
        default: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            make(_Lanes(context, builder, signature, arguments))
            return context.get_dummy_value()

        return types.void(values, feature, moments, group, begin, scale, default), generate

    return made


_machine = is_jitted(deviation_in_one_word)
make_sums: Any = _compiled(_sums) if _machine else partial(_python, SUM)
make_means: Any = _compiled(_means) if _machine else partial(_python, MEAN)
make_deviations: Any = _compiled(_deviations) if _machine else partial(_python, STD)
