"""What is bought: categories with their amounts, their hours and their share of payments."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple


class Hours(IntEnum):
    """When something is bought."""

    SHOPS = 0
    MEALS = 1
    COMMUTE = 2
    EVENING = 3
    NET = 4


HOUR_WEIGHTS: Final[dict[Hours, list[float]]] = {
    # hour     0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16  17  18  19  20  21  22  23
    Hours.SHOPS: [0, 0, 0, 0, 0, 0, 1, 3, 5, 7, 9, 9, 8, 7, 7, 8, 9, 11, 11, 8, 4, 2, 1, 0.3],
    Hours.MEALS: [2, 1, 0.5, 0.3, 0.2, 0.3, 1, 3, 4, 4, 4, 8, 13, 9, 4, 4, 5, 7, 11, 12, 9, 6, 4, 3],
    Hours.COMMUTE: [1, 0.5, 0.3, 0.3, 1, 3, 8, 12, 10, 6, 4, 4, 5, 5, 5, 7, 10, 12, 9, 5, 4, 3, 2, 1.5],
    Hours.EVENING: [3, 2, 1, 0.5, 0.2, 0.2, 0.2, 0.5, 1, 2, 3, 4, 4, 5, 5, 6, 7, 9, 12, 13, 10, 8, 6, 4],
    Hours.NET: [3, 2, 1.2, 0.8, 0.6, 0.6, 1, 2, 4, 5, 5, 5, 6, 6, 5, 5, 5, 6, 7, 9, 11, 11, 8, 5],
}


class Category(NamedTuple):
    """A kind of shop: share of payments, median amount (major units), spread (log), hours, shops.

    Some are visited for two purposes, the week's groceries or what was forgotten: `small_share` of payments
    there are small ones of their own median.
    """

    name: str
    share: float
    median: float
    spread: float
    hours: Hours
    shops: int  # shops of this kind in a city of weight 1, or online
    online: bool = False
    small_share: float = 0.0
    small_median: float = 1.0


SMALL_SPREAD: Final = 0.6
CATEGORIES: Final = [
    Category("grocery", 20.0, 90.0, 0.38, Hours.SHOPS, 14, small_share=0.35, small_median=18.0),
    Category("fuel", 6.0, 56.0, 0.25, Hours.COMMUTE, 6),
    Category("restaurant", 8.0, 40.0, 0.70, Hours.MEALS, 14),
    Category("fast_food", 8.0, 12.0, 0.50, Hours.MEALS, 12),
    Category("coffee", 5.0, 5.5, 0.45, Hours.COMMUTE, 10),
    Category("transport", 7.0, 7.5, 0.85, Hours.COMMUTE, 6),
    Category("pharmacy", 4.0, 26.0, 0.80, Hours.SHOPS, 6),
    Category("fashion", 4.5, 72.0, 0.75, Hours.SHOPS, 10, small_share=0.4, small_median=10.0),
    Category("electronics", 1.5, 110.0, 0.95, Hours.SHOPS, 4),
    Category("home", 4.0, 46.0, 0.9, Hours.SHOPS, 6),
    Category("entertainment", 4.0, 36.0, 0.85, Hours.EVENING, 6),
    Category("health", 2.0, 58.0, 0.85, Hours.SHOPS, 5),
    Category("cash", 4.0, 70.0, 0.5, Hours.SHOPS, 8),
    Category("online_retail", 12.0, 72.0, 0.8, Hours.NET, 160, True, 0.45, 9.0),
    Category("digital", 6.0, 9.0, 0.85, Hours.NET, 80, online=True),
    Category("travel", 2.0, 190.0, 0.8, Hours.NET, 40, True, 0.5, 9.0),
    Category("online_electronics", 2.0, 110.0, 0.9, Hours.NET, 40, online=True),
]
AT: Final = {category.name: number for number, category in enumerate(CATEGORIES)}
"""A category's number by its name."""


class CustomerSegment(NamedTuple):
    """A kind of customer: share of people, payments a day, how dear, trips, age, and what they prefer."""

    name: str
    share: float
    a_day: float
    level: float  # of amounts, 1 = ordinary
    trips_a_year: float
    age: float  # on average
    prefers: dict[str, float]


SEGMENTS: Final = [
    CustomerSegment(
        "student", 0.18, 2.0, 0.65, 2, 23, {"fast_food": 2.2, "digital": 2.0, "fuel": 0.3, "transport": 1.6}
    ),
    CustomerSegment("worker", 0.40, 1.9, 1.0, 2, 38, {"fuel": 1.5, "coffee": 1.3}),
    CustomerSegment(
        "family", 0.22, 2.2, 1.15, 1.5, 42, {"grocery": 1.6, "home": 1.6, "pharmacy": 1.5, "coffee": 0.6}
    ),
    CustomerSegment(
        "retired", 0.14, 1.0, 0.9, 1, 71, {"pharmacy": 2.0, "health": 2.0, "cash": 2.5, "digital": 0.3}
    ),
    CustomerSegment(
        "traveller", 0.06, 2.6, 1.6, 14, 46, {"restaurant": 2.0, "travel": 4.0, "transport": 2.0}
    ),
]
