"""Asking the processor for memory that will be needed soon.

An event touches a cell, its strip and the ring at places that no cache holds; looked up one event after
another, each is a wait. Asked for together, for a block of events, the waits overlap: the engine runs about
twice as fast. Results never depend on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, is_jitted

from ringfence.features.kernel.jit import inlined
from ringfence.features.kernel.layout import (
    CAPACITY,
    E_UNITS,
    E_WINDOWS,
    END,
    EVENTS,
    SEQ_END,
    START,
    TAIL,
    UNIT,
    W_OFFSET,
)
from ringfence.features.kernel.strips import ref_at

if TYPE_CHECKING:
    from ringfence.features.kernel.layout import Program, State

_generate: Any = cgutils  # untyped
_LINE_WORDS = 8  # int64 words in a cache line


def _fetch_python(array: Any, index: int) -> None:
    """Plain Python cannot ask."""


@intrinsic
def _fetch_compiled(_context: Any, array: Any, _index: Any) -> Any:
    """LLVM's prefetch of the first word of `array[index]`, for reading, to stay in all caches."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = _generate.unpack_tuple(builder, values.strides)[0]
        place = builder.add(builder.ptrtoint(values.data, ir.IntType(64)), builder.mul(arguments[1], stride))
        pointer = ir.PointerType()
        word = ir.IntType(32)
        prefetch = _generate.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [pointer, word, word, word]), "llvm.prefetch.p0"
        )
        builder.call(prefetch, [builder.inttoptr(place, pointer), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


fetch: Any = _fetch_compiled if is_jitted(ref_at) else _fetch_python


@inlined
def fetch_block(s: State, p: Program, events: int) -> None:
    """Ask for what the next `events` events, whose cells are known, will touch."""
    mask = s.rows.shape[0] - 1
    begin = s.counters[SEQ_END]
    for seq in range(begin, begin + events):
        for entity in range(p.entities.shape[0]):
            base = s.slots[seq & mask, entity] * UNIT
            for word in range(base + _LINE_WORDS, base + p.entities[entity, E_UNITS] * UNIT, _LINE_WORDS):
                fetch(s.arena, word)
    for seq in range(begin, begin + events):
        for entity in range(p.entities.shape[0]):
            base = s.slots[seq & mask, entity] * UNIT
            start, size = s.arena[base + EVENTS + START], s.arena[base + EVENTS + CAPACITY] - 1
            fetch(s.pool, start + (s.arena[base + EVENTS + END] & size))
            for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
                fetch(s.pool, start + (s.arena[base + p.windows[window, W_OFFSET] + TAIL] & size))
    for seq in range(begin, begin + events):
        for entity in range(p.entities.shape[0]):
            base = s.slots[seq & mask, entity] * UNIT
            if s.arena[base + EVENTS + CAPACITY] != 0:
                for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
                    tail = s.arena[base + p.windows[window, W_OFFSET] + TAIL]
                    fetch(s.rows, ref_at(s, base + EVENTS, tail) & mask)
                    fetch(s.rows, ref_at(s, base + EVENTS, tail + 1) & mask)
                fetch(s.rows, ref_at(s, base + EVENTS, s.arena[base + EVENTS + END] - 1) & mask)
