"""What goes to the terminal: answers to standard output, everything else to standard error."""

from __future__ import annotations

import re
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
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
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
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
    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")


def clean(text: str) -> str:
    r"""Text of unknown origin without what would steer a terminal, and without card numbers.

    >>> print(clean("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", mask_cards(text, strict=True))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> None:
    """A table; the columns named in `right` hold numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    answers().print(table)


def _cell(value: object) -> Text:
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else clean(str(value))
    return Text(text, style=OUTCOME_STYLES.get(text, ""))


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
