"""What holds for every test, of `tests` and of `src`: nothing is searched that holds nothing.

Each worker of pytest-xdist collects all tests for itself, so a second of collection costs one for each.
"""

import gc
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.doctest import DoctestModule

Collected = list[pytest.Collector]


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, Collected, Collected]:
    """Import a module and look for examples in it only where there is one: a fifth of `src`."""
    found = yield
    if not found or ">>> " in file_path.read_text():
        return found
    return [one for one in found if not isinstance(one, DoctestModule)]


def pytest_collection_finish() -> None:
    """Leave thousands of tests and all that they import out of every later collection of garbage."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let them go again: libraries report what is there when the interpreter ends as leaked."""
    gc.unfreeze()
