"""Lines of totals, between the payments and behind them, and patterns that skip them and no payment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ringfence.events.bad import TOTALS

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_total(cells: Sequence[str]) -> bool:
    """Whether a record begins with the word of a total, and most of its cells are empty."""
    is_sparse = 2 * sum(bool(cell.strip()) for cell in cells) <= len(cells)
    return is_sparse and cells[0].strip(" :*-").casefold() in TOTALS


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
