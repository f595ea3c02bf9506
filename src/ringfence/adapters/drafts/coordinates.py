"""Latitudes and longitudes: which columns hold them, the other way round or both in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.adapters.drafts.money import MOST
from ringfence.events.values.degrees import LIMITS, degrees_of, pair_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_FEW_BEYOND: Final = 3  # typing errors, perhaps
_SOME: Final = 300
_BOTH: Final = frozenset(
    """location loc coordinates coordinate coords coord geo geolocation latlng latlong latlon geopoint point
    position gps standort koordinaten coordenadas coordonnees ubicacion""".split()  # noqa: SIM905
)
"""Words of columns that may hold both."""


def coordinate_points(main: str) -> Callable[[Column], float]:
    """How much a column holds the latitudes (or longitudes) of payments."""

    def points(column: Column) -> float:
        if main not in column.meanings or not column.texts:
            return 0
        if any(_beyond(text, main) for text in column.different):
            return 0
        return 50.0 + 10 * ("merchant" in column.meanings) - 10 * ("home" in column.meanings)

    return points


def choose_coordinates(desk: DraftDesk) -> None:
    """Fills both from columns in which they stand the other way round, or together."""
    found = {
        main: next((one for one in desk.left.values() if main in one.meanings and one.texts), None)
        for main in LIMITS
    }
    lat, lon = found["lat"], found["lon"]
    if lat is None and lon is None:
        _part(desk)
    elif lat is not None and lon is not None and lat is not lon:
        _turn(desk, lat, lon)
    elif lat is not None and lat is lon:
        _part(desk)


def tell_unread_coordinates(desk: DraftDesk) -> None:
    """Columns that are called coordinates and whose values are none."""
    for column in desk.left.values():
        main = next((one for one in LIMITS if one in column.meanings), None)
        if main is None or main in desk.plan.fields:
            continue
        odd = next((text for text in column.different if _beyond(text, main)), None)
        if odd is not None:
            desk.plan.remarks.append(
                f"{column.name} holds values that are no degrees up to {LIMITS[main]:.0f} ({odd}): it is no "
                "place, and kept as an attribute"
            )


def _turn(desk: DraftDesk, lat: Column, lon: Column) -> None:
    """Latitudes and longitudes that stand in each other's column."""
    if _longitudes(lat) and max(map(_size, lon.different)) <= LIMITS["lat"]:
        desk.plan.fields |= {"lat": desk.take(lon.name).name, "lon": desk.take(lat.name).name}
        desk.plan.remarks.append(
            f"{lat.name} holds values beyond 90 degrees, {lon.name} none: taken the other way round"
        )


def _part(desk: DraftDesk) -> None:
    """Latitude and longitude in one text."""
    for column in list(desk.left.values()):
        some = column.different[:_SOME]
        named = not _BOTH.isdisjoint(column.words) or LIMITS.keys() <= column.meanings
        if named and some and sum(pair_of(text) is not None for text in some) >= MOST * len(some):
            name = desk.take(column.name).name
            desk.plan.fields["lat"] = {"column": name, "extract": "latitude"}
            desk.plan.fields["lon"] = {"column": name, "extract": "longitude"}
            desk.plan.remarks.append(
                f"{name} holds latitude and longitude in one text ({some[0]}): read as {_shown(some[0])}"
            )
            return


def _shown(text: str) -> str:
    lat, lon = pair_of(text) or (0.0, 0.0)
    return f"latitude {lat:g} and longitude {lon:g}"


def _longitudes(column: Column) -> bool:
    """Whether too many values are beyond 90 degrees for each to be a typing error."""
    sizes = [_size(text) for text in column.different]
    beyond = sum(size > LIMITS["lat"] for size in sizes)
    enough = beyond == len(sizes) or (beyond >= _FEW_BEYOND and 10 * beyond >= len(sizes))
    return enough and max(sizes) <= LIMITS["lon"]


def _size(text: str) -> float:
    found = degrees_of(text, "lat")
    return abs(degrees_of(text, "lon") or 0.0) if found is None else abs(found)


def _beyond(text: str, main: str) -> bool:
    """Whether a text is no number of degrees, or one of too many."""
    found = degrees_of(text, main)
    return found is None or abs(found) > LIMITS[main]
