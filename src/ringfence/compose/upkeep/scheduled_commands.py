"""What is done by the clock for a data folder, each time in a process of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ringfence.adapters.watchbook import WatchBook
from ringfence.compose.upkeep.backup import schedule
from ringfence.features.durations import MINUTE_MS
from ringfence.follow.timetable import Due, Errand, Timetable
from ringfence.settings import load_settings, period_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FIRST_MS: Final = 10 * MINUTE_MS  # after a start, which has enough to do
_AGAIN_MS: Final = 60 * MINUTE_MS  # after a backup that failed, or was cut off by a restart


def timetable(folder: Path, now_ms: Callable[[], int]) -> Timetable:
    """What is done by the clock for a data folder, as the settings say; `InputError` for a wrong one."""
    book, settings = WatchBook(folder), load_settings()
    ringfence = [sys.executable, "-P", "-m", "ringfence.cli"]
    program = [*ringfence, "models"]
    where = ["--data", str(folder.absolute())]
    errands, backups = [], schedule()
    if backups is not None:  # first: nothing else that is due may hold it up
        command, every = [*ringfence, "backup", backups.to, *where], backups.every_ms
        errands.append(Errand("backing up", command, every, min(every, _FIRST_MS), min(every, _AGAIN_MS)))
    every_ms = period_ms(settings.watch_every)
    if every_ms is not None:
        command = [*program, "watch", "--measure", "--beside", *where]
        errands.append(Errand("watching the models", command, every_ms, min(every_ms, _FIRST_MS)))
    every_ms = period_ms(settings.retrain_every)
    if every_ms is not None:
        errands.append(Errand("retraining", [*program, "retrain", *where], every_ms, every_ms))
    return Timetable(errands, Due(book.due, book.set_due), now_ms)
