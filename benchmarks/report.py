"""How figures are taken and printed: interleaved rounds, medians and spread, the machine beside them."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Sample:
    """Seconds of several runs over the same number of events."""

    events: int
    seconds: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Events per second at the median."""
        return self.events / median(self.seconds)

    @property
    def spread(self) -> str:
        """Slowest to fastest run, events per second."""
        return f"{self.events / max(self.seconds):,.0f} to {self.events / min(self.seconds):,.0f}"


def interleaved(
    rounds: int, contestants: Mapping[str, Callable[[], object]], events: int
) -> dict[str, Sample]:
    """Times every contestant once per round, so that a busy minute meets all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: Sample(events, tuple(taken)) for name, taken in seconds.items()}


def machine() -> str:
    """Processor, cores and load now."""
    found = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    model = found[0] if found else platform.processor()
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.system()}"


def versions(*names: str) -> str:
    """Python and the named distributions."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)])


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """One table on standard output."""
    print(f"\n{title}")
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(width=140).print(table)


def resident_bytes(field: str = "VmRSS") -> int:
    """Memory of this process now (`VmRSS`) or at its peak (`VmHWM`)."""
    found = [line.split()[1] for line in _lines("/proc/self/status") if line.startswith(field)]
    return 1024 * int(found[0])


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
