"""Treelite, timed in .bench-venv for `benchmarks.scoring`, which starts this file.

Reads lines `SIZE ROUNDS` and answers each with microseconds a row. Arguments: a LightGBM model file, and a
.npy file of inputs. (lleaves 1.3.0 does not load with llvmlite 0.50, tl2cgen 1.0.0 does not read treelite's
models of today.)
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np
import treelite


def microseconds(model, inputs: np.ndarray, rounds: int, most: int = 4096) -> float:
    """Per row, the median of some rounds of as many calls as `most` rows take, on one thread."""
    calls = max(1, min(500, most // len(inputs)))
    treelite.gtil.predict(model, inputs, nthread=1)
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(calls):
            treelite.gtil.predict(model, inputs, nthread=1)
        taken.append((time.perf_counter() - begin) / calls / len(inputs))
    return 1e6 * median(taken)


def main() -> None:
    model, inputs = treelite.frontend.load_lightgbm_model(sys.argv[1]), np.load(sys.argv[2])
    for line in sys.stdin:
        size, rounds = map(int, line.split())
        print(microseconds(model, np.ascontiguousarray(inputs[:size]), rounds), flush=True)


if __name__ == "__main__":
    main()
