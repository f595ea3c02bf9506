"""Where the world is: cities that people live in or travel to, and one place that is nowhere, online."""

from __future__ import annotations

from typing import Final, NamedTuple


class City(NamedTuple):
    """A city: name, country, position in degrees, hours ahead of UTC, and how many live there (weight)."""

    name: str
    country: str
    lat: float
    lon: float
    utc_hours: int
    people: float


HOMES: Final = [
    City("Berlin", "DE", 52.52, 13.40, 1, 9.0),
    City("Hamburg", "DE", 53.55, 9.99, 1, 5.0),
    City("Munich", "DE", 48.14, 11.58, 1, 4.0),
    City("Cologne", "DE", 50.94, 6.96, 1, 3.0),
    City("Frankfurt", "DE", 50.11, 8.68, 1, 2.5),
    City("Leipzig", "DE", 51.34, 12.37, 1, 1.5),
    City("Freiburg", "DE", 48.00, 7.85, 1, 0.6),
    City("Vienna", "AT", 48.21, 16.37, 1, 4.0),
    City("Graz", "AT", 47.07, 15.44, 1, 0.8),
    City("Zurich", "CH", 47.37, 8.54, 1, 1.5),
    City("Basel", "CH", 47.56, 7.59, 1, 0.6),
    City("Strasbourg", "FR", 48.58, 7.75, 1, 0.8),
    City("Amsterdam", "NL", 52.37, 4.90, 1, 2.0),
]
ABROAD: Final = [
    City("Paris", "FR", 48.86, 2.35, 1, 5.0),
    City("Barcelona", "ES", 41.39, 2.17, 1, 4.0),
    City("Rome", "IT", 41.90, 12.50, 1, 4.0),
    City("London", "GB", 51.51, -0.13, 0, 4.0),
    City("Prague", "CZ", 50.08, 14.44, 1, 3.0),
    City("Copenhagen", "DK", 55.68, 12.57, 1, 2.0),
    City("Lisbon", "PT", 38.72, -9.14, 0, 2.0),
    City("Istanbul", "TR", 41.01, 28.98, 3, 2.0),
    City("New York", "US", 40.71, -74.01, -5, 1.5),
    City("Miami", "US", 25.76, -80.19, -5, 1.0),
    City("Bangkok", "TH", 13.76, 100.50, 7, 1.0),
    City("Lagos", "NG", 6.52, 3.38, 1, 0.4),
]
ONLINE: Final = City("", "", 0.0, 0.0, 1, 0.0)
"""No place at all: shops that sell over the net."""

CITIES: Final = [*HOMES, *ABROAD, ONLINE]
ONLINE_AT: Final = len(CITIES) - 1
