"""Values as cells of a CSV file."""

from __future__ import annotations

from typing import Final

_RISKY: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_cell(value: object) -> object:
    """A value that a spreadsheet does not take for a formula.

    >>> csv_cell("=1+1"), csv_cell(-1.5), csv_cell("a")
    ("'=1+1", -1.5, 'a')
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_RISKY) else value
