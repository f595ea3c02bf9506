"""What is done by the clock for a data folder, each time in a process of its own."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ringfence.adapters.watchbook import WatchBook
from ringfence.compose.upkeep.backup import schedule
from ringfence.features.durations import MINUTE_MS
from ringfence.follow.timetable import Due, Errand, Timetable
from ringfence.settings import load_settings, period_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WATCHING: Final = "watching the models"
RETRAINING: Final = "retraining"
_WATCH_SECONDS: Final = 1800.0
_RETRAIN_SECONDS: Final = 4 * 3600.0  # of the clock: measuring a long log, then a budget on a busy machine
_FIRST_MS: Final = 10 * MINUTE_MS  # after a start, which has enough to do
_AGAIN_MS: Final = 60 * MINUTE_MS  # after a backup that failed, or was cut off by a restart


def timetable(folder: Path, now_ms: Callable[[], int]) -> Timetable:
    """What is done by the clock for a data folder, as the settings say; `InputError` for a wrong one."""
    book = WatchBook(folder)
    return Timetable(_errands(folder), Due(book.due, book.set_due), now_ms, tell=book.keep_outcome)


def failures(folder: Path, *, in_full: bool = True) -> list[str]:
    """A sentence for each piece of work that the settings schedule and that failed last time.

    `in_full` says what it wrote as well, which may name payments: nothing for whoever may ask.
    """
    scheduled = {one.name for one in _errands(folder)}
    return [
        f"{name} failed at {datetime.fromtimestamp(one.ended_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC "
        f"(exit code {one.code}){f': {one.said}' if in_full and one.said else ''}"
        for name, one in WatchBook(folder).outcomes().items()
        if one.code and name in scheduled
    ]


def _errands(folder: Path) -> list[Errand]:
    settings = load_settings()
    ringfence = [sys.executable, "-P", "-m", "ringfence.cli"]
    program = [*ringfence, "models"]
    where = ["--data", str(folder.absolute())]
    errands: list[Errand] = []
    backups = schedule()
    if backups is not None:  # first: nothing else that is due may hold it up
        command, every = [*ringfence, "backup", backups.to, *where], backups.every_ms
        errands.append(Errand("backing up", command, every, min(every, _FIRST_MS), min(every, _AGAIN_MS)))
    every_ms = period_ms(settings.watch_every)
    if every_ms is not None:
        command = [*program, "watch", "--measure", "--beside", *where]
        errands.append(Errand(WATCHING, command, every_ms, min(every_ms, _FIRST_MS), None, _WATCH_SECONDS))
    every_ms = period_ms(settings.retrain_every)
    if every_ms is not None:
        command = [*program, "retrain", *where]
        errands.append(Errand(RETRAINING, command, every_ms, every_ms, None, _RETRAIN_SECONDS))
    return errands
