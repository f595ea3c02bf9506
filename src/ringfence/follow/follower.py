"""What a follower is, written for whoever implements one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ringfence.ports import LogBatch


class Follower(Protocol):
    """Makes something of topics of the log: files, rows of a database, messages to be sent.

    The target itself says how far it has come: a take puts records and position there together, so that
    whatever a crash leaves is a target at an earlier position, and what comes next is taken once. The log
    knows only the name. All methods are called by one thread at a time, of one process at a time; each may
    block as long as it likes, and any exception means "try again later": the pump closes the follower, waits
    and goes on from the position that the target then has. Every follower sits
    `ringfence.testing.exams.follower`.
    """

    @property
    def name(self) -> str:
        """By which people know it and the log keeps records for it; never changes."""
        ...

    @property
    def topics(self) -> tuple[str, ...]:
        """What it reads. Each topic comes in order; of two topics none waits for the other."""
        ...

    @property
    def least(self) -> int:
        """Fewer new records of a topic than that stay in the log: at 1, records are taken as they come."""
        ...

    @property
    def most(self) -> int:
        """Records that one take is given, as whole batches up to the one that reaches this number."""
        ...

    def positions(self) -> Mapping[str, int]:
        """The end of what the target holds, by topic, as it is now; a topic without is at the log's start.

        Of a topic that it does not read but looks things up in, what it has no use for any more: `trim` keeps
        the rest.
        Asked before every take, so it should be cheap. Where the target has lost something, a file that
        somebody deleted say, the position is before it: it is made again.
        """
        ...

    def take(self, topic: str, batches: Iterable[LogBatch], /) -> None:
        """Put these into the target, and the position after them, in one transaction.

        They follow on the position, or are the first that the log still has. They are read from the log as
        they are asked for; what is left over comes again. On return all that was taken is there to stay for
        as long as the process may be killed; where the target survives less than the log, a power failure
        say, its position must go back with it.
        """
        ...

    def reset(self) -> None:
        """Empty the target and forget the position: all comes again.

        A crash inside may leave any earlier position, as long as a second call ends it.
        """
        ...

    def close(self) -> None:
        """Release what is held; the next call of any method takes it up again. Closing twice is allowed."""
        ...


@runtime_checkable
class Tending(Protocol):
    """A follower that has to do with something beside the log, too."""

    def tend(self) -> bool:
        """Deal with a portion of it; False where nothing is due.

        Called after each look at the log, so about twice a second while nothing comes.
        """
        ...
