"""Programs that tests start."""

import os
import signal


def heed_interrupts() -> None:
    """Have them heed SIGINT, which a job in the background ignores and they inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def take_time() -> None:
    """Give servers a minute for a decision, where a test names no deadline of its own.

    Past its deadline, which a busy machine misses, a payment is answered before it is stored, and otherwise.
    """
    os.environ.setdefault("RINGFENCE_SERVE_DEADLINE_MS", "60000")
