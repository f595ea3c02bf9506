"""What goes to the terminal: answers to standard output, everything else to standard error."""

from __future__ import annotations

import csv
import re
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PIPED_WIDTH = 4000
_STEERING = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[{_STEERING}]")
_IN_CELL = re.compile(f"[{_STEERING}\t\n]")
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # Excel also takes the full-width signs
OUTCOME_STYLES = {"approve": "green", "challenge": "yellow", "review": "dark_orange", "decline": "red"}


class Tell(Protocol):
    """How a command says how far it is."""

    def __call__(self, done: int, total: int | None, remark: str) -> None:
        """`total` is None where nobody knows it."""


def answers() -> Console:
    """Standard output; wide where no terminal limits it."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)


def messages() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def asks() -> bool:
    """Whether somebody sits at a terminal who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def say(text: str) -> None:
    """A message for the person at the keyboard."""
    messages().print(Text(clean(text)))


def show(text: object = "", style: str = "") -> None:
    """A line of the answer."""
    answers().print(Text(clean(str(text)), style=style), soft_wrap=True)


def show_json(value: Any) -> None:
    """The answer as one line of JSON."""
    line = msgspec.json.encode(value, enc_hook=str).decode()
    sys.stdout.write(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", line) + "\n")


def show_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """The answer as CSV that is safe to open in a spreadsheet and to print on a terminal."""
    writer = csv.writer(sys.stdout)
    writer.writerow([csv_cell(name) for name in columns])
    for row in rows:
        writer.writerow([csv_cell(value) for value in row])


def csv_cell(value: object) -> object:
    r"""A value as a cell of CSV: text that a spreadsheet would take for a formula begins with an apostrophe.

    Characters that steer a terminal are escaped. Numbers, times and truth values stay as they are.

    >>> csv_cell("=1+1"), csv_cell(-1.5), csv_cell("a\x07b")
    ("'=1+1", -1.5, 'a\\x07b')
    """
    if value is None or isinstance(value, bool | int | float | Decimal | date | timedelta):
        return value
    text = str(value)
    return ("'" if _FORMULA.match(text) else "") + _escaped(text, _CONTROL)


def clean(text: str) -> str:
    r"""Text of unknown origin without what would steer a terminal, and without card numbers.

    >>> print(clean("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return _escaped(mask_cards(text, strict=True), _CONTROL)


def _escaped(text: str, which: re.Pattern[str]) -> str:
    return which.sub(lambda found: repr(found[0])[1:-1], text)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> None:
    """A table; the columns named in `right` hold numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for name in columns:
        table.add_column(_cell(name), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    answers().print(table)


def _cell(value: object) -> Text:
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else one_line(str(value))
    return Text(text, style=OUTCOME_STYLES.get(text, ""))


def one_line(text: str) -> str:
    """A line break of the data would look like one more row."""
    return _escaped(mask_cards(text, strict=True), _IN_CELL)


def format_time(ms: int | None) -> str:
    """UTC time of milliseconds since 1970.

    >>> format_time(1_700_000_000_123)
    '2023-11-14 22:13:20.123'
    """
    if ms is None:
        return ""
    text = datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return text.removesuffix(".000")


def format_number(value: float | None) -> str:
    """A feature's value for reading.

    >>> format_number(12.50), format_number(None), format_number(1234567.0)
    ('12.5', 'unknown', '1,234,567')
    """
    return "unknown" if value is None else f"{value:,.4f}".rstrip("0").rstrip(".")


@contextmanager
def after(seconds: float, message: str) -> Iterator[None]:
    """Say this if the work takes longer."""
    timer = threading.Timer(seconds, say, [message])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def progress(what: str) -> Iterator[Tell]:
    """A bar on the terminal, nothing elsewhere: call with done, total (None: unknown) and a remark."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[remark]}"),
        console=messages(),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(what, total=None, remark="")
        yield lambda done, total, remark: bar.update(task, completed=done, total=total, remark=remark)
