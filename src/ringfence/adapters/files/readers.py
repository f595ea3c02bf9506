"""What the readers of all formats share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.events.bad import ORIGINAL_LIMIT, BadRecord, Fault, Reason
from ringfence.events.decoding.binding import Binding, bind
from ringfence.events.ids.row_ids import RowIds
from ringfence.events.values.moments import MomentReader as Times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from numpy.typing import NDArray

    from ringfence.adapters.files.paths import OpenedFile
    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.events.values.vocabulary import Mapping

_FIRST_BLOCK: Final = 256 * 1024
_SMALLEST_BLOCK: Final = 4096
_LARGEST_BLOCK: Final = 16 * 1024 * 1024
_FULL: Final = 0.95  # of a batch: with records a little shorter a whole one would leave a few for a second


@dataclass(frozen=True, slots=True)
class FilePiece:
    """What became of some rows: the mapping leaves `skipped` out on purpose, and `empty` have no value."""

    events: EventBatch
    labels: EventBatch | None
    bad: list[BadRecord]
    skipped: int = 0
    empty: int = 0


class FileReader(ABC):
    """Reads one source. `rows` counts the records, those of earlier sources included."""

    original_format: Literal["json", "csv"] = "json"

    def __init__(
        self,
        mapping: Mapping,
        tokenizer: Tokenizer,
        ingest_time_ms: int,
        batch_rows: int,
        label_delay: str | None,
        rows: int,
    ) -> None:
        self.rows = rows
        self._mapping = mapping
        self._tokenizer = tokenizer
        self._ingest_time_ms = ingest_time_ms
        self._batch_rows = batch_rows
        self._label_delay = label_delay
        self._times = Times(ingest_time_ms, mapping.zone_names)
        self._ids = RowIds(tokenizer.seed("row ids"))

    @abstractmethod
    def pieces(self, source: OpenedFile) -> Iterator[FilePiece]:
        """The source's rows in order."""

    def _bind(self, schema: Any, where: str) -> Binding:
        return bind(
            self._mapping,
            schema,
            where,
            tokenizer=self._tokenizer,
            ingest_time_ms=self._ingest_time_ms,
            label_delay=self._label_delay,
            times=self._times,
        )

    def _row_numbers(self, count: int) -> NDArray[np.int64]:
        return np.arange(self.rows, self.rows + count)

    def _bad(self, source: str, position: int, faults: Sequence[Fault], clean: bytes) -> BadRecord:
        """A bad record; `clean` are its bytes without card numbers."""
        if len(clean) > ORIGINAL_LIMIT:
            said = f"the first {ORIGINAL_LIMIT} of {len(clean)} bytes are kept"
            faults = (*faults, Fault(Reason.TOO_LARGE, "", said))
        kept = clean[:ORIGINAL_LIMIT]
        return BadRecord(source, position, tuple(faults), kept, self.original_format, self._mapping.name)


class TextReader(FileReader):
    """A reader of blocks of about as many bytes as `batch_rows` records take."""

    _record_bytes = 0.0

    def _block_bytes(self) -> int:
        if not self._record_bytes:
            return _FIRST_BLOCK
        wanted = _FULL * self._record_bytes * self._batch_rows
        return int(min(max(wanted, _SMALLEST_BLOCK), _LARGEST_BLOCK))

    def _saw(self, size: int, records: int) -> None:
        self._record_bytes = size / max(records, 1)
