"""Lines of totals, between the payments and behind them, and patterns that skip them and no payment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ringfence.events.bad import TOTALS

if TYPE_CHECKING:
    from collections.abc import Sequence


_FOOTER: Final = re.compile(
    r"(grand |sub)?(total|totals|sum|summe|gesamt|gesamtsumme|suma|somme|soma|totaal|totale|saldo|endsaldo|"
    r"razem|celkem|summa|toplam|zwischensumme|合計|合计|总计|итого|всего|(opening|closing) balance|"
    r"anfangssaldo|"
    r"count|rows|records|anzahl|trailer|eof|end of (file|report)|t|trl)\b.*|\W*end\W*",
    re.IGNORECASE,
)
_FEW: Final = 3  # columns, of which a total may fill all


def always_filled(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns that no row leaves empty, of rows that are no totals."""
    others = [row for row in rows if not begins_footer(row[0].strip(" :*-"))] or rows
    return [at for at in range(len(others[0])) if all(row[at].strip() for row in others)] if others else []


def names_total(cells: Sequence[str]) -> bool:
    """Whether a record begins with the word of a total, as one at a merchant named Total does, too."""
    return cells[0].strip(" :*-").casefold() in TOTALS


def is_total(cells: Sequence[str], always: Sequence[int]) -> bool:
    """Whether a record begins with the word of a total, and lacks most of what it could have.

    Among that is a cell that payments never lack: columns that nobody fills tell nothing.
    """
    is_sparse = 2 * sum(bool(cell.strip()) for cell in cells) <= len(cells)
    return is_sparse and names_total(cells) and not all(cells[at].strip() for at in always)


def pattern_of(cells: Sequence[str], delimiter: str, line: str = "") -> str:
    """A shell pattern of `file.trailers` for records like this one; `line` says whether it has quotes.

    Cells that are empty in it have to be empty. So a payment at a merchant named Total is none of them.

    >>> pattern_of(["*Total*", "", "", "4.00", ""], ",", "*Total*,,,4.00,")
    '?Total?,,,*,'
    """
    empty = '""' if '""' in line else ""
    quote = '"' if line.lstrip().startswith('"') else ""
    named = next((at for at, cell in enumerate(cells) if cell.strip()), 0)
    found = ["*" if cell.strip() else cell or empty for cell in cells]
    found[named] = quote + re.sub(r"[*?]", "?", cells[named]) + quote
    return delimiter.join(found)


def begins_footer(cell: str) -> bool:
    """Whether a cell is the word of a total, or begins with it."""
    return _FOOTER.fullmatch(cell) is not None


def words_pattern(line: str) -> str:
    """A line of words with any number in place of its own; a sum behind a word keeps its length.

    "Total *" would skip a payment at Total Wine.
    """
    pattern = re.sub(r"\d[\d.,:/-]*", "*", line)
    return re.sub(r"[\d.,:/-]", "?", line) if re.fullmatch(r"[^\W\d]+ +\*", pattern) else pattern


def short_pattern(cells: Sequence[str], delimiter: str, line: str, whole: Sequence[Sequence[str]]) -> str:
    """A pattern for a footer that has fewer cells than the header.

    Where records begin with ids or times, none begins with its word. Elsewhere "Total,*" would skip payments
    at a merchant named Total, so the pattern keeps the length of the line, which no payment fits in.
    """
    if _begin_with_numbers(whole):
        return pattern_of(cells, delimiter, line)
    word = next(cell for cell in cells if cell.strip())
    at = line.index(word) + len(word)
    rest = "".join(sign if sign == delimiter else "?" for sign in line[at:].rstrip())
    return re.sub(r"[*?]", "?", line[:at]) + rest


def may_be_payment(cells: Sequence[str], whole: Sequence[Sequence[str]], always: Sequence[int]) -> bool:
    """Whether a record that begins with the word of a total lacks nothing that payments have."""
    if not all(cells[at].strip() for at in always):
        return False
    others = [row for row in whole if row is not cells]
    return not (others and len(cells) <= _FEW and _begin_with_numbers(others))


def _begin_with_numbers(rows: Sequence[Sequence[str]]) -> bool:
    return all(any(map(str.isdigit, row[0])) for row in rows)
