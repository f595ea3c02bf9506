"""NDJSON files: the canonical event, or a source's own names through a mapping."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ringfence.adapters.files.blocks import Block, line_blocks
from ringfence.adapters.files.json_rows import narrow, of_one_type, records_in, to_table
from ringfence.adapters.files.json_stream import json_lines
from ringfence.adapters.files.readers import FilePiece, TextReader
from ringfence.errors import InputError
from ringfence.events.bad import Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.binding import absent_columns, in_row_order, makes_ids
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.events.decoding.decode_block import BlockDecoder, line_ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.adapters.files.paths import OpenedFile

_CANONICAL: Final = "canonical"


class JsonReader(TextReader):
    """One JSON object a line, or objects arranged in any other way, each of which counts as a line."""

    _line = 0  # of this source
    _some_fit = False

    def pieces(self, source: OpenedFile) -> Iterator[FilePiece]:
        lines = json_lines(source, self._mapping.file.encoding)
        for block in line_blocks(lines, self._block_bytes):
            if block.fault is not None:
                yield self._cut_off(source.path, block)
                continue
            if block.data.isspace():
                self._line += block.data.count(b"\n")
                self.rows += block.data.count(b"\n")
                continue
            ends = line_ends(block.data)
            self._saw(len(block.data), len(ends))
            for first in range(0, len(ends), self._batch_rows):
                rows = ends[first : first + self._batch_rows]
                part = block.data[ends[first - 1] + 1 if first else 0 : rows[-1]]
                if self._is_canonical:
                    yield self._canonical(source.path, part)
                    self.rows += len(rows)
                else:
                    yield self._mapped(source.path, part.split(b"\n"))
                self._line += len(rows)
        if not self._line:
            raise InputError(f"{source.path} is empty: it has no records")

    def records(self, source: str, lines: Sequence[bytes], ids: Any) -> FilePiece:
        """Lines of a stream: each is a record by itself, whatever the others are.

        A bad one has its line's number, from 1, as its position. `ids` are those of lines without any.
        """
        self._some_fit = True  # a record that does not fit says nothing of the mapping
        return self._mapped(source, lines, ids)

    @property
    def _is_canonical(self) -> bool:
        return self._mapping.name == _CANONICAL

    def _cut_off(self, path: str, block: Block) -> FilePiece:
        assert block.fault is not None
        self._line += 1
        self.rows += 1
        return FilePiece(NO_EVENTS, None, [self._refused(path, self._line, (block.fault,), block.data)])

    @cached_property
    def _decoder(self) -> BlockDecoder:
        return BlockDecoder(self._tokenizer)

    def _canonical(self, path: str, lines: bytes) -> FilePiece:
        events, bad = self._decoder.decode(lines, self._ingest_time_ms, path, self._line + 1)
        return FilePiece(events, None, bad)  # its labels stand where they became known

    def _mapped(self, path: str, lines: Sequence[bytes], given_ids: Any = None) -> FilePiece:
        found = records_in(lines, self._mapping)
        objects, faults, lines = found.items, found.faults, found.originals
        numbers = self._row_numbers(len(lines))
        ids = None
        if any(makes_ids(record, objects) for record in self._mapping.records):
            ids = self._ids_of(lines) if given_ids is None else _ids_by_line(given_ids, found.lines)
        parts: list[tuple[EventBatch, Any]] = []
        labels: list[EventBatch] = []
        skipped = 0
        for fitting, rows in self._groups(objects):
            part = [item for row in rows if (item := objects[row]) is not None]
            names = dict.fromkeys(name for item in part for name in item)
            if not fitting:
                self._nothing_fits(path, part, names)
                faults |= dict.fromkeys(rows, (self._lacks(names),))
                continue
            self._some_fit = True
            # A field that no object of the batch has is missing in each of them, no wrong mapping.
            names |= dict.fromkeys(self._mapping.skip)
            for at in fitting:
                names |= dict.fromkeys(absent_columns(self._mapping.records[at], list(names)))
            table = to_table(part, names)
            some = None if ids is None else ids.take(pa.array(rows))
            mapped = self._bind(table.schema, path).apply(table, numbers[rows], row_ids=some)
            places = np.asarray(rows)
            parts.append((mapped.events, places[mapped.rows]))
            labels += [mapped.labels] if mapped.labels else []
            faults |= {rows[at]: said for at, said in mapped.faults.items()}
            skipped += mapped.skipped
        bad = [
            self._refused(path, self._line + found.lines[row] + 1, faults[row], lines[row])
            for row in sorted(faults)
        ]
        self.rows += len(lines)
        events = in_row_order(parts)[0] if parts else NO_EVENTS
        return FilePiece(events, EventBatch.concat(labels) if labels else None, bad, skipped)

    def _ids_of(self, lines: Sequence[bytes]) -> Any:
        """Of the objects as quarantine keeps them, so that one read again from there has the same."""
        cards, persons = self._mapping.card_columns, self._mapping.personal_columns
        clean = self._tokenizer.sanitize_json
        return self._ids.of(
            [clean(line.strip(), cards, personal_fields=persons, counted=False) for line in lines]
        )

    def _groups(
        self, objects: Sequence[dict[str, Any] | None]
    ) -> Iterator[tuple[tuple[int, ...], Sequence[int]]]:
        """Rows that can share columns: what a value is does not depend on the records beside it."""
        for fitting, rows in self._by_shape(objects).items():
            for run in narrow(objects, rows):
                for alike in of_one_type(objects, run):
                    yield fitting, alike

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
        mapping = self._mapping
        clean = self._tokenizer.sanitize_json(
            line, mapping.card_columns, mapping.id_columns, mapping.personal_columns
        )
        return self._bad(path, position, faults, clean)


def _ids_by_line(ids: Any, lines: Sequence[int]) -> Any:
    """The id of each record's line, with its number where a line holds several."""
    texts, seen = ids.to_pylist(), Counter[int]()
    out = []
    for line in lines:
        out.append(texts[line] + (f"-{seen[line] + 1}" if seen[line] else ""))
        seen[line] += 1
    return pa.array(out, pa.string())
