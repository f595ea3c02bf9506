"""An answer as an Excel workbook: texts stay texts, whatever they begin with."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_ROWS: Final = 1_048_575  # of a sheet, below the names of its columns
_MOST_COLUMNS: Final = 16_384
_MOST_CHARACTERS: Final = 32_767  # of a cell
_EXACT: Final = 2**53  # whole numbers up to here; a sheet holds a float
_FIRST_DAY: Final = date(1900, 3, 1)  # before it a spreadsheet's calendar has a day too many
_OPTIONS: Final = {"constant_memory": True}  # rows go to a file of the system as they come


def workbook(columns: Sequence[str], rows: Iterable[Sequence[object]], count: int) -> bytes:
    """A workbook of one sheet with `count` rows; times in UTC, lists and objects as JSON.

    A number that a sheet cannot hold exactly is text. `InputError` for more rows or columns than a sheet has,
    or where the library is missing.
    """
    if find_spec("xlsxwriter") is None:
        raise InputError("a workbook needs one more library: pip install 'ringfence[spreadsheet]'")
    if count > _MOST_ROWS or len(columns) > _MOST_COLUMNS:
        raise InputError(
            f"a sheet holds {_MOST_ROWS:,} rows and {_MOST_COLUMNS:,} columns, this answer {count:,} rows "
            f"and {len(columns):,} columns: ask for less, or take --format csv"
        )
    from xlsxwriter import Workbook  # noqa: PLC0415 (an extra)

    sink = io.BytesIO()
    with Workbook(sink, _OPTIONS) as book:
        sheet = book.add_worksheet()
        bold = book.add_format({"bold": True})
        time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.freeze_panes(1, 0)
        for place, name in enumerate(columns):
            sheet.write_string(0, place, name[:_MOST_CHARACTERS], bold)
        for line, row in enumerate(rows, 1):
            for place, value in enumerate(row):
                _write(sheet, line, place, value, time, day)
    return sink.getvalue()


def _write(sheet: Any, line: int, place: int, value: object, time: Any, day: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(line, place, value)
    elif _is_exact(value):
        sheet.write_number(line, place, value)
    elif isinstance(value, datetime) and value.date() >= _FIRST_DAY:
        naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        sheet.write_datetime(line, place, naive, time)
    elif isinstance(value, date) and not isinstance(value, datetime) and value >= _FIRST_DAY:
        sheet.write_datetime(line, place, value, day)
    else:
        sheet.write_string(line, place, _text(value)[:_MOST_CHARACTERS])


def _is_exact(value: object) -> bool:
    """Whether the number stays what it is as a float.

    >>> _is_exact(2**53), _is_exact(2**53 + 1), _is_exact(Decimal("12.345")), _is_exact(Decimal("1e16"))
    (True, False, True, False)
    """
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Decimal):
        return value.is_finite() and len(value.normalize().as_tuple().digits) <= 15 and abs(value) < _EXACT
    return isinstance(value, int) and abs(value) <= _EXACT


def _text(value: object) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return value.isoformat() if isinstance(value, date) else str(value)
