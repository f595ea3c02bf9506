"""How a command that has something to clear up is ended from outside."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """While the block runs SIGTERM raises `KeyboardInterrupt`: by default no `finally` would run.

    It does so once, and not behind a Ctrl-C: systemd tells a whole group to end, and whoever started the
    command tells it again, in the middle of its clearing up. A second Ctrl-C breaks that off.

    For the main thread, which alone may say what a signal does.
    """
    interrupt = signal.getsignal(signal.SIGINT)

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, _pass)
        signal.signal(signal.SIGINT, interrupt)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    if interrupt is signal.default_int_handler:  # a shell has background jobs ignore it
        signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)


def _pass(_number: int, _frame: FrameType | None) -> None:
    """Unlike `SIG_IGN`, no command that is started meanwhile inherits it."""
