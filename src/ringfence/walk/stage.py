"""What a stage is: something that the log teaches, carried along it and asked about payments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec


class Stage(ABC):
    """State that is a deterministic function of the events so far, in log order, however they were batched.

    `Walk` calls the verbs in this order, on the deciding thread alone but for `prepare`:

    1. `measure` once a batch, before any payment of it is judged;
    2. `hear` for one run of events after the other, payments once they have been judged.

    Attributes:
        name: prefix of its arrays in snapshots, so never changed.
        verb: under which its time is counted.
        names: of the numbers that it gives per payment, as rules, models and stored decisions know them; only
            those that the specification names.
    """

    name: ClassVar[str]
    verb: ClassVar[str]
    names: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def fresh(cls, spec: FeatureSpec, seed: int) -> Self:
        """The stage at the beginning of a log; `seed` keys the hashes of its ids."""

    def prepare(self, events: EventBatch) -> None:  # noqa: B027 (most have nothing to prepare)
        """Work out beforehand what needs no state, such as hashes; on any thread."""

    def measure(self, events: EventBatch) -> NDArray[np.float64]:
        """Move along transactions and labels; what was known at each payment, float64 (names, payments).

        NaN for null. Profiles, list entries and flags must make no difference here: a rule may put a list
        entry between two payments that have been measured together. They are for `hear`.
        """
        return np.empty((0, int(np.count_nonzero(events.is_transaction))))

    def hear(
        self,
        events: EventBatch,  # noqa: ARG002 (a stage that says nothing here has measured all it wants)
        offset: int,  # noqa: ARG002
        *,
        control: bool,  # noqa: ARG002
    ) -> pa.RecordBatch | None:
        """Move along a run of events; row i has the log offset `offset + i`.

        `control` runs hold nothing but profiles, list entries and flags, others none of them. What they turn
        out to mean for earlier payments (`FLAG_MATCH_SCHEMA`), None for nothing.
        """
        return None

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Views of the whole state, for a snapshot; they change with the next event."""

    @classmethod
    @abstractmethod
    def restored(cls, spec: FeatureSpec, seed: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The stage whose `arrays` these were; `KeyError` or `ValueError` where they are not."""
