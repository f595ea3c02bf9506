"""SipHash-1-3 (Aumasson and Bernstein), compiled: without the key nobody can make two texts collide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

_U = np.uint64
_V0, _V1 = _U(0x736F6D6570736575), _U(0x646F72616E646F6D)
_V2, _V3 = _U(0x6C7967656E657261), _U(0x7465646279746573)
_FF = _U(0xFF)
_8, _13, _16, _17, _21, _32 = _U(8), _U(13), _U(16), _U(17), _U(21), _U(32)
_43, _47, _48, _51, _56, _64 = _U(43), _U(47), _U(48), _U(51), _U(56), _U(64)


@compiled(nogil=True, inline="always")
def _round(
    v0: np.uint64, v1: np.uint64, v2: np.uint64, v3: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    v0 = v0 + v1
    v1 = ((v1 << _13) | (v1 >> _51)) ^ v0
    v0 = (v0 << _32) | (v0 >> _32)
    v2 = v2 + v3
    v3 = ((v3 << _16) | (v3 >> _48)) ^ v2
    v0 = v0 + v3
    v3 = ((v3 << _21) | (v3 >> _43)) ^ v0
    v2 = v2 + v1
    v1 = ((v1 << _17) | (v1 >> _47)) ^ v2
    v2 = (v2 << _32) | (v2 >> _32)
    return v0, v1, v2, v3


@compiled(nogil=True)
def hash_spans(
    data: NDArray[np.uint8], offsets: NDArray[np.int32] | NDArray[np.int64], k0: np.uint64, k1: np.uint64
) -> NDArray[np.uint64]:
    """SipHash-1-3 of each `data[offsets[i]:offsets[i + 1]]`."""
    out = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(out)):
        start, stop = offsets[row], offsets[row + 1]
        v0, v1, v2, v3 = k0 ^ _V0, k1 ^ _V1, k0 ^ _V2, k1 ^ _V3
        whole = stop - (stop - start) % 8
        for at in range(start, whole, 8):
            word = _U(data[at])
            for i in range(1, 8):
                word |= _U(data[at + i]) << (_8 * _U(i))
            v3 ^= word
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
            v0 ^= word
        last = (_U(stop - start) & _FF) << _56
        for at in range(whole, stop):
            last |= _U(data[at]) << (_8 * _U(at - whole))
        v3 ^= last
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= last
        v2 ^= _FF
        for _ in range(3):
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        out[row] = v0 ^ v1 ^ v2 ^ v3
    return out
