"""States saved beside the log: which one a start goes on from, when the next one is due, and what went wrong.

The log is the truth. A state that cannot be saved, or that cannot be used, costs a longer start and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ringfence.errors import StoreError
from ringfence.events.ids.hashing import mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ringfence.ports import Clock, SavedState, SnapshotStore

_AGAIN_MS: Final = 60_000  # after one that failed


@dataclass(frozen=True, slots=True)
class Snapshotting:
    """When states are saved: after so many events, or so long after the last one if there were any."""

    every_events: int = 1_000_000
    every_ms: int = 300_000


SNAPSHOTTING: Final = Snapshotting()
"""Unless said otherwise."""

State: TypeAlias = "Callable[[], tuple[Mapping[str, NDArray[Any]], dict[str, Any]]]"
"""Gives the arrays of a state as it is now, and what is kept beside them."""


class Saving:
    """The saved states of one runner.

    Attributes:
        offset: of the newest state that is known to be saved, and `at_ms` when it was begun.
        problem: why the latest attempt failed, None where it did not.
        heard: told of a problem when it is new.
    """

    def __init__(
        self,
        snapshots: SnapshotStore | None,
        clock: Clock,
        when: Snapshotting = SNAPSHOTTING,
        seed: int = 0,
    ) -> None:
        """`seed` is the log's: it tells its states from those of another."""
        self.offset = 0
        self.at_ms = clock.now_ms()
        self.problem: StoreError | None = None
        self.heard: Callable[[StoreError], None] = lambda _problem: None
        self._snapshots = snapshots
        self._clock = clock
        self._when = when
        self._mark = mark_of(seed)
        self._begun: tuple[int, int] | None = None  # offset and time of the one under way
        self._not_before_ms = 0

    def header(self, **more: Any) -> dict[str, Any]:
        """What is saved beside the arrays."""
        return {"log": self._mark, **more}

    def usable(
        self, begin: int, end: int, spec: str, restore: Callable[[SavedState], None]
    ) -> tuple[int | None, list[str]]:
        """Go back to the newest state that fits a log from `begin` to `end` and a specification.

        Its offset, None where there is none, and what is wrong with those that cannot be used; these are put
        aside, so that they count no longer among the newest.
        """
        if self._snapshots is None:
            return None, []
        warnings: list[str] = []
        try:
            self._snapshots.discard_beyond(end)
            while True:
                saved, damaged = self._snapshots.load_latest()
                for offset in self._snapshots.offsets():
                    if saved is None or offset > saved.offset:
                        self._snapshots.set_aside(offset)
                warnings += damaged
                if saved is None or (why := self._try(saved, begin, spec, restore)) is None:
                    return None, warnings
                if not why:
                    self.offset = saved.offset
                    return saved.offset, warnings
                warnings.append(f"snapshot at offset {saved.offset:,}: {why}")
                self._snapshots.set_aside(saved.offset)
                if saved.offset in self._snapshots.offsets():  # it cannot be put aside
                    return None, warnings
        except StoreError as error:
            return None, [*warnings, str(error)]

    def _try(
        self, saved: SavedState, begin: int, spec: str, restore: Callable[[SavedState], None]
    ) -> str | None:
        """Empty once restored, None where it is sound but of other features, else why it is of no use."""
        if saved.header.get("log", self._mark) != self._mark:
            return "it belongs to another store"
        if saved.header.get("spec") != spec or saved.offset < begin:
            return None
        try:
            restore(saved)
        except (KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
            return f"this version cannot read it ({error!r})"
        return ""

    def maybe(self, offset: int, state: State) -> None:
        """Begin to save the state at an offset in the background, if one is due; `state` gives it."""
        if self._snapshots is None:
            return
        ended = self._snapshots.poll()
        now_ms = self._clock.now_ms()
        if ended is not None and self._begun is not None:
            if ended.problem is None:
                self.offset, self.at_ms = self._begun
            self._ended(ended.problem, now_ms)
        fresh = offset - self.offset
        due = fresh >= self._when.every_events or (fresh and now_ms - self.at_ms >= self._when.every_ms)
        if not due or self._begun is not None or now_ms < self._not_before_ms:
            return
        try:
            if self._snapshots.save_in_background(*state(), offset):
                self._begun = (offset, now_ms)
        except StoreError as error:
            self._ended(error, now_ms)

    def close(self, offset: int, state: State) -> None:
        """Save the state at the end, if anything is new; where that fails, `problem` says so."""
        if self._snapshots is None or offset <= self.offset:
            return
        try:
            self._snapshots.wait()
            self._snapshots.save(*state(), offset)
        except StoreError as error:
            self._ended(error, self._clock.now_ms())
        else:
            self._ended(None, 0)
            self.offset = offset

    def _ended(self, problem: StoreError | None, now_ms: int) -> None:
        self._begun = None
        is_new = problem is not None and str(problem) != str(self.problem)
        self.problem = problem
        if problem is not None:
            self._not_before_ms = now_ms + _AGAIN_MS
            if is_new:
                self.heard(problem)
