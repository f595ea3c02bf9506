"""Latitudes and longitudes, which some files have the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_FEW_BEYOND: Final = 3  # typing errors, perhaps


def turn_coordinates(desk: DraftDesk) -> None:
    """Latitudes and longitudes that stand in each other's column."""
    found = {
        main: next((one for one in desk.left.values() if main in one.meanings and one.money), None)
        for main in ("lat", "lon")
    }
    lat, lon = found["lat"], found["lon"]
    if lat is None or lon is None:
        return
    if _longitudes(lat) and max(map(_size, lon.different)) <= 90:
        desk.plan.fields |= {"lat": desk.take(lon.name).name, "lon": desk.take(lat.name).name}
        desk.plan.remarks.append(
            f"{lat.name} holds values beyond 90 degrees, {lon.name} none: taken the other way round"
        )


def _longitudes(column: Column) -> bool:
    """Whether too many values are beyond 90 degrees for each to be a typing error."""
    sizes = [_size(text) for text in column.different]
    beyond = sum(size > 90 for size in sizes)
    enough = beyond == len(sizes) or (beyond >= _FEW_BEYOND and 10 * beyond >= len(sizes))
    return enough and max(sizes) <= 180


def _size(text: str) -> float:
    try:
        return abs(float(text))
    except ValueError:
        return 0.0
