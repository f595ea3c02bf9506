"""What the state says of one entity: profile, lists, flag, and its features as of its last payment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.events.hashing import hash_text
from ringfence.scoring.reference.flags import NEVER

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard


@dataclass(frozen=True, slots=True)
class Portrait:
    """`features` are as of `as_of_ms`, the latest payment in the log; empty without one."""

    lists: list[tuple[str, str]]  # name and kind
    flagged_since_ms: int | None
    profile: dict[str, float | str]
    features: list[tuple[str, float | None]]
    as_of_ms: int | None

    @property
    def is_blank(self) -> bool:
        return not (self.lists or self.profile or self.features) and self.flagged_since_ms is None


def portrait_of(
    dashboard: Dashboard, entity_type: str, entity_id: str, recent: list[dict[str, Any]]
) -> Portrait:
    """The portrait of an entity; `recent` are its newest payments."""
    server = dashboard.server
    pipeline, now_ms = server.runner.pipeline, server.clock.now_ms()
    id_hash = hash_text(entity_id, pipeline.seed)
    reference = pipeline.reference
    since = int(reference.flags.since(entity_type, np.array([id_hash]), np.array([now_ms]))[0])
    last = max(recent, key=lambda row: row["offset"], default=None)
    return Portrait(
        reference.lists.of(entity_type, id_hash, now_ms),
        None if since == NEVER else since,
        reference.profiles.attributes(entity_type, id_hash),
        _features(dashboard, entity_type, last["offset"]) if last else [],
        last["event_time_ms"] if last else None,
    )


def _features(dashboard: Dashboard, entity_type: str, offset: int) -> list[tuple[str, float | None]]:
    found = dashboard.server.stored.decision_at(offset)
    if found is None:
        return []
    prefix = f"{entity_type}."
    features = found.batch.row(found.row).features
    return [(name.removeprefix(prefix), value) for name, value in features.items() if name.startswith(prefix)]
