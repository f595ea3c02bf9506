"""Begins anew a file of the data folder that is lost for good."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from ringfence.adapters.cases import CaseFollower, read_policy
from ringfence.adapters.outbox import OutboxFollower
from ringfence.adapters.sqlite.trail import SqliteTrail
from ringfence.bus.catalog import TOPICS
from ringfence.compose import companions
from ringfence.compose.clock import now_ms
from ringfence.errors import InputError
from ringfence.ports import EVENTS
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from ringfence.ports import EventLog
    from ringfence.store import DataFolder

FILES: Final = (companions.BUS, companions.CASES, companions.TRAIL)
"""The files that can be begun anew: nothing makes them again."""


def check_can_begin(store: DataFolder, name: str) -> None:
    """`InputError` where a file is none of these, or is not lost."""
    path = store.folder / name
    if name not in FILES:
        raise InputError(f"{name}: only {', '.join(FILES)} can be begun anew")
    if companions.is_lost(store, name):
        return
    if path.exists() or path.is_symlink():
        raise InputError(
            f"{path} is there. Only a file that is missing or empty is begun anew: where it is damaged, move "
            f"it away first, with {name}-wal and {name}-shm, and keep it"
        )
    raise InputError(f"{store.folder} never had a {name}: it is made when it is needed")


def begin_anew(store: DataFolder, name: str, since_ms: int | None = None) -> None:
    """Make a lost file again, empty. `InputError` as of `check_can_begin`.

    Followers go on at the end of the log, or where the last `since_ms` milliseconds of its events begin:
    what comes from there on raises alerts, is told to subscribers and opens cases.
    """
    check_can_begin(store, name)
    if name == companions.TRAIL:
        SqliteTrail(store.folder).close()
        return
    if name == companions.BUS:
        follower: OutboxFollower | CaseFollower = OutboxFollower(
            store.log, store.folder, store.meta.store_id, now_ms
        )
    else:
        follower = CaseFollower(store.log, store.folder, read_policy(load_settings().cases))
    with closing(follower):
        follower.begin_at({topic: _offset(store.log, topic, since_ms) for topic in TOPICS})


def _offset(log: EventLog, topic: str, since_ms: int | None) -> int:
    """Where the batches of the last milliseconds begin; the end of the topic where that is None."""
    if since_ms is None:
        return log.end_offset(topic)
    newest_ms = max((batch.last_time_ms for batch in log.read(EVENTS)), default=0)
    for batch in log.read(topic, log.start_offset(topic)):
        if batch.last_time_ms > newest_ms - since_ms:
            return batch.base_offset
    return log.end_offset(topic)
