"""The analysis tables of a store, asked in SQL, and what the log says beside payments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ringfence.decisions.decision import Decision
    from ringfence.decisions.index import DecisionQuery


BEHIND: Final = b"behind"
"""In the metadata of an answer's schema where it lacks the newest records: which, and how many."""


class ListAnswers(Protocol):
    """Whatever answers questions about list entries: all tables of a store, or `Annotations`."""

    def sql(self, text: str) -> pa.Table:
        """The answer to one reading statement; `InputError` where there is none."""
        ...


class Statements(Protocol):
    """Statements that anybody may write, bounded in time and memory. Any thread may ask, one at a time."""

    def sql(self, text: str, most: int | None, seconds: float) -> pa.Table:
        """The answer to one reading statement, at most its first `most` rows.

        Where the log has gained more than can be read in time, the answer is that of what has been read,
        and its schema's metadata has `BEHIND`. `InputError` where it cannot be answered, takes longer than
        `seconds`, or too much memory.
        """
        ...

    def close(self) -> None:
        """Release what is held; the next statement takes it up again."""
        ...


class Tables(Protocol):
    """The tables of one store, read-only. Every question first takes in what the log has gained.

    Any thread may ask, one at a time.
    """

    def sql(self, text: str, most: int | None = None, seconds: float | None = None) -> pa.Table:
        """The answer to one reading statement, at most its first `most` rows.

        `InputError` where it cannot be answered, or where that takes longer than `seconds`.
        """
        ...

    def find_transaction(self, transaction_id: str) -> dict[str, Any] | None:
        """The transaction with this id, by field."""
        ...

    def find_decision(self, transaction_id: str) -> Decision | None:
        """The decision on this transaction with all that it knew."""
        ...

    def labels_of(self, transaction_id: str) -> list[dict[str, Any]]:
        """What labels say of this transaction, oldest first: `event_time_ms`, `label`, `label_source`."""
        ...

    def decisions(self, query: DecisionQuery) -> pa.Table:
        """Decisions with amount, currency and main ids of their transactions, newest first."""
        ...

    def close(self) -> None:
        """Release the memory; the store stays open."""
        ...


class Annotations(Protocol):
    """List entries, activations and labels of the log, at hand in memory. Any thread may ask."""

    def step(self, most: int) -> bool:
        """Take in `most` batches of what the log has gained; whether there may be more."""
        ...

    def sql(self, text: str) -> pa.Table:
        """As `Tables.sql`, over list entries and activations alone: the view `events` has no others."""
        ...

    def labels_of(self, transaction_id: str) -> list[dict[str, Any]]:
        """As `Tables.labels_of`."""
        ...

    def labels_of_each(self, transaction_ids: Sequence[str]) -> list[list[dict[str, Any]]]:
        """Likewise of several, in their order."""
        ...

    def fraud(self, keys: NDArray[np.int64]) -> NDArray[np.int8]:
        """What the latest label says of transactions by their keyed hashes: 1 fraud, 0 none, -1 no label."""
        ...

    def close(self) -> None:
        """Release the memory."""
        ...
