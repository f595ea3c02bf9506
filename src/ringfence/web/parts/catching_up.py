"""Whether what a page shows is still being made of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.api.services import HealthServices

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

_LATE_SECONDS: Final = 5.0  # what takes less is over before anybody has read of it


def unread(dashboard: Dashboard, follower: str) -> int:
    """Records of the log that a follower has still to read, 0 where it keeps up or there is none."""
    states = dashboard.of(HealthServices).following.states()
    return next(
        (one.lag_records for one in states if one.name == follower and one.lag_seconds >= _LATE_SECONDS), 0
    )
