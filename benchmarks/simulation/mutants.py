"""Faults planted by hand, one at a time: a simulation that does not find them proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulation import product as made
from benchmarks.simulation.disk import DiskJournal
from benchmarks.simulation.product import CopyFollower, Product, Step
from ringfence.events.ids.seen import SeenIds
from ringfence.testing.memory.snapshots import MemorySnapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

from contextlib import contextmanager


@contextmanager
def _instead(owner: Any, **fields: Any) -> Iterator[None]:
    before = {name: getattr(owner, name) for name in fields}
    for name, value in fields.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


def skip_a_sync() -> AbstractContextManager[None]:
    """A commit returns while it may still be lost."""
    return _instead(DiskJournal, sync=lambda _journal: None)


def answer_before_the_commit() -> AbstractContextManager[None]:
    """Callers hear of a decision that is not durable."""

    def commit(self: Product) -> None:
        if self._steps:
            step = self._steps.pop(0)
            writing = self.runner.encode([step.work])
            _answer_early(self, step)
            self.runner.write(writing)

    return _instead(Product, commit=commit)


def _answer_early(self: Product, step: Step) -> None:
    decisions = step.work.step.decisions
    rows = decisions.table.to_pylist() if decisions is not None else []
    found = {row["offset"]: made.without_clock(row) for row in rows}
    offsets = step.work.admitted.offsets[step.work.admitted.own].tolist()
    for request, offset in zip(step.requests, offsets, strict=True):
        if offset in found or "kind" in request.row:
            self._answer(request, found.get(offset, {"offset": offset}))


def forget_a_position() -> AbstractContextManager[None]:
    """A follower's records and its position are two transactions."""

    def put(self: CopyFollower, topic: str, records: list[tuple[str, int]]) -> None:
        self._copy.records += records
        self._point("between two transactions")
        self._copy.positions[topic] = records[-1][1] + 1

    return _instead(CopyFollower, put=put)


def swap_two_commits() -> AbstractContextManager[None]:
    """The disk has a commit before the one that came first."""
    right = DiskJournal.sync

    def sync(self: DiskJournal) -> None:
        commits = self.disk.commits
        if len(commits) > 4:
            commits[-1], commits[-2] = commits[-2], commits[-1]
        right(self)

    return _instead(DiskJournal, sync=sync)


def forget_which_ids_came() -> AbstractContextManager[None]:
    """A restart does not know the ids of the log."""
    right = Product.__init__

    def start(self: Product, *given: Any) -> None:
        right(self, *given)
        self.runner.intake.seen = SeenIds()

    return _instead(Product, __init__=start)


def note_before_sending() -> AbstractContextManager[None]:
    """A message counts as delivered before it is on its way."""

    def deliver(self: Product) -> None:
        bus, receiver = self._outbox.bus, self._courier._notifiers["slack"]  # noqa: SLF001
        for letter in reversed(bus.letters(state="waiting")):
            with bus.database.transaction() as connection:
                connection.execute("UPDATE message SET state = 'delivered' WHERE id = ?", (letter.id,))
            self._point("between the note and the message")
            receiver.deliver(made.Message(letter.id, letter.event, None, "", ()))

    return _instead(Product, deliver=deliver)


def send_in_any_order() -> AbstractContextManager[None]:
    """The order of a key's messages is not kept."""
    from msgspec.structs import replace  # noqa: PLC0415 (one use)

    return _instead(made, SUBSCRIPTION=replace(made.SUBSCRIPTION, ordered=False))


def skip_what_is_sealed() -> AbstractContextManager[None]:
    """The audit follower takes the last batch of a portion alone."""
    right = made.SealFollower.take

    def take(self: Any, topic: str, batches: Any) -> None:
        right(self, topic, list(batches)[-1:])

    return _instead(made.SealFollower, take=take)


def trust_a_flipped_snapshot() -> AbstractContextManager[None]:
    """A damaged snapshot is loaded as it stands."""

    def load_latest(self: MemorySnapshots) -> Any:
        for offset in self.offsets():
            saved = self._shelf.kept[offset]
            if offset in self._shelf.damaged:
                for name, array in saved.arrays.items():
                    if name.endswith("counters") and array.dtype == np.int64:
                        array[:] = 0
            return saved, []
        return None, []

    return _instead(MemorySnapshots, load_latest=load_latest)


MUTANTS: tuple[Callable[[], AbstractContextManager[None]], ...] = (
    skip_a_sync,
    answer_before_the_commit,
    forget_a_position,
    swap_two_commits,
    forget_which_ids_came,
    note_before_sending,
    send_in_any_order,
    skip_what_is_sealed,
    trust_a_flipped_snapshot,
)
