"""Latitudes and longitudes, the other way round or both in one column, and places that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.adapters.drafts.money import MOST
from ringfence.adapters.drafts.places import is_beyond
from ringfence.events.values.degrees import LIMITS, degrees_of, pair_of

if TYPE_CHECKING:
    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_FEW_BEYOND: Final = 3  # typing errors, perhaps
_SOME: Final = 300
_BESIDE: Final = frozenset({"ip", "address", "customer", "device", "sender", "txn", "payment", "order"})
_BOTH: Final = frozenset(
    """location loc coordinates coordinate coords coord geo geolocation latlng latlong latlon geopoint point
    position gps standort koordinaten coordenadas coordonnees ubicacion""".split()  # noqa: SIM905
)
"""Words of columns that may hold both."""


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
        odd = next((text for text in column.different if is_beyond(text, main)), None)
        if odd is not None:
            desk.plan.remarks.append(
                f"{column.name} holds values that are no degrees up to {LIMITS[main]:.0f} ({odd}): it is no "
                "place, and kept as an attribute"
            )


def tell_unread_addresses(desk: DraftDesk) -> None:
    """Columns that are called addresses and hold none that is whole."""
    for column in desk.left.values():
        if column.texts and "ip" in column.meanings and column.meanings <= _BESIDE:
            desk.plan.remarks.append(
                f"{column.name} holds no whole IP addresses ({column.different[0]}): it is no key, and kept "
                "as an attribute"
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
