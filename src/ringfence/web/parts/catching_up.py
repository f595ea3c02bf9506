"""Whether what a page shows is still being made of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.api.services import HealthServices

if TYPE_CHECKING:
    from ringfence.api.following import FollowerState
    from ringfence.web.dashboard import Dashboard

TABLES: Final = "lake"
"""The follower that makes the analysis tables."""

_LATE_SECONDS: Final = 5.0  # what takes less is over before anybody has read of it


def late(dashboard: Dashboard, follower: str) -> FollowerState | None:
    """The follower, where it has had something to read for a while; None where it keeps up or is unknown."""
    states = dashboard.of(HealthServices).following.states()
    return next((one for one in states if one.name == follower and one.lag_seconds >= _LATE_SECONDS), None)
