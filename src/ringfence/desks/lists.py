"""Who joins and leaves a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ringfence.rulebook.entries import MOST_ROWS, ListResult, RowFault, read_csv, to_events
from ringfence.rulebook.named_countries import named_on_a_list
from ringfence.scoring.rulesets.actions import ListKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.rulebook.desk import Who
    from ringfence.rulebook.entries import Entry

MOST_AT_ONCE: Final = 200_000
"""Rows of one file where payments are decided meanwhile: they wait until all of it has taken effect."""


@dataclass(frozen=True, slots=True)
class ListDesk:
    """The lists of one store. `put` appends changes to the log, all of them or none, durable on return.

    What is asked for at once takes effect at once: no payment is decided on half of a file. So a file has
    `most` rows.
    """

    tokenizer: Tokenizer
    put: Callable[[EventBatch], object]
    most: int = MOST_ROWS

    def add(self, name: str, kind: ListKind, entries: Sequence[Entry], who: Who) -> ListResult:
        """Put these on a list; `InputError` where it cannot have this name."""
        return self._change(name, kind, entries, who)

    def remove(self, name: str, entries: Sequence[Entry], who: Who) -> ListResult:
        """Take these off a list."""
        return self._change(name, ListKind.WATCH, entries, who, removed=True)

    def import_csv(self, name: str, kind: ListKind, text: str, who: Who) -> ListResult:
        """Put all rows of a CSV text on a list; a bad row is refused with its line and harms no other.

        `InputError` where the text as a whole is none, or has too many rows.
        """
        entries, lines, refused = read_csv(text.replace("\r\n", "\n"), most=self.most)
        return self._change(name, kind, entries, who, lines=lines, refused=refused)

    def _change(
        self,
        name: str,
        kind: ListKind,
        entries: Sequence[Entry],
        who: Who,
        *,
        removed: bool = False,
        lines: Sequence[int] | None = None,
        refused: Sequence[RowFault] = (),
    ) -> ListResult:
        events, wrong = to_events(
            entries,
            name,
            kind,
            author=who.name,
            now_ms=who.now_ms,
            tokenizer=self.tokenizer,
            removed=removed,
            lines=lines,
        )
        if len(events):
            self.put(events)
        faults = sorted([*refused, *wrong], key=lambda fault: fault.line)
        asked = [] if removed else [(entry.entity_type, entry.entity_id.strip()) for entry in entries]
        return ListResult(len(entries) - len(wrong), faults, named_on_a_list(asked))
