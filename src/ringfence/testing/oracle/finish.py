"""From a query's row to the feature's value. Integers stay integers up to the one division that rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import asin, cos, radians, sin, sqrt
from typing import Any, Final

from ringfence.features.spec import FeatureKind

Finish = Callable[[Sequence[Any], int], float | None]
"""(row without position and key, integer units in one unit of the field) -> value, None for null."""

EARTH_RADIUS_KM: Final = 6371.0088
_MS_IN_S: Final = 1000
_S_IN_H: Final = 3600


def haversine_km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great-circle distance between two points in degrees.

    >>> round(haversine_km(52.52, 13.405, 48.8566, 2.3522), 1)
    877.5
    """
    north = sin(radians(lat_b - lat_a) / 2) ** 2
    east = sin(radians(lon_b - lon_a) / 2) ** 2
    return (
        2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(north + cos(radians(lat_a)) * cos(radians(lat_b)) * east)))
    )


def _first(row: Sequence[Any], _scale: int) -> float | None:
    return _float(row[0])


def _scaled(row: Sequence[Any], scale: int) -> float | None:
    return None if row[0] is None else int(row[0]) / scale


def _sum(row: Sequence[Any], scale: int) -> float | None:
    _x, _n, total, _squares = row
    return int(total or 0) / scale


def _mean(row: Sequence[Any], scale: int) -> float | None:
    _x, n, total, _squares = row
    return int(total) / (n * scale) if n else None


def _std(row: Sequence[Any], scale: int) -> float | None:
    _x, n, total, squares = row
    return sqrt(_spread(n, total, squares) / (n * (n - 1) * scale * scale)) if n > 1 else None


def _ratio(row: Sequence[Any], _scale: int) -> float | None:
    x, n, total, _squares = row
    return float(int(x) * n / int(total)) if x is not None and total else None


def _zscore(row: Sequence[Any], _scale: int) -> float | None:
    x, n, total, squares = row
    if x is None or n < 2 or _spread(n, total, squares) == 0:
        return None
    # (x - total / n) / sqrt(spread / (n (n - 1))), with the subtraction in integers.
    distance: float = (int(x) * n - int(total)) / n
    return distance / sqrt(_spread(n, total, squares) / (n * (n - 1)))


def _spread(n: int, total: int, squares: int) -> int:
    return n * int(squares) - int(total) ** 2


def _share(row: Sequence[Any], _scale: int) -> float | None:
    part, n = row
    return part / n if n else None


def _seconds(row: Sequence[Any], _scale: int) -> float | None:
    return None if row[0] is None else row[0] / _MS_IN_S


def _is_new(row: Sequence[Any], _scale: int) -> float | None:
    value, seen = row
    return None if value is None else float(seen == 0)


def _distance(row: Sequence[Any], _scale: int) -> float | None:
    _time_ms, lat, lon, before = row
    if lat is None or lon is None or before is None:
        return None
    return haversine_km(before["lat"], before["lon"], lat, lon)


def _speed(row: Sequence[Any], scale: int) -> float | None:
    km = _distance(row, scale)
    if km is None:
        return None
    elapsed_ms = max(row[0] - row[3]["time_ms"], _MS_IN_S)
    return km * _MS_IN_S * _S_IN_H / int(elapsed_ms)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


FINISH: Final[dict[FeatureKind, Finish]] = {
    FeatureKind.COUNT: _first,
    FeatureKind.SUM: _sum,
    FeatureKind.MEAN: _mean,
    FeatureKind.STD: _std,
    FeatureKind.MIN: _scaled,
    FeatureKind.MAX: _scaled,
    FeatureKind.DISTINCT: _first,
    FeatureKind.RATIO: _ratio,
    FeatureKind.ZSCORE: _zscore,
    FeatureKind.SHARE: _share,
    FeatureKind.LABEL_COUNT: _first,
    FeatureKind.LABEL_RATE: _share,
    FeatureKind.HOUR_SHARE: _share,
    FeatureKind.SINCE_LAST: _seconds,
    FeatureKind.SINCE_FIRST: _seconds,
    FeatureKind.IS_NEW: _is_new,
    FeatureKind.DISTANCE: _distance,
    FeatureKind.SPEED: _speed,
    FeatureKind.PREVIOUS: _scaled,
    FeatureKind.IS_SAME: _first,
}
