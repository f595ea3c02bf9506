"""What the state says of one entity now: features, profile, lists, flag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringfence.api.handlers.reading import standing

if TYPE_CHECKING:
    from ringfence.api.services import RecordServices


@dataclass(frozen=True, slots=True)
class Portrait:
    """`features` are as of `as_of_ms`: what has left a window by then is not counted."""

    lists: list[tuple[str, str]]  # name and kind
    flagged_since_ms: int | None
    profile: dict[str, float | str]
    features: list[tuple[str, float | None]]
    as_of_ms: int

    @property
    def is_blank(self) -> bool:
        """Whether nothing but payments could tell of it."""
        return not (self.lists or self.profile) and self.flagged_since_ms is None


async def portrait_of(services: RecordServices, entity_type: str, entity_id: str) -> Portrait:
    """The portrait of an entity."""
    now_ms = services.clock.now_ms()
    state = await standing(services, entity_type, entity_id, now_ms)
    prefix = f"{entity_type}."
    features = [(name.removeprefix(prefix), value) for name, value in state.features.items()]
    return Portrait(state.lists, state.flagged_since_ms, state.profile, features, now_ms)
