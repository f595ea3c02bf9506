"""What profiles, list entries, flags, labels and activations speak of, and of which the log speaks again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from ringfence.events import codec
from ringfence.events.activation import places
from ringfence.events.model import Kind
from ringfence.events.origin import EventOrigin, origin_of
from ringfence.ports import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.events.activation import Part
    from ringfence.events.batch import EventBatch
    from ringfence.ports import EventLog

Subject: TypeAlias = tuple[str | int | None, ...]
"""A list's entry, a profile's attribute, a flag from one time on, a source's label, a part that decides."""

_NEVER: Final = -1
_COLUMNS: Final = (
    "entity_type",
    "entity_id",
    "list_name",
    "list_kind",
    "effective_at_ms",
    "removed",
    "transaction_id",
    "label_source",
)


class ReferenceStatement(NamedTuple):
    """What one event says.

    Attributes:
        row: of the event in its batch.
        subjects: what it speaks of.
        whole: what takes back all of these at once, where something does.
    """

    row: int
    subjects: tuple[Subject, ...]
    whole: Subject | None = None


def statements(events: EventBatch) -> Iterator[ReferenceStatement]:
    """Those of the profiles, list entries, flags and labels of a batch, in order.

    A label from elsewhere takes back what any source has said of its payment here, as the latest one counts.

    >>> from ringfence.events.decoding.decode import JsonDecoder
    >>> from ringfence.events.privacy.tokens import Tokenizer
    >>> line = b'''{"kind": "list_entry", "event_time": 1600000000000, "list_name": "stolen",
    ... "list_kind": "block", "entity_type": "device", "entity_id": "d-5"}'''
    >>> next(statements(JsonDecoder(Tokenizer(bytes(16))).decode_one(line, 1600000000000))).subjects
    (('list', 'stolen', 'device', 'd-5'),)
    """
    if events.only_payments:
        return
    rows = np.flatnonzero(events.is_control | (events.kind == Kind.LABEL)).tolist()
    said = events.take(np.array(rows, np.int64))
    columns = [said.column(name).to_pylist() for name in _COLUMNS]
    is_ours = origin_of(events) in (EventOrigin.HERE, None)
    for at, told in enumerate(zip(rows, *columns, strict=True)):
        row, *of, listed, sort, effective, removed, payment, source = told
        kind = int(said.kind[at])
        if kind == Kind.LABEL:
            mine, whole = ("label", payment, source), ("label", payment)
            yield (
                ReferenceStatement(row, (mine,), whole) if is_ours else ReferenceStatement(row, (mine, whole))
            )
        elif kind == Kind.LIST_ENTRY:
            yield ReferenceStatement(row, (("list", listed or sort, *of),))
        elif kind == Kind.PROFILE:
            yield ReferenceStatement(row, tuple(("profile", *of, name) for name in said.attributes_of(at)))
        elif effective is None and removed:
            yield ReferenceStatement(row, (("flag", *of),))
        else:
            since = int(said.event_time_ms[at]) if effective is None else effective
            yield ReferenceStatement(row, (("flag", *of, since),), ("flag", *of))


def part_subject(part: Part) -> Subject:
    """That of the versions of a part."""
    return ("activation", str(part))


class LaterStatements:
    """Where a log last speaks of each subject, as far as it has been looked at."""

    def __init__(self, log: EventLog, only: EventOrigin | None = None) -> None:
        """`only` says of what origin the statements are that count; without it all do."""
        self._log = log
        self._only = only
        self._newest: dict[Subject, int] = {}
        self._looked = 0
        self.since = 0  # what the log says before this offset is forgotten

    def look(self, begin: int) -> None:
        """Look at what is behind an offset up to the end of the log."""
        begin = max(begin, self._looked, self._log.start_offset(EVENTS))
        end = self._log.end_offset(EVENTS)
        for batch in self._log.read(EVENTS, begin, end) if begin < end else ():
            self.add(codec.decode(batch.payload), batch.base_offset)
            self._looked = batch.next_offset

    def add(self, events: EventBatch, base: int) -> None:
        """A batch of the log that begins at `base`."""
        if events.only_payments or (self._only is not None and origin_of(events) is not self._only):
            return
        for row, part, _ in places(events):
            self._add(part_subject(part), base + row)
        for one in statements(events):
            for subject in one.subjects:
                self._add(subject, base + one.row)

    def _add(self, subject: Subject, at: int) -> None:
        self._newest[subject] = max(self._newest.get(subject, _NEVER), at)

    def of(self, subject: Subject, whole: Subject | None = None) -> int:
        """Offset at which the log last speaks of a subject, or of all that takes it back; -1 for nowhere."""
        return max(self._newest.get(subject, _NEVER), self._newest.get(whole, _NEVER) if whole else _NEVER)

    def forget(self, before: int) -> None:
        """What the log says before an offset is of no use any more."""
        self._newest = {subject: at for subject, at in self._newest.items() if at >= before}
        self.since = before
