"""Where the table of a CSV file begins and ends: its encoding, its header, what stands around it."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.drafts.headers import names_of_cells, uneven, uneven_header
from ringfence.adapters.drafts.moments import moments_of
from ringfence.adapters.drafts.money import money_of
from ringfence.adapters.drafts.totals import (
    always_filled,
    begins_footer,
    is_total,
    may_be_payment,
    pattern_of,
    short_pattern,
    words_pattern,
)
from ringfence.adapters.drafts.words import meanings_of
from ringfence.errors import InputError
from ringfence.events.values.visible import visible
from ringfence.masking import find_cards

if TYPE_CHECKING:
    from collections.abc import Sequence

_DELIMITERS: Final = ",;\t|^~\x01"
_USUAL: Final = ",;\t|"  # which readers tell by themselves
_RULED: Final = re.compile(r"[-=+|,;\t :*]{3,}")  # a line of signs below a header, or around a table
_LINES: Final = 200  # that the layout is told from
_SHOWN: Final = 3
_NOT_UTF8: Final = (
    "the file is not UTF-8: read as {}; if letters look wrong, draft it again with --answer "
    "encoding=cp1250, or cp1251 (Cyrillic), cp1253 (Greek), cp1254 (Turkish), cp1256 (Arabic), cp932 "
    "(Japanese), gb18030, big5"
)
_KANA_LEADS: Final = range(0x81, 0xA0)  # with these begin kana and most of the usual kanji in Shift-JIS
_WIDE: Final = re.compile(r"[^\x00-\x7f\uff61-\uff9f]+")  # what Shift-JIS writes as pairs
_UNIT_SIGNS: Final = frozenset("€$£¥%")
_RULES: Final = 20
_LAST: Final = 5  # rows at the end that may be no payments
_MOST_COLUMNS: Final = 5000


@dataclass(slots=True)
class Table:
    """The table in a file. `options` are those of a mapping's `[file]`; `unnamed` has no header."""

    names: list[str]
    rows: list[list[str | None]]
    delimiter: str
    options: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    unnamed: bool = False


@dataclass(frozen=True, slots=True)
class _Record:
    line: int  # lines before it
    cells: list[str]


def table_in(
    head: bytes, tail: bytes, where: str, *, whole: bool, limit: int, encoding: str | None = None
) -> Table:
    """The table in the first bytes of a file; `tail` are its last ones where `head` is not the `whole`.

    `InputError` for an `encoding` that is none, and bytes that hold no table.
    """
    remarks: list[str] = []
    if encoding is None:
        encoding, remarks = _encoding_of(head)
    try:
        encoding = codecs.lookup(encoding).name
        text = head.decode(encoding, "replace").removeprefix("\ufeff").rstrip("\0\x1a\f")
    except (LookupError, UnicodeError) as error:
        raise InputError(
            f"--answer encoding={encoding}: no such encoding of text: cp1256 and cp932 are some"
        ) from error
    if not whole:
        text = text[: text.rfind("\n") + 1]
    if not text.strip() or "\0" in text:
        raise InputError(f"{where}: no table of text: check the file, or name its format with --format")
    delimiter = _delimiter_of(text)
    records = _records(text, delimiter)
    counts = Counter(len(record.cells) for record in records[:_LINES])
    width = max(counts, key=lambda cells: (cells * counts[cells], cells))
    if width > _MOST_COLUMNS:
        raise InputError(
            f"{where} has {width:,} columns, and a draft is made of {_MOST_COLUMNS:,} at most: leave out "
            "what is no part of a payment, or write the mapping by hand"
        )
    at = _beginning(records, width)
    data = _is_data(records, at, width)
    header = uneven_header([one.cells for one in records[:_LINES]], at, width, data=data)
    names: list[str] = []
    if header is not None:
        names, said = _names_of_cells(records, header, at, width, delimiter, where)
        remarks.append(f"{said}: the columns are named anew")
        at, data = header, False
    first = records[at]
    body = records[at:] if data else records[at + 1 :]
    table = _headed(first, width, delimiter, unnamed=data, names=names)
    table.remarks[:0] = remarks
    if encoding not in ("utf-8", "utf-16"):
        table.options["encoding"] = encoding
    body = _without_lines(table, text, body, first, width)
    ending = tail.decode(encoding, "replace") if tail else text
    last = _records(ending, delimiter) if tail else body
    footers = _footers(last, width, delimiter, ending) or _sums(last, body, width, delimiter)
    if footers:
        found = list(dict.fromkeys(footers.values()))
        trailers = table.options.setdefault("trailers", [])
        trailers += [one for one in found if one not in trailers]
        said = ", ".join(map(repr, found))
        table.remarks.append(f"lines at the end that are no payments are skipped: {said}")
    _fill(table, [one for one in body if one.line not in footers or tail], width, limit)
    return table


def _names_of_cells(
    records: Sequence[_Record], header: int, at: int, width: int, delimiter: str, where: str
) -> tuple[list[str], str]:
    """Names for the cells of rows that are not as many as those of the header, and what to remark.

    `InputError` where nothing tells which name is whose.
    """
    rows = [one for one in records[at:] if len(one.cells) == width]
    found = names_of_cells(records[header].cells, [one.cells for one in rows], width)
    if found is None:
        line, names = records[header].line + 1, len(records[header].cells)
        raise uneven(where, (line, names), (rows[0].line + 1, rows[0].cells), delimiter)
    return found


def _headed(first: _Record, width: int, delimiter: str, *, unnamed: bool, names: Sequence[str] = ()) -> Table:
    """The table without its rows, by its first record: names of columns, or values where it is `unnamed`.

    `names` stand for those of the record where there are any.
    """
    table = Table(list(names) or _names(first.cells), [], delimiter, unnamed=unnamed)
    options, remarks = table.options, table.remarks
    if delimiter not in _USUAL:
        options["delimiter"] = delimiter
    if unnamed:
        table.names = [f"column_{number}" for number in range(1, width + 1)]
        options["columns"] = table.names
        remarks.append("the first line holds values and no names: the columns are numbered")
    tall = 0 if unnamed else sum(cell.count("\n") for cell in first.cells)
    if tall:
        table.names = [" ".join(name.split()) for name in table.names]
        remarks.append("the header has names of several lines: the columns are named anew, in one")
    twice = {name for name, times in Counter(table.names).items() if times > 1}
    if twice:
        table.names = [f"{name}_{at}" if name in twice else name for at, name in enumerate(table.names, 1)]
        remarks.append("two columns have the same name: the columns are named anew, with their places")
    renamed = bool(tall or twice or names)
    if renamed:
        options["columns"] = table.names
    lines = first.line + (1 + tall if renamed else 0)
    if lines:
        options["skip_lines"] = lines
        remarks.append(f"the table begins after {lines} other lines") if first.line else None
    return table


def _without_lines(table: Table, text: str, body: list[_Record], first: _Record, width: int) -> list[_Record]:
    """The records without lines that are none, which the options name: headers again, rules, units."""
    written = _lines_of(text)
    again = set[int]() if table.unnamed else {one.line for one in body if _folded(one) == _folded(first)}
    if again:  # at the head of each page of a report
        table.options["trailers"] = list(dict.fromkeys(written[line].strip() for line in sorted(again)))
        table.remarks.append(f"the header comes again: {len(again)}x as a line, which is skipped")
    ruled = _ruled(text)
    if ruled:
        table.options.setdefault("trailers", []).extend(ruled)
        said = ", ".join(map(repr, ruled))
        table.remarks.append(f"lines of signs alone are no payments and are skipped: {said}")
    whole = [one for one in body if len(one.cells) == width]
    always = always_filled([one.cells for one in whole])
    totals = {
        one.line: one.cells for one in whole if one not in body[-_LAST:] and is_total(one.cells, always)
    }
    if totals:
        words = list(dict.fromkeys(cells[0] for cells in totals.values()))
        found = (pattern_of(cells, table.delimiter, written[line]) for line, cells in totals.items())
        table.options.setdefault("trailers", []).extend(dict.fromkeys(found))
        table.remarks.append(
            f"lines of totals between the payments are skipped: {len(totals)}x {', '.join(words)}"
        )
    others = again | totals.keys()
    body = [one for one in body if one.line not in others and written[one.line].strip() not in ruled]
    if not table.unnamed and _are_units(body, width):
        units = written[body[0].line].strip()
        table.options.setdefault("trailers", []).append(units)
        table.remarks.append(f"the line below the header tells units and is no payment: {units!r} is skipped")
        body = body[1:]
    return body


def _folded(record: _Record) -> list[str]:
    return [cell.strip().lower() for cell in record.cells]


def _ruled(text: str) -> list[str]:
    """Lines of signs alone that queries and spreadsheets print: -----+-----, and cells that are all empty."""
    lines = dict.fromkeys(line.strip() for line in text.split("\n"))
    return [line for line in lines if _RULED.fullmatch(line)][:_RULES]


def _fill(table: Table, body: Sequence[_Record], width: int, limit: int) -> None:
    places: list[int] = []
    for number, record in enumerate(body[:limit], 1):
        if len(record.cells) == width:
            table.rows.append([cell or None for cell in record.cells])
        else:
            places.append(number)
    if places:
        shown = ", ".join(map(str, places[:_SHOWN])) + (" ..." if len(places) > _SHOWN else "")
        table.remarks.append(
            f"{len(places)} of {len(body[:limit])} rows have more or fewer cells than the header has names "
            f"(row {shown}): they will be quarantined; values with the separator in them need quotes"
        )


def _encoding_of(head: bytes) -> tuple[str, list[str]]:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16", []
    for encoding, at in (("utf-16-le", 1), ("utf-16-be", 0)):
        most = head[:4096]
        if most and most[at::2].count(0) > 0.4 * len(most[at::2]) and 0 not in most[1 - at :: 2]:
            return encoding, [f"the file is UTF-16 without a mark of it: read as {encoding}"]
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            if _is_japanese(head):
                return "cp932", [_NOT_UTF8.format("Shift-JIS (cp932)")]
            return "cp1252", [_NOT_UTF8.format("Windows-1252")]
    return "utf-8", []


def _is_japanese(head: bytes) -> bool:
    """Whether bytes are Shift-JIS: pairs next to each other, most of which begin as kana and usual kanji do.

    In Windows-1252 such bytes are signs that few texts have more of than of letters with accents. A sign and
    the letter behind it are a pair, too, as in a curly apostrophe and an s, but one that stands alone.
    """
    try:
        text = codecs.getincrementaldecoder("cp932")().decode(head)
    except UnicodeDecodeError:
        return False
    pairs = [char.encode("cp932") for char in set(text) if not char.isascii()]
    usual = sum(len(pair) == 2 and pair[0] in _KANA_LEADS for pair in pairs)
    words = _WIDE.findall(text)
    together = sum(len(word) for word in words if len(word) > 1)
    return usual > len(pairs) / 2 and together > sum(map(len, words)) / 2


def _delimiter_of(text: str) -> str:
    lines = [line for line in text.split("\n")[:_LINES] if line.strip()]

    def fit(delimiter: str) -> tuple[int, int]:
        counts = Counter(len(cells) for cells in _cells(lines, delimiter))
        width, rows = max(counts.items(), key=lambda item: (item[0] > 1, item[1], item[0]))
        return (rows if width > 1 else 0), width

    return max(_DELIMITERS, key=fit)


def _cells(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    try:
        return [cells for cells in csv.reader(lines, delimiter=delimiter) if cells]
    except csv.Error:
        return [line.split(delimiter) for line in lines]


def _records(text: str, delimiter: str) -> list[_Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found: list[_Record] = []
    line = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append(_Record(line, cells))
            line = reader.line_num
    except csv.Error:
        pass  # what cannot be read from here on is left to the reader of the whole file
    return found


def _beginning(records: Sequence[_Record], width: int) -> int:
    """The first record that is as wide as most, and filled; lines before names of columns are a preamble.

    Such names stand in the first record of words alone before one with numbers, and are known words in most
    cells. Any other record without a number may be a payment, the first one too.
    """
    full = [
        at
        for at, record in enumerate(records[:_LINES])
        if len(record.cells) == width and 2 * sum(bool(cell.strip()) for cell in record.cells) > width
    ]
    if not full:
        return next((at for at, record in enumerate(records[:_LINES]) if len(record.cells) == width), 0)
    numbers = [any(map(str.isdigit, "".join(records[at].cells))) for at in full]
    words = (at for place, at in enumerate(full[:-1]) if not numbers[place] and numbers[place + 1])
    first, named = full[0], next(words, full[0])
    known = _known_names(records[named])
    return named if 2 * known > width and known > _known_names(records[first]) else first


def _known_names(record: _Record) -> int:
    return sum(bool(meanings_of(cell)) for cell in record.cells)


def _is_data(records: Sequence[_Record], at: int, width: int) -> bool:
    """Whether the first full record holds values: a card number, or times or amounts as those below it."""
    cells = [cell.strip() for cell in records[at].cells]
    if any(find_cards(cell) for cell in cells):
        return True
    below = [record.cells for record in records[at + 1 : at + 20] if len(record.cells) == width]
    for place, cell in enumerate(cells):
        others = [row[place].strip() for row in below if row[place].strip()]
        if not cell or not others:
            continue
        if moments_of([cell]) and moments_of(others) and not cell.isdigit():
            return True
        if re.search(r"\d[.,]\d", cell) and money_of([cell]) and money_of(others):
            return True
    return False


def _are_units(body: Sequence[_Record], width: int) -> bool:
    """Whether the first row has words where all below it have times and numbers: UTC, EUR, [ms]."""
    rows = [[cell.strip() for cell in record.cells] for record in body[:20] if len(record.cells) == width]
    if len(rows) < 3 or len(body[0].cells) != width:
        return False
    words = 0
    for place, cell in enumerate(rows[0]):
        below = [row[place] for row in rows[1:] if row[place]]
        if not below or not (moments_of(below) or money_of(below)):
            continue
        if re.search(r"[\d*?]", cell):
            return False
        words += cell.strip("[](){}").isalpha() or cell in _UNIT_SIGNS
    others = [cell for cell in rows[0] if cell]
    return words > 1 or (words == 1 and len(others) == 1)


def _sums(last: Sequence[_Record], body: Sequence[_Record], width: int, delimiter: str) -> dict[int, str]:
    """A last row of sums, which nothing names: its first cell is empty, as no other is, and so are most."""
    whole = [record for record in body if len(record.cells) == width]
    record = last[-1] if last else None
    if record is None or len(record.cells) != width or len(whole) <= 2:
        return {}
    others = [one for one in whole if one.line != record.line]
    filled = [bool(cell.strip()) for cell in record.cells]
    if filled[0] or 2 * sum(filled) >= width or not all(one.cells[0].strip() for one in others):
        return {}
    return {record.line: delimiter.join("*" if one else "" for one in filled)}


def _names(cells: Sequence[str]) -> list[str]:
    return [visible(cell) or f"column_{at}" for at, cell in enumerate(cells, 1)]


def _footers(last: Sequence[_Record], width: int, delimiter: str, text: str) -> dict[int, str]:
    """Lines at the end that are no rows, by the number of lines before each: what they look like."""
    found: dict[int, str] = {}
    written = _lines_of(text)
    whole = [record.cells for record in last if len(record.cells) == width]
    always = always_filled(whole)
    for record in reversed(last[-_LAST:]):
        first = next((cell.strip() for cell in record.cells if cell.strip()), "")
        words = re.fullmatch(r"[^\W\d].*|\d+ [^\W\d].*|[-=*]{3,}.*|\(.+\)|#.*", first)
        is_whole = len(record.cells) == width
        if len(record.cells) == 1 and width > 1 and words and not find_cards(first):
            found[record.line] = words_pattern(first)
        elif not begins_footer(first) or (is_whole and may_be_payment(record.cells, whole, always)):
            break
        elif is_whole:
            found[record.line] = pattern_of(record.cells, delimiter, written[record.line])
        else:
            found[record.line] = short_pattern(record.cells, delimiter, written[record.line], whole)
    return found


def _lines_of(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)
