"""Events sorted by time however many there are: sorted runs, on disk once there is more than one."""

from __future__ import annotations

import errno
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.errors import StoreFullError
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.events.model import Kind
from ringfence.ports.sources import SourceBatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PREFIX: Final = "sorting-"
"""Of the folder that runs are kept in while they are needed."""

_RUN_ROWS: Final = 500_000
_SLICE_ROWS: Final = 8192
_SIZE_BYTES: Final = 8


def sort_keys(events: EventBatch, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """What events are ordered by: time, and at the same time labels after what they may name."""
    return 2 * times + ((events.kind == Kind.LABEL) | (events.kind == Kind.LIFECYCLE))


@dataclass(slots=True)
class Runs:
    """Takes events in any order and gives them back as streams, each in order of time."""

    folder: Path
    run_rows: int = _RUN_ROWS
    rows: int = 0
    _waiting: list[EventBatch] = field(default_factory=list)
    _labels: list[EventBatch] = field(default_factory=list)
    _held: int = 0
    _files: list[Path] = field(default_factory=list)

    def add(self, batch: SourceBatch) -> None:
        """Take the events and labels of some rows."""
        if batch.labels is not None and len(batch.labels):
            self._labels.append(batch.labels)
        if len(batch.events):
            self._waiting.append(batch.events)
            self._held += len(batch.events)
            self.rows += len(batch.events)
        if self._held >= self.run_rows:
            self._write()

    def streams(self) -> list[Iterator[SourceBatch]]:
        """All that was taken: the streams in the order in which their events came, each sorted."""
        if not self._files:
            return [_sorted_batches(self._waiting, self._labels)]
        self._write()
        return [_read(path) for path in self._files]

    def _write(self) -> None:
        if not self._waiting and not self._labels:
            return
        path = self.folder / f"{len(self._files)}.run"
        with _room(self.folder.parent), path.open("wb") as file:
            for batch in _sorted_batches(self._waiting, self._labels):
                for events in (batch.events, batch.labels):
                    payload = b"" if events is None or not len(events) else codec.encode(events)
                    file.write(len(payload).to_bytes(_SIZE_BYTES, "little"))
                    file.write(payload)
        self._files.append(path)
        self._waiting, self._labels, self._held = [], [], 0


@contextmanager
def runs_in(parent: Path | None, run_rows: int = _RUN_ROWS) -> Iterator[Runs]:
    """Runs in a folder of their own inside `parent`, or where the system keeps temporary files."""
    if parent is not None:
        for left in parent.glob(f"{PREFIX}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
    with _room(parent):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        yield Runs(folder, run_rows)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sorted_batches(events: list[EventBatch], labels: list[EventBatch]) -> Iterator[SourceBatch]:
    """Slices in order; each label with the first slice that reaches its time, at the latest."""
    merged = _by_time(events)
    held = _by_time(labels)
    due = held.event_time_ms
    for begin in range(0, len(merged), _SLICE_ROWS):
        part = merged.slice(begin, min(begin + _SLICE_ROWS, len(merged)))
        count = int(np.searchsorted(due, part.event_time_ms[-1], side="right"))
        yield SourceBatch("", part, held.slice(0, count), [], 0, None)
        held, due = held.slice(count, len(held)), due[count:]
    if len(held):
        yield SourceBatch("", NO_EVENTS, held, [], 0, None)


def _by_time(batches: list[EventBatch]) -> EventBatch:
    if not batches:
        return NO_EVENTS
    merged = EventBatch.concat(batches)
    keys = sort_keys(merged, merged.event_time_ms)
    return merged if (np.diff(keys) >= 0).all() else merged.take(np.argsort(keys, kind="stable"))


def _read(path: Path) -> Iterator[SourceBatch]:
    with path.open("rb") as file:
        while head := file.read(_SIZE_BYTES):
            events = _decoded(file.read(int.from_bytes(head, "little")))
            labels = _decoded(file.read(int.from_bytes(file.read(_SIZE_BYTES), "little")))
            yield SourceBatch("", events, labels, [], 0, None)


def _decoded(payload: bytes) -> EventBatch:
    return codec.decode(payload) if payload else NO_EVENTS


@contextmanager
def _room(parent: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreFullError(
            f"no room left in {parent or tempfile.gettempdir()} to sort the sources by time: make room, or "
            "sort them yourself and say --order arrival"
        ) from error
