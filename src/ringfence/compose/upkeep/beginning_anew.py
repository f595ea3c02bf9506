"""Begins anew a file of the data folder that is lost for good."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.cases import CaseFollower, read_policy
from ringfence.adapters.outbox import OutboxFollower
from ringfence.bus.catalog import TOPICS
from ringfence.compose.clock import now_ms
from ringfence.compose.folder import companions
from ringfence.errors import InputError
from ringfence.ports import EVENTS
from ringfence.settings import load_settings
from ringfence.store import BUS, CASES, TRAIL

if TYPE_CHECKING:
    from ringfence.ports import EventLog
    from ringfence.store import DataFolder

FILES: Final = (BUS, CASES, TRAIL)
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
    """Make a lost file again, empty: all of it or nothing. `InputError` as of `check_can_begin`.

    Followers go on at the end of the log, or where the last `since_ms` milliseconds of its events begin:
    what comes from there on raises alerts, is told to subscribers and opens cases. Nobody else may have the
    folder open for writing.
    """
    check_can_begin(store, name)
    with TemporaryDirectory(dir=store.folder, prefix=".begun-") as made:
        folder = Path(made)
        if name == TRAIL:
            SqliteTrail(folder).close()
        else:
            offsets = _offsets(store.log, since_ms)
            with closing(_follower(store, name, folder)) as follower:
                follower.begin_at(offsets)
        for suffix in ("-wal", "-shm"):  # of the file that is lost: they would be read into the new one
            (store.folder / f"{name}{suffix}").unlink(missing_ok=True)
        (folder / name).replace(store.folder / name)


def _follower(store: DataFolder, name: str, folder: Path) -> OutboxFollower | CaseFollower:
    if name == BUS:
        return OutboxFollower(store.log, folder, store.meta.store_id, now_ms)
    return CaseFollower(store.log, folder, read_policy(load_settings().cases))


def _offsets(log: EventLog, since_ms: int | None) -> dict[str, int]:
    """Where the batches of the last milliseconds begin, by topic; where that is None, their ends."""
    if since_ms is None:
        return {topic: log.end_offset(topic) for topic in TOPICS}
    newest_ms = max((batch.last_time_ms for batch in log.read(EVENTS)), default=0)
    begin_ms = min(newest_ms, now_ms()) - since_ms  # a sender's clock may be ahead
    return {topic: _offset(log, topic, begin_ms) for topic in TOPICS}


def _offset(log: EventLog, topic: str, begin_ms: int) -> int:
    for batch in log.read(topic, log.start_offset(topic)):
        if batch.last_time_ms > begin_ms:
            return batch.base_offset
    return log.end_offset(topic)
