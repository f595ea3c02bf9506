"""Compiled forests of others, timed in .bench-venv for `benchmarks.scoring`, which starts this file.

Reads lines `SIZE ROUNDS` and answers with microseconds a row by library, as JSON. A library that does not
load is left out and named on standard error. Arguments: a LightGBM model file, and a .npy file of inputs.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from statistics import median

import numpy as np

os.environ["OMP_NUM_THREADS"] = "1"


def lleaves_of(path: str):
    """LLVM code of a LightGBM model."""
    import lleaves  # noqa: PLC0415 (may be missing)

    model = lleaves.Model(model_file=path)
    model.compile()
    return lambda inputs: model.predict(inputs, n_jobs=1)


def treelite_of(path: str):
    """Treelite's own interpreter, GTIL."""
    import treelite  # noqa: PLC0415 (may be missing)

    model = treelite.frontend.load_lightgbm_model(path)
    return lambda inputs: treelite.gtil.predict(model, inputs, nthread=1)


def tl2cgen_of(path: str):
    """C code of a treelite model, by the system's compiler."""
    import tl2cgen  # noqa: PLC0415 (may be missing)
    import treelite  # noqa: PLC0415 (may be missing)

    model = treelite.frontend.load_lightgbm_model(path)
    library = f"{tempfile.mkdtemp()}/forest.so"
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 2}, verbose=False)
    predictor = tl2cgen.Predictor(library, nthread=1)
    return lambda inputs: predictor.predict(tl2cgen.DMatrix(inputs))


def loaded(path: str) -> dict:
    """Those that load."""
    found = {}
    for name, load in (("lleaves", lleaves_of), ("treelite", treelite_of), ("tl2cgen", tl2cgen_of)):
        try:
            found[name] = load(path)
        except Exception as error:  # noqa: BLE001 (whatever keeps a contestant away is told)
            print(f"{name} does not run: {str(error).splitlines()[0][:200]}", file=sys.stderr)
    return found


def microseconds(act, inputs: np.ndarray, rounds: int, most: int = 4096) -> float:
    """Per row, the median of some rounds of as many calls as `most` rows take."""
    calls = max(1, min(500, most // len(inputs)))
    act(inputs)
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(calls):
            act(inputs)
        taken.append((time.perf_counter() - begin) / calls / len(inputs))
    return 1e6 * median(taken)


def main() -> None:
    forests, inputs = loaded(sys.argv[1]), np.load(sys.argv[2])
    print(json.dumps(sorted(forests)), flush=True)
    for line in sys.stdin:
        size, rounds = map(int, line.split())
        few = np.ascontiguousarray(inputs[:size])
        print(json.dumps({name: microseconds(act, few, rounds) for name, act in forests.items()}), flush=True)


if __name__ == "__main__":
    main()
