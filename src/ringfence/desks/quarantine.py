"""Bad records tried again, after what was wrong with them has been put right."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ringfence.errors import InputError
from ringfence.ports import Replayed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch
    from ringfence.ports import QuarantinedRecord

_TOGETHER: Final = 64  # marks of one commit


class ReadAgain(Protocol):
    """What a record's original holds, read once more."""

    @property
    def events(self) -> EventBatch: ...

    @property
    def labels(self) -> EventBatch | None: ...

    @property
    def bad(self) -> Sequence[BadRecord]: ...


@dataclass(frozen=True, slots=True)
class ReplayDesk:
    """The quarantine of one store.

    Attributes:
        read: reads a record again; `InputError` where its mapping does not fit it or is not known.
        decide: takes its events and labels as any others; `accepted`, `duplicate`, or why not.
        mark: keeps what became of records, durably.
    """

    read: Callable[[QuarantinedRecord], ReadAgain]
    decide: Callable[[EventBatch, EventBatch | None], str]
    mark: Callable[[Sequence[Replayed]], None]

    def replay(
        self,
        records: Sequence[QuarantinedRecord],
        told: Callable[[QuarantinedRecord, InputError], None] = lambda _record, _error: None,
    ) -> Counter[str]:
        """Try these again, in order; how often each outcome came out.

        `told` hears why a record could not even be read: its reason stays. What is stopped half-way may be
        repeated: what was decided is then a duplicate.
        """
        outcomes: Counter[str] = Counter()
        for begin in range(0, len(records), _TOGETHER):
            group = records[begin : begin + _TOGETHER]
            found = [self._try(record, told) for record in group]
            outcomes.update(found)
            self.mark([Replayed(one.id, outcome) for one, outcome in zip(group, found, strict=True)])
        return outcomes

    def _try(self, record: QuarantinedRecord, told: Callable[[QuarantinedRecord, InputError], None]) -> str:
        try:
            piece = self.read(record)
        except InputError as error:
            told(record, error)
            return record.reason
        return piece.bad[0].reason.value if piece.bad else self.decide(piece.events, piece.labels)
