"""A header that has more or fewer names than the rows have cells: what that says of the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ringfence.adapters.drafts.words import meanings_of
from ringfence.errors import InputError
from ringfence.events.values.visible import visible
from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_NAME: Final = re.compile(r"(?=.*\d)[\W\d_]+")  # a number, a date, a time of day
_GROUP: Final = re.compile(r"\s*[^\w,;]*(?:[^\W\d_]{1,3}\.?)?\s*[-+(]?\s*[^\w\s]?\d{1,3}")
_NEXT: Final = re.compile(r"\d{2,3}(?:[.,]\d+)?\)?(?:\s?[^\s\d]{1,4})?\s*")
_LONGEST: Final = 40


def uneven_header(records: Sequence[list[str]], at: int, width: int, *, data: bool) -> int | None:
    """The place of a header before the first full record, `at`, that is not as wide; None for no such header.

    Most of its cells are known names. Where the first full record is `data`, words right above it are enough.
    """
    known = sum(bool(meanings_of(cell)) for cell in records[at])
    for place, cells in enumerate(records[:at]):
        names = _filled(cells)
        if len(names) < 2 or any(_NO_NAME.fullmatch(name) for name in names):
            continue
        meant = sum(bool(meanings_of(name)) for name in names)
        if 2 * meant >= len(names) and meant > known and (data or 2 * known < width):
            return place
    words = _filled(records[at - 1]) if at else []
    wordy = 2 * len(words) > width and len(set(words)) == len(words)
    return at - 1 if data and wordy and not any(map(str.isdigit, "".join(words))) else None


def names_of_cells(
    header: Sequence[str], rows: Sequence[list[str]], width: int
) -> tuple[list[str], str] | None:
    """A name for each of `width` cells and what to remark; None where nothing tells which name is whose.

    `rows` are those with that many cells.
    """
    names = [visible(cell) for cell in header]
    while len(names) > width and not names[-1]:
        names.pop()
    if len(names) == width and rows:
        return _numbered(names), "the header ends with separators that the rows do not have"
    more = width - len(names)
    if more > 0 and rows and not any(_filled(row[len(names) :]) for row in rows):
        return _numbered([*names, *[""] * more]), "the rows end with separators that the header does not have"
    if more == 1 and len(rows) > 1 and _counted([row[0] for row in rows]):
        return _numbered(
            ["row", *names]
        ), "the rows begin with their number, for which the header has no name"
    return None


def uneven(where: str, header: tuple[int, int], row: tuple[int, list[str]], delimiter: str) -> InputError:
    """What to say where names and cells do not go together.

    `header` is its line in the file and how many names it has, `row` a line and its cells.
    """
    (line, names), (below, cells) = header, row
    said = (
        f"{where}: line {line} names {names} columns, and most rows have {len(cells)} cells, as line {below} "
        "has: no mapping is written, values would be taken for those of other columns. "
    )
    sign = {"\t": "tab", "\x01": "\\x01"}.get(delimiter, delimiter)
    if len(cells) > names:
        example = _parted(cells, delimiter)
        said += f"Values with the separator ({sign}) in them stand without quotes"
        said += f", {mask_cards(example)} for one" if example else ""
    else:
        said += f"A name with the separator ({sign}) in it stands without quotes, or rows end too early"
    other = "tabs or ;" if delimiter == "," else "tabs"
    return InputError(
        f'{said}: export the file again with quotes (") around texts and amounts, or with {other} between '
        f"the columns. Where line {line} is no header, take it out"
    )


def _filled(cells: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in cells if cell.strip()]


def _numbered(names: Sequence[str]) -> list[str]:
    return [name or f"column_{at}" for at, name in enumerate(names, 1)]


def _counted(cells: Sequence[str]) -> bool:
    """Whether each is one more than the one before, as row numbers of R and pandas are."""
    if not all(cell.isascii() and cell.isdigit() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _parted(cells: Sequence[str], delimiter: str) -> str:
    """An amount that separators have parted, as it stood in the file; empty where there is none."""
    for at, cell in enumerate(cells[:-1]):
        end = at + 1
        if not _GROUP.fullmatch(cell):
            continue
        while end < len(cells) and _NEXT.fullmatch(cells[end]):
            end += 1
        if end > at + 1:
            return delimiter.join(cells[at:end]).strip()[:_LONGEST]
    return ""
