"""Ctrl-C in tests that are run in the background."""

import signal


def heed_interrupts() -> None:
    """Have programs that tests start heed SIGINT, which a job in the background ignores and they inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
