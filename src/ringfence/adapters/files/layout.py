"""How records stand in a table of text: lines before the header, no header, lines that are no records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Final

from ringfence.adapters.files.csv_rows import Header, records_of
from ringfence.adapters.files.paths import CutShortError
from ringfence.errors import InputError
from ringfence.events.bad import TOTALS, Fault, Reason
from ringfence.events.decoding.decode import RECORD_LIMIT
from ringfence.events.values.vocabulary import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.adapters.files.paths import OpenedFile

_NO_HEADER: Final = "the first line is no CSV header: check the file, or name its format with --format"
_COUNTED: Final = re.compile(
    r"\(?[0-9][0-9.,' ]* (rows?|records?|transactions?|entries|items|lines|payments?|zeilen|datensätze|"
    r"buchungen|umsätze|lignes|opérations|registros|filas|righe|rader)\b"
    r"|(rows?|records?|transactions?|lines|number of|count|anzahl)\b.*[:=]? *[0-9]+$"
    r"|(end of|eof\b|\*+ *end|-+ *end|generated|exported|erstellt|page [0-9])"
)
_TRAILER: Final = Fault(
    Reason.TRAILER,
    "",
    "looks like a line of totals or a footer, not like a record: name such lines under file.trailers of the "
    "mapping, and they are skipped",
)
_PLAIN: Final = Layout()


def open_table(source: OpenedFile, layout: Layout = _PLAIN) -> tuple[Header, Iterator[bytes]]:
    """The header, and the bytes of the records after it. `InputError` where there is no header."""
    chunks = _after_preamble(source, layout)
    if layout.columns:
        head = next(chunks, b"")
        first = head.partition(b"\n")[0]
        return Header.of(layout.columns, layout.delimiter, first), chain([head], chunks)
    line, rest = _first_line(source.path, chunks)
    return Header.parse(line, source.path, layout.delimiter), rest


def _first_line(path: str, chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    head = b""
    try:
        for chunk in chunks:
            head += chunk
            if b"\n" in head.lstrip(b"\r\n") or len(head) > RECORD_LIMIT:
                break
    except CutShortError as error:
        raise InputError(f"{path}: {error} within the header: get a whole copy") from error
    head = head.lstrip(b"\r\n")
    if not head.strip():
        raise InputError(f"{path} is empty: it has no header and no rows")
    line, newline, rest = head.partition(b"\n")
    if not newline and len(head) > RECORD_LIMIT:
        raise InputError(f"{path}: {_NO_HEADER}")
    return line, chain([rest], chunks)


def _after_preamble(source: OpenedFile, layout: Layout) -> Iterator[bytes]:
    chunks = source.chunks(layout.encoding)
    if not (layout.skip_lines or layout.header_starts):
        yield from chunks
        return
    head, at = b"", -1
    try:
        for chunk in chunks:
            head += chunk
            at = _begin(head, layout)
            if at >= 0 or len(head) > RECORD_LIMIT:
                break
    except CutShortError as error:
        raise InputError(f"{source.path}: {error} before the header: get a whole copy") from error
    at = _begin(head + b"\n", layout) if at < 0 else at
    if at < 0:
        wanted = (
            f"no line begins with {layout.header_starts!r}, as file.header_starts of the mapping says"
            if layout.header_starts
            else f"it has no {layout.skip_lines} lines to skip, as file.skip_lines of the mapping says"
        )
        raise InputError(f"{source.path}: {wanted}: check the file, or the mapping")
    yield head[at:]
    yield from chunks


def _begin(head: bytes, layout: Layout) -> int:
    """Where the header begins, -1 while that is not to be seen."""
    at = 0
    for _ in range(layout.skip_lines):
        at = head.find(b"\n", at) + 1
        if not at:
            return -1
    wanted = layout.header_starts.strip().casefold()
    while wanted:
        stop = head.find(b"\n", at)
        if stop < 0:
            return -1
        line = head[at:stop].decode("utf-8", "replace")
        if line.lstrip("\ufeff \t\"'").casefold().startswith(wanted):
            break
        at = stop + 1
    return at


@dataclass(frozen=True)
class Trailers:
    """Lines that are no records, by the mapping's shell patterns."""

    patterns: tuple[str, ...]

    @cached_property
    def _found(self) -> re.Pattern[bytes]:
        lines = "|".join(_as_regex(pattern) for pattern in self.patterns)
        return re.compile(f"^(?:{lines})[ \t]*\r?$".encode(), re.MULTILINE | re.IGNORECASE)

    def drop(self, data: bytes, delimiter: str) -> tuple[bytes, int]:
        """The block without such lines, and how many there were."""
        if not self.patterns or not self._found.search(data):
            return data, 0
        records = records_of(data, delimiter)
        kept = [record for record in records if not self._found.fullmatch(record)]
        return b"".join(record + b"\n" for record in kept), len(records) - len(kept)


def _as_regex(pattern: str) -> str:
    parts = (re.escape(part) for part in re.split(r"([*?])", pattern))
    text = "".join(parts)
    return text.replace(r"\*", "[^\n]*").replace(r"\?", "[^\n]")


def trailer_fault(record: bytes, delimiter: str) -> Fault | None:
    """The fault of a refused record that looks like a line of totals or a footer."""
    cells = [cell.strip("\"' \t*-=") for cell in record.decode("utf-8", "replace").split(delimiter)]
    filled = [cell.casefold() for cell in cells if cell]
    if not filled:
        return _TRAILER
    first = filled[0].rstrip(":").strip()
    if first in TOTALS or any(first.startswith((f"{word} ", f"{word}:")) for word in TOTALS):
        return _TRAILER
    return _TRAILER if len(filled) == 1 and _COUNTED.match(filled[0]) else None
