"""What a test process has started ends before it says that it is done.

A worker of pytest-xdist is killed ten seconds after that: on a busy machine too early for `atexit`, and
servers stayed behind. Without pytest, as in a benchmark, `atexit` ends them.
"""

import atexit
from contextlib import ExitStack

ENDINGS = ExitStack()
atexit.register(ENDINGS.close)

at_end = ENDINGS.callback
