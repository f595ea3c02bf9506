"""How a command that has something to clear up is ended from outside."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """While the block runs SIGTERM raises `KeyboardInterrupt`: by default no `finally` would run.

    For the main thread, which alone may say what a signal does.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
