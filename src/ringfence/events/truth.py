"""Which of several labels of one payment counts: that of the source that ranks highest, then the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


def source_ranks(sources: Any, ranked: Sequence[str]) -> NDArray[np.int64]:
    """For each `label_source` its place in `ranked`, 0 counts most; all that are not named share the last.

    >>> source_ranks(pa.array(["analyst", None, "chargeback"]), ["chargeback", "analyst"])
    array([1, 2, 0])
    """
    places = pc.index_in(sources.cast(pa.string()), value_set=pa.array(ranked, pa.string()))
    found: NDArray[np.int64] = places.cast(pa.int64()).fill_null(len(ranked)).to_numpy(zero_copy_only=False)
    return found
