"""Lists, flags, profiles and labels of other servers, taken over by a store that follows a control topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa

from ringfence.compose.deciding.followed_versions import LONGEST_NAME, cleaned
from ringfence.errors import RuleError
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import NO_EVENTS, JsonDecoder
from ringfence.events.model import AUTHOR, LIST_SOURCE, Kind
from ringfence.events.origin import EventOrigin
from ringfence.intake import identity_hashes
from ringfence.ports import EVENTS
from ringfence.rulebook.statements import LaterStatements, statements
from ringfence.sharded.references import keys_of, reference_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.compose.deciding.session import Session
    from ringfence.events.bad import BadRecord
    from ringfence.rulebook.statements import ReferenceStatement, Subject
    from ringfence.sharded.changes import ControlRecord
    from ringfence.sharded.references import ReferenceRecord


_MOST_GIVEN: Final = 10_000  # subjects of which is remembered that they are on their way to the log


class TakenOver(NamedTuple):
    """Events of some records in order, and what is wrong with others, by their places among them."""

    events: EventBatch
    faults: dict[int, str]


class FollowedReferences:
    """Gives the events for the log of a store. One thread at a time.

    What this store published itself comes back, and is passed over: unless something from an earlier place
    of the topic has come into the log behind it. Then it is taken again, so that all who read the topic end
    with its last record.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._keys = keys_of(session.tokenizer)
        self._decoder = JsonDecoder(session.tokenizer)
        self.forget()

    def forget(self) -> None:
        """What was handed over and is not in the log is read again."""
        self._behind = LaterStatements(self._session.store.log, EventOrigin.CONTROL)
        self._given: dict[Subject, int] = {}  # handed over; where the log ended then

    def take(self, records: Sequence[ControlRecord]) -> TakenOver:
        """The events of some records, in their order."""
        faults: dict[int, str] = {}
        told: dict[int, ReferenceRecord] = {}
        for number, record in enumerate(records):
            try:
                told[number] = reference_in(record.value, self._keys)
            except RuleError as error:
                faults[number] = str(error)
        numbers, lines = list(told), [bytes(one.event) for one in told.values()]
        events, bad = self._decoder.decode_lines(lines, self._session.clock.now_ms(), "control")
        refused = {numbers[one.position - 1]: one for one in bad}
        faults |= {number: _said(one) for number, one in refused.items()}
        numbers = [number for number in numbers if number not in refused]
        ids = self._new_ids(events, [records[number] for number in numbers])
        rows = [row for row, event_id in enumerate(ids) if event_id is not None]
        if not rows:
            return TakenOver(NO_EVENTS, faults)
        made = _signed(events.take(np.array(rows)), [self._signature(told[numbers[row]]) for row in rows])
        return TakenOver(_with_ids(made, [str(ids[row]) for row in rows]), faults)

    def _new_ids(self, events: EventBatch, records: Sequence[ControlRecord]) -> list[str | None]:
        """By which ids the log takes events over; None for those that it has, and that stand there."""
        ids: list[str | None] = events.column("event_id").to_pylist()
        hashes = identity_hashes(events, self._session.store.meta.hash_seed).tolist()
        own = [
            record.log == self._session.store.log.identity and self._has(id_hash, record.offset)
            for record, id_hash in zip(records, hashes, strict=True)
        ]
        first = min((record.offset for record, mine in zip(records, own, strict=True) if mine), default=None)
        if first is not None or len(self._given) > _MOST_GIVEN:
            self._look(first)
        end = self._session.store.log.end_offset(EVENTS)
        for one in statements(events):
            record = records[one.row]
            if own[one.row] and not self._is_overruled(one, record.offset):
                ids[one.row] = None
                continue
            if own[one.row]:
                ids[one.row] = f"{ids[one.row]}@{record.place}"
            self._given.update(dict.fromkeys(one.subjects, end))
        return ids

    def _has(self, id_hash: int, offset: int) -> bool:
        """Whether the log has an event there: whoever writes to the topic can claim so, or it is restored."""
        return offset in self._session.runner.intake.seen.offsets_of(id_hash)

    def _look(self, first: int | None) -> None:
        """See what has come into the log, for own records from offset `first` on."""
        begin = min([*self._given.values(), *([] if first is None else [first])])
        self._behind.look(begin)
        self._given = {subject: end for subject, end in self._given.items() if self._behind.of(subject) < end}
        self._behind.forget(begin)

    def _is_overruled(self, one: ReferenceStatement, offset: int) -> bool:
        """Whether something else that was taken over comes into the log behind what was made at `offset`."""
        return any(
            self._behind.of(subject, one.whole) > offset or subject in self._given
            for subject in (*one.subjects, *([one.whole] if one.whole else []))
        )

    def _signature(self, told: ReferenceRecord) -> tuple[str, str]:
        """Author and source of an entry, as its sender claims."""
        clean = self._session.tokenizer.clean
        return cleaned(told.author, LONGEST_NAME, clean), cleaned(told.source, LONGEST_NAME, clean)


def _signed(events: EventBatch, signatures: Sequence[tuple[str, str]]) -> EventBatch:
    """The events; entries of lists say who made them."""
    listed = events.kind == Kind.LIST_ENTRY
    if not listed.any():
        return events
    rows, others = np.flatnonzero(listed), np.flatnonzero(~listed)
    entries = events.take(rows).table
    for at, name in enumerate((AUTHOR, LIST_SOURCE)):
        said = [signatures[row][at] or None for row in rows.tolist()]
        entries = entries.append_column(name, pa.array(said, pa.string()))
    parts = [EventBatch(entries), *([events.take(others)] if len(others) else [])]
    return EventBatch.concat(parts).take(np.argsort(np.concatenate([rows, others])))


def _with_ids(events: EventBatch, ids: list[str]) -> EventBatch:
    at = events.table.schema.get_field_index("event_id")
    return EventBatch(events.table.set_column(at, "event_id", pa.array(ids, pa.string())))


def _said(bad: BadRecord) -> str:
    return "; ".join(f"{fault.field}: {fault.problem}" for fault in bad.faults)
