"""NDJSON files: the canonical event, or a source's own names through a mapping."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.adapters.files.blocks import Block, line_blocks
from ringfence.adapters.files.json_rows import parse_lines, to_table
from ringfence.adapters.files.readers import Piece, TextReader
from ringfence.errors import InputError
from ringfence.events.bad import Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.binding import absent_columns, in_row_order
from ringfence.events.decode import NO_EVENTS
from ringfence.events.decode_block import BlockDecoder, line_ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.adapters.files.paths import Opened

_CANONICAL: Final = "canonical"


class JsonReader(TextReader):
    """One JSON object a line."""

    _line = 0  # of this source
    _some_fit = False

    def pieces(self, source: Opened) -> Iterator[Piece]:
        for block in line_blocks(source.chunks(), self._block_bytes):
            if block.fault is not None:
                yield self._cut_off(source.path, block)
                continue
            if not self._line and block.data.lstrip()[:1] == b"[":
                raise InputError(
                    f"{source.path} is one JSON array: write one object a line (jq -c '.[]' does)"
                )
            ends = line_ends(block.data)
            self._saw(len(block.data), len(ends))
            for first in range(0, len(ends), self._batch_rows):
                rows = ends[first : first + self._batch_rows]
                part = block.data[ends[first - 1] + 1 if first else 0 : rows[-1]]
                yield (
                    self._canonical(source.path, part)
                    if self._is_canonical
                    else self._mapped(source.path, part.split(b"\n"))
                )
                self._line += len(rows)
                self.rows += len(rows)
        if not self._line:
            raise InputError(f"{source.path} is empty: it has no records")

    @property
    def _is_canonical(self) -> bool:
        return self._mapping.name == _CANONICAL

    def _cut_off(self, path: str, block: Block) -> Piece:
        assert block.fault is not None
        self._line += 1
        self.rows += 1
        return Piece(NO_EVENTS, None, [self._refused(path, self._line, (block.fault,), block.data)])

    @cached_property
    def _decoder(self) -> BlockDecoder:
        return BlockDecoder(self._tokenizer)

    def _canonical(self, path: str, lines: bytes) -> Piece:
        events, bad = self._decoder.decode(lines, self._ingest_time_ms, path, self._line + 1)
        return Piece(events, None, bad)  # its labels stand where they became known

    def _mapped(self, path: str, lines: Sequence[bytes]) -> Piece:
        objects, faults = parse_lines(lines)
        numbers = self._row_numbers(len(lines))
        parts: list[tuple[EventBatch, Any]] = []
        labels: list[EventBatch] = []
        for fitting, rows in self._by_shape(objects).items():
            part = [item for row in rows if (item := objects[row]) is not None]
            names = dict.fromkeys(name for item in part for name in item)
            if not fitting:
                self._nothing_fits(path, part, names)
                faults |= dict.fromkeys(rows, (self._lacks(names),))
                continue
            self._some_fit = True
            for at in (
                fitting
            ):  # a field that no object of the batch has is missing in each of them, no wrong mapping
                names |= dict.fromkeys(absent_columns(self._mapping.records[at], list(names)))
            table = to_table(part, names)
            mapped = self._bind(table.schema, path).apply(table, numbers[rows])
            places = np.asarray(rows)
            parts.append((mapped.events, places[mapped.rows]))
            labels += [mapped.labels] if mapped.labels else []
            faults |= {rows[at]: found for at, found in mapped.faults.items()}
        bad = [self._refused(path, self._line + row + 1, faults[row], lines[row]) for row in sorted(faults)]
        events = in_row_order(parts)[0] if parts else NO_EVENTS
        return Piece(events, EventBatch.concat(labels) if labels else None, bad)

    def _by_shape(self, objects: Sequence[dict[str, Any] | None]) -> dict[tuple[int, ...], list[int]]:
        """Rows by which of the mapping's records they are."""
        known: dict[tuple[str, ...], tuple[int, ...]] = {}
        groups: dict[tuple[int, ...], list[int]] = {}
        for row, item in enumerate(objects):
            if item is None:
                continue
            keys = tuple(item)
            if keys not in known:
                records = enumerate(self._mapping.records)
                known[keys] = tuple(at for at, record in records if record.fits(keys))
            groups.setdefault(known[keys], []).append(row)
        return groups

    def _nothing_fits(self, path: str, part: Sequence[dict[str, Any]], names: dict[str, None]) -> None:
        """At the beginning of a source that is the wrong mapping; later, bad records."""
        if not self._some_fit and not self._line:
            self._bind(to_table(part[:1], names).schema, path)  # says what is missing

    def _lacks(self, names: dict[str, None]) -> Fault:
        wanted = next(
            (name for record in self._mapping.records for name in record.when if name not in names), "kind"
        )
        return Fault(
            Reason.MISSING_FIELD, wanted, f"is missing: the record is none of mapping {self._mapping.name}"
        )

    def _refused(self, path: str, position: int, faults: Sequence[Fault], line: bytes) -> Any:
        return self._bad(
            path, position, faults, self._tokenizer.sanitize_json(line, self._mapping.card_columns)
        )
