"""Numbers and truth values of every written form."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.buffers import is_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRUE: Final = frozenset({"1", "true", "t", "yes", "y"})
_FALSE: Final = frozenset({"0", "false", "f", "no", "n"})


def to_floats(values: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Float64, NaN for null or where there is no number, and which values are neither null, NaN nor a number.

    >>> to_floats(pa.array(["1.5", None, "x"]))
    (array([1.5, nan, nan]), array([False, False,  True]))
    """
    if is_text(values):
        return _from_text(values)
    kind = values.type
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    ):
        return np.full(len(values), np.nan), ~np.asarray(pc.is_null(values))
    if pa.types.is_boolean(kind):
        values = values.cast(pa.uint8())
    floats = pc.fill_null(values.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False)
    return floats, np.zeros(len(values), bool)


def to_bools(values: Any) -> tuple[Any, NDArray[np.bool_]]:
    """Arrow booleans, null where there is none, and which values are neither null nor a truth value.

    Truth values are booleans, the numbers 1 and 0, and the words true, t, yes, y and their opposites.

    >>> to_bools(pa.array([1, 0, None]))[0].to_pylist()
    [True, False, None]
    """
    if pa.types.is_boolean(values.type):
        return values, np.zeros(len(values), bool)
    if is_text(values):
        encoded = values.dictionary_encode()
        meaning = [_truth(word) for word in encoded.dictionary.to_pylist()]
        bools = pa.array(meaning, pa.bool_()).take(encoded.indices)
    else:
        floats, _ = to_floats(values)
        bools = pa.array(floats == 1, mask=~((floats == 0) | (floats == 1)))
    return bools, np.asarray(pc.and_(pc.is_null(bools), pc.invert(pc.is_null(values, nan_is_null=True))))


def _truth(word: str) -> bool | None:
    known = word.strip().lower()
    return True if known in _TRUE else False if known in _FALSE else None


def _from_text(values: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    nothing = np.asarray(pc.is_null(values))
    try:
        floats = pc.fill_null(values.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        found = [_float(text) for text in values.to_pylist()]
        floats = np.array([np.nan if one is None else one for one in found], np.float64)
        return floats, np.array([one is None for one in found], bool) & ~nothing
    return floats, np.zeros(len(values), bool)


def _float(text: str | None) -> float | None:
    """As Arrow reads it where all are numbers, or else as Python does; None for no number."""
    with suppress(ValueError):
        return float(text) if text else None
    with suppress(pa.ArrowInvalid):
        return float(pa.scalar(text).cast(pa.float64()).as_py())
    return None


def whole(values: Any) -> Any:
    """Whole floats as integers are written: ids that became floats because some were missing."""
    if not pa.types.is_floating(values.type) or is_text(values):
        return values
    values = pc.if_else(pc.is_nan(values), None, values)
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 2.0**53))
    if pc.all(whole, min_count=0).as_py():
        return values.cast(pa.int64())
    as_integers = pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(as_integers, values.cast(pa.string()))
