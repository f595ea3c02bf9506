"""A reading of files that goes on where an earlier one of the same files was interrupted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.files.paths import STDIN, resolve
from ringfence.errors import InputError
from ringfence.events.decode import NO_EVENTS
from ringfence.ports import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ringfence.adapters.files.reading import SourceBatch

_PART: Final = "batches"


class Mark(msgspec.Struct, frozen=True):
    """How far a reading has got.

    `batches` have been committed with `rows` events and bad records. All rows count as received at
    `ingest_time_ms`: what lay in the future of the first attempt is refused by the second one as well, or
    each batch behind it would hold other rows.
    """

    batches: int
    rows: int
    ingest_time_ms: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of some files, by its `source` name, from its `mark` on."""

    source: str
    mark: Mark

    def resumed(self, batches: Iterator[SourceBatch]) -> Iterator[SourceBatch]:
        """The batches, each with where the reading goes on after it; those of before lose their rows.

        Labels that become known later stay: what has entered the log already is passed over there.
        """
        number, rows = 0, 0
        for batch in batches:
            number += 1
            rows += len(batch.events) + len(batch.bad)
            if number <= self.mark.batches:
                yield replace(batch, events=NO_EVENTS, bad=[], skipped=0)
                continue
            mark = Mark(number, rows, self.mark.ingest_time_ms)
            position = Position(self.source, _PART, msgspec.json.encode(mark).decode())
            yield replace(batch, positions=(position,))

    @property
    def ended(self) -> Position:
        """A reading that came to its end begins anew next time."""
        return Position(self.source, _PART, None)


def reading_of(
    sources: Sequence[str],
    options: Sequence[Any],
    positions: Callable[[str], dict[str, str]],
    now_ms: int,
) -> Reading | None:
    """The reading of these files as they are now; None where one can be read once only.

    `options` are all else that decides which rows a batch has; `positions` as of `Journal.positions`.
    """
    files: list[Any] = []
    for source in sources:
        try:
            found = resolve([source])
        except InputError:
            found = []  # told when it is read
        for name in found:
            path = Path(name)
            if name == STDIN or not path.is_file():
                return None
            stat = path.stat()
            files.append((str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino))
    described = msgspec.json.encode([files, options], order="deterministic")
    source = f"files:{hashlib.sha256(described).hexdigest()[:32]}"
    kept = positions(source).get(_PART)
    return Reading(source, Mark(0, 0, now_ms) if kept is None else msgspec.json.decode(kept, type=Mark))
