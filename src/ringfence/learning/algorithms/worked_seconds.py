"""What a budget in seconds counts: time worked, so that a busy machine does not make a smaller model."""

from __future__ import annotations

import os
import time
from typing import Final

_LONGEST: Final = 3.0  # times a budget that a training may last on a machine that is busy with something else
_MOST_CORES: Final = 4  # beyond, a training does not keep all of them busy by itself


class Worked:
    """Seconds since it was made, by the processor time of this process: a call gives them.

    On an idle machine they are those of the clock, or somewhat fewer. On a busy one they pass more slowly, at
    most three times.
    """

    def __init__(self) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._cores = min(cores, _MOST_CORES)
        self._wall, self._processor = time.monotonic(), time.process_time()

    def __call__(self) -> float:
        wall = time.monotonic() - self._wall
        worked = (time.process_time() - self._processor) / self._cores
        return min(wall, max(worked, wall / _LONGEST))
