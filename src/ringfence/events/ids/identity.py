"""Ids of events whose source gives none: equal content, equal id, so reading a file twice changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ringfence.events.ids.hashing import hash_column
from ringfence.events.model import BIN_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_NOT_CONTENT: Final = frozenset({"ingest_time_ms", "event_id", *BIN_FIELDS})


def content_ids(prefix: str, rows: int, columns: Mapping[str, Any]) -> Any:
    """Arrow texts `<prefix>-<32 hex digits>`, one per row, told from names and values of the columns."""
    lanes = np.zeros((rows, 2), np.uint64)
    for name in sorted(columns):
        if name in _NOT_CONTENT:
            continue
        salt = int.from_bytes(name.encode()[-8:], "little")
        for lane in (0, 1):
            hashed = hash_column(columns[name], salt | (lane + 1) << 64).view(np.uint64)
            lanes[:, lane] = (lanes[:, lane] ^ hashed) * _ODD
            lanes[:, lane] ^= lanes[:, lane] >> np.uint64(29)
    digits = lanes.byteswap().tobytes().hex()
    return pa.array([f"{prefix}-{digits[at : at + 32]}" for at in range(0, 32 * rows, 32)], pa.string())
