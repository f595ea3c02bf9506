"""Which followers are declared, what people want of each, and what each said last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ringfence.follow.follower import Follower
    from ringfence.ports import EventLog


@dataclass(frozen=True, slots=True)
class DeclaredFollower:
    """One declared follower.

    Attributes:
        least: as of `Follower.least`.
        positions: by topic, as it last said.
        paused: somebody wants it to stand still.
        rebuild: somebody wants its target made again, which has not begun yet.
        failures: attempts that failed, ever; `failing` is how many of them were the latest ones.
        problem: why the latest attempt failed, empty where it did not.
        heard_ms: when it last said something, 0 for never.
    """

    name: str
    least: int = 1
    positions: Mapping[str, int] = field(default_factory=dict)
    paused: bool = False
    rebuild: bool = False
    failures: int = 0
    failing: int = 0
    problem: str = ""
    heard_ms: int = 0


class Roll(Protocol):
    """The declared followers, shared by processes: people's wishes on one side, reports on the other.

    Everything but reports is on stable storage on return. Any thread may ask.
    """

    def declare(self, name: str, topics: Iterable[str], least: int) -> None:
        """There is such a follower; what is known of it stays."""
        ...

    def entries(self) -> Sequence[DeclaredFollower]:
        """All that are declared, by name."""
        ...

    def entry(self, name: str) -> DeclaredFollower:
        """One of them; `InputError` with those that there are, where it is not declared."""
        ...

    def pause(self, name: str) -> None:
        """It shall stand still once it has finished what it is at; `InputError` as of `entry`."""
        ...

    def resume(self, name: str) -> None:
        """It shall go on; `InputError` likewise."""
        ...

    def rebuild(self, name: str) -> None:
        """Its target shall be emptied and made again; `InputError` likewise."""
        ...

    def rebuilt(self, name: str) -> None:
        """The target has been emptied: it has read nothing."""
        ...

    def forget(self, name: str) -> None:
        """There is no such follower any more; `InputError` as of `entry`."""
        ...

    def report(self, name: str, positions: Mapping[str, int], now_ms: int) -> None:
        """It works, and has come so far."""
        ...

    def report_failure(self, name: str, problem: str, now_ms: int) -> None:
        """An attempt failed."""
        ...

    def restored(self, ends: Mapping[str, int]) -> None:
        """The log was restored to these ends: what goes on behind them is another history."""
        ...

    def unproven(self, name: str) -> Mapping[str, int] | None:
        """Those ends for a follower that may have read beyond them; None where there is nothing to prove."""
        ...

    def prove(self, name: str) -> None:
        """A follower has read nothing but what is in the log; it may go beyond the ends from now on."""
        ...

    def close(self) -> None:
        """Release it. Closing twice is allowed."""
        ...


def declare(log: EventLog, roll: Roll, followers: Iterable[Follower]) -> None:
    """Enter followers in the roll, and among the log's readers: `trim` keeps what they have not read.

    Call before the first of them runs. Writes to the log only what is not there yet.
    """
    known = {(reader, topic) for reader, topic, _ in log.readers()}
    for follower in followers:
        roll.declare(follower.name, follower.topics, follower.least)
        for topic in follower.topics:
            if (follower.name, topic) not in known:
                log.commit_reader(follower.name, topic, log.start_offset(topic))
