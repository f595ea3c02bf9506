"""What holds for every test: a busy machine is no fault of the code.

Examples of Hypothesis have no deadline, because a first one may have to compile. Threads of OpenMP sleep
while they wait for each other: LightGBM's spin otherwise, which on busy cores took a training of seconds for
minutes. The libraries read the variable once, when they are loaded, and some tests import them.
"""

import os

from hypothesis import settings
from tests.ending import ENDINGS
from tests.started import heed_interrupts, take_time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
heed_interrupts()
take_time()


def pytest_sessionfinish():
    """Servers of this process end; see `tests.ending`."""
    ENDINGS.close()
