"""The definition of every feature by brute force: slow, obvious, and never wrong in the way an engine can be.

One self-join in DuckDB per feature, on key, position and time, straight from the definition; sums and
squares in 128-bit integers, the last division in Python. It shares no code and no idea with the engine, keeps
no state and reads the whole log at once: what it says is what the engine must say, batch by batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.testing.oracle.compare import differences
from ringfence.testing.oracle.finish import FINISH
from ringfence.testing.oracle.sql import parameters, query
from ringfence.testing.oracle.tables import connect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import Feature, FeatureSpec
    from ringfence.testing.oracle.tables import OracleTables

__all__ = ["differences", "measure"]


def measure(batch: EventBatch, spec: FeatureSpec) -> NDArray[np.float64]:
    """Features of every transaction of the log: (n_features, n_transactions), NaN for null.

    `batch` is the whole log from its beginning, all kinds of events, in order. A log holds a transaction
    once: ValueError if an id comes twice. Work grows with the square of the events of a key.
    """
    with connect(batch, spec) as tables:
        columns = [_measure_one(feature, spec, tables) for feature in spec.features]
    return np.array(columns, np.float64).reshape(len(spec.features), int(batch.is_transaction.sum()))


def _measure_one(feature: Feature, spec: FeatureSpec, tables: OracleTables) -> list[float | None]:
    scale = 1 if feature.field is None else tables.scale(feature.field)
    finish = FINISH[feature.kind]
    rows = tables.execute(query(feature, spec), parameters(feature, spec)).fetchall()
    values = (finish(row, scale) if has_key else None for _position, has_key, *row in rows)
    return [feature.default if value is None else value for value in values]
