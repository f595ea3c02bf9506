"""What is done by the clock for a data folder, each time in a process of its own."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ringfence.adapters.watchbook import WatchBook
from ringfence.compose.upkeep.backup import schedule
from ringfence.errors import StoreError
from ringfence.features.durations import MINUTE_MS
from ringfence.follow.timetable import Due, Errand, Timetable
from ringfence.settings import load_settings, period_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

WATCHING: Final = "watching the models"
RETRAINING: Final = "retraining"
_BACKUP_SECONDS: Final = 24 * 3600.0  # of the clock: a large log over a slow line
_WATCH_SECONDS: Final = 1800.0
_RETRAIN_SECONDS: Final = 4 * 3600.0  # of the clock: measuring a long log, then a budget on a busy machine
_FIRST_MS: Final = 10 * MINUTE_MS  # after a start, which has enough to do
_AGAIN_MS: Final = 60 * MINUTE_MS  # after a backup that failed, or was cut off by a restart


def timetable(folder: Path, now_ms: Callable[[], int]) -> Timetable:
    """What is done by the clock for a data folder, as the settings say; `InputError` for a wrong one."""
    book = WatchBook(folder)
    return Timetable(_errands(folder), Due(book.due, book.set_due), now_ms, tell=book.keep_outcome)


def scheduled(folder: Path) -> frozenset[str]:
    """Names of what the settings schedule; `InputError` for a wrong one. Reads the settings' file."""
    return frozenset(one.name for one in _errands(folder))


def failures(folder: Path, names: Collection[str], *, in_full: bool = True) -> list[str]:
    """A sentence for each of these pieces of work that failed last time, or one that this cannot be told.

    `in_full` says why as well, which may name payments: nothing for whoever may ask. Never raises.
    """
    if not names:
        return []
    try:
        ended = WatchBook(folder).outcomes()
    except StoreError as error:
        why = str(error) if in_full else "see the System page"
        return [f"how scheduled work ended last is not known: {why}"]
    told = []
    for name, one in ended.items():
        if one.code and name in names:
            at = datetime.fromtimestamp(one.ended_ms / 1000, UTC)
            why = one.said if in_full else "see this server's log"
            said = f"{name} failed at {at:%Y-%m-%d %H:%M} UTC (exit code {one.code})"
            told.append(f"{said}: {why}" if why else said)
    return told


def _errands(folder: Path) -> list[Errand]:
    settings = load_settings()
    ringfence = [sys.executable, "-P", "-m", "ringfence.cli"]
    program = [*ringfence, "models"]
    where = ["--data", str(folder.absolute())]
    errands: list[Errand] = []
    backups = schedule()
    if backups is not None:  # first: nothing else that is due may hold it up
        command, every = [*ringfence, "backup", backups.to, *where], backups.every_ms
        first, again = min(every, _FIRST_MS), min(every, _AGAIN_MS)
        errands.append(Errand("backing up", command, every, first, again, _BACKUP_SECONDS))
    every_ms = period_ms(settings.watch_every)
    if every_ms is not None:
        command = [*program, "watch", "--measure", "--beside", *where]
        errands.append(Errand(WATCHING, command, every_ms, min(every_ms, _FIRST_MS), None, _WATCH_SECONDS))
    every_ms = period_ms(settings.retrain_every)
    if every_ms is not None:
        command = [*program, "retrain", *where]
        errands.append(Errand(RETRAINING, command, every_ms, every_ms, None, _RETRAIN_SECONDS))
    return errands
