"""Runs a module that answers messages: `python -m ringfence.compose.apart MODULE FOLDER SECONDS`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ringfence.compose.lean_start import lean

if TYPE_CHECKING:
    from collections.abc import Callable


def main_of(module: str) -> Callable[[Path, float], None]:
    """What answers until nobody asks any more: the `main` of a module, which is loaded."""
    with lean():
        return import_module(module).main


if __name__ == "__main__":
    main_of(sys.argv[1])(Path(sys.argv[2]), float(sys.argv[3]))
