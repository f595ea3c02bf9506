"""What is done by the clock for a data folder, each time in a process of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ringfence.adapters.watchbook import WatchBook
from ringfence.errors import InputError, SpecError
from ringfence.features.durations import MINUTE_MS, parse_duration_ms
from ringfence.follow.timetable import Due, Errand, Timetable
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NEVER: Final = "never"
_FIRST_MS: Final = 10 * MINUTE_MS  # after a start, which has enough to do
_LEAST_MS: Final = 10 * MINUTE_MS


def timetable(folder: Path, now_ms: Callable[[], int]) -> Timetable:
    """What is done by the clock for a data folder, as the settings say; `InputError` for a wrong one."""
    book, settings = WatchBook(folder), load_settings()
    program = [sys.executable, "-P", "-m", "ringfence.cli", "models"]
    where = ["--data", str(folder.absolute())]
    errands = []
    every_ms = period_ms("watch_every", settings.watch_every)
    if every_ms is not None:
        command = [*program, "watch", "--measure", "--beside", *where]
        errands.append(Errand("watching the models", command, every_ms, min(every_ms, _FIRST_MS)))
    every_ms = period_ms("retrain_every", settings.retrain_every)
    if every_ms is not None:
        errands.append(Errand("retraining", [*program, "retrain", *where], every_ms, every_ms))
    return Timetable(errands, Due(book.due, book.set_due), now_ms)


def period_ms(name: str, text: str) -> int | None:
    """A duration of the settings, None for never; `InputError` for what is none, or too short."""
    if text == NEVER:
        return None
    try:
        found = parse_duration_ms(text)
    except SpecError as error:
        raise InputError(f"{name}: {text!r} is neither a duration such as 1d or 30d nor {NEVER!r}") from error
    if found < _LEAST_MS:
        raise InputError(f"{name}: {text} is too often, 10m is the least; {NEVER!r} switches it off")
    return found
