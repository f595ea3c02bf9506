"""Run one contestant once, in a process and environment of its own: worker.py NAME COLUMNS.npz VALUES.npy."""

from __future__ import annotations

import importlib
import json
import sys
from importlib.metadata import PackageNotFoundError, version

import numpy as np


def main(name: str, columns_path: str, values_path: str) -> dict[str, object]:
    """Times one run, stores its values; says why when the library is missing."""
    try:
        contestant = importlib.import_module(f"benchmarks.contestants.{name}")
    except ImportError as error:
        return {"missing": str(error)}
    with np.load(columns_path) as stored:
        columns = {key: stored[key] for key in stored.files}
    seconds, values = contestant.run(columns)
    np.save(values_path, values)
    return {"seconds": seconds, "version": _version(contestant.LIBRARY)}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return sys.version.split()[0]


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
