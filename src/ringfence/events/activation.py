"""A change of what decides, as an event: from its place in the log on, another version is in force."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from ringfence.events.batch import EventBatch
from ringfence.events.model import FOLLOWED, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator


class Part(StrEnum):
    """What can be activated."""

    RULES = "rules"
    MODELS = "models"


class ActiveVersion(NamedTuple):
    """Which part, and the digest of its version."""

    part: Part
    digest: str


def activation(
    part: Part, digest: str, now_ms: int, *, author: str, note: str = "", place: str = ""
) -> EventBatch:
    """The event that puts a registered version in force: a batch of its own, of one row.

    `place` is where it was taken over from.

    >>> batch = activation(Part.RULES, "abc", 7, author="mira", note="calmer")
    >>> list(versions(batch))
    [ActiveVersion(part=<Part.RULES: 'rules'>, digest='abc')]
    """
    fields = {
        "kind": pa.array([Kind.ACTIVATION], pa.uint8()),
        "event_id": [f"{part}:{digest}:{now_ms}"],
        "event_time_ms": [now_ms],
        "ingest_time_ms": [now_ms],
        "entity_type": [str(part)],
        "entity_id": [digest],
        "note": [note],
        "attributes.author": [author],
    }
    if place:
        fields[FOLLOWED] = [place]
    return EventBatch(pa.RecordBatch.from_pydict(fields))


def is_activation(events: EventBatch) -> bool:
    """Whether a batch is an activation; such a batch holds nothing else."""
    return len(events) == 1 and bool(events.kind[0] == Kind.ACTIVATION)


def versions(events: EventBatch) -> Iterator[ActiveVersion]:
    """What an activation puts in force."""
    for part, digest in zip(
        events.column("entity_type").to_pylist(), events.column("entity_id").to_pylist(), strict=True
    ):
        yield ActiveVersion(Part(part), digest)


def places(events: EventBatch) -> Iterator[tuple[int, Part, str]]:
    """The activations of a batch: row, part, and where it was taken over from; empty where it was made here.

    >>> list(places(activation(Part.RULES, "abc", 7, author="mira", place="rules/0/12")))
    [(0, <Part.RULES: 'rules'>, 'rules/0/12')]
    """
    for row in np.flatnonzero(events.kind == Kind.ACTIVATION).tolist():
        one = events.slice(row, row + 1)
        yield row, Part(one.column("entity_type")[0].as_py()), one.column(FOLLOWED)[0].as_py() or ""
