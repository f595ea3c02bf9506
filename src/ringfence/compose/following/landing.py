"""What is done with a landing zone from outside its follower."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.adapters.landing import open_place, tending
from ringfence.compose.following.followers import landing_address
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from datetime import date

    from ringfence.adapters.landing.tending import Compacted


def compact_zone(to: str | None, before: date) -> Compacted:
    """Make one Parquet file of the small ones of each day before this one; how many files that were."""
    return tending.compact(open_place(landing_address(to)), before)


def expire_zone(to: str | None, before: date) -> int:
    """Take away the files of days before this one; how many that were."""
    return tending.expire(open_place(landing_address(to)), before)


def zone_statements(to: str | None, database: str) -> str:
    """Statements that declare the tables for Athena and Glue."""
    settings = load_settings()
    return tending.ddl(landing_address(to), settings.landing_layout, settings.landing_format, database)
