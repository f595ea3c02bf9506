"""The first start compiles the engine's kernels side by side; later ones find them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pyarrow as pa
import pytest

import ringfence
from ringfence.events.batch import EventBatch
from ringfence.features.engine import Engine
from ringfence.features.kernel import tables
from ringfence.features.kernel.jit import cache_folder
from ringfence.features.kernel.measure import forget_expired, measure
from ringfence.features.precompile import compiled_side_by_side, is_compiled
from ringfence.features.spec import FeatureSpec, entity

pytestmark = pytest.mark.slow
SOURCE = Path(ringfence.__file__).parent
needs_compiler = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
ASKED = """
import numpy as np
from ringfence.features.kernel.jit import is_kept
from ringfence.features.kernel.tables import reinsert
before = is_kept(reinsert)
reinsert(np.zeros(2, np.int64), np.zeros(4, np.int64), 0, 2)
print(before, is_kept(reinsert))
"""


def measured() -> None:
    columns = {"kind": pa.array([0], pa.uint8()), "event_time_ms": [1], "card_id": ["c"]}
    Engine(FeatureSpec.of(entity("card").count("1h"))).measure(
        EventBatch(pa.RecordBatch.from_pydict(columns))
    )


@needs_compiler
@pytest.mark.parametrize("kernel", [measure, forget_expired])
def test_what_is_compiled_beforehand_is_what_the_engine_calls(kernel):
    measured()
    known = list(kernel.signatures)
    Engine(FeatureSpec.of(entity("card").count("1h"))).compile(kernel)
    assert kernel.signatures == known


SENT = """
import sys
from pathlib import Path
from shutil import copy
from ringfence.features.kernel import jit
from ringfence.features.kernel.numba_internals import cache_files, index_files
from ringfence.features.kernel.tables import reinsert
import numpy as np
reinsert(np.zeros(2, np.int64), np.zeros(4, np.int64), 0, 2)
print(sum(reinsert.stats.cache_hits.values()), sum(reinsert.stats.cache_misses.values()))
if len(sys.argv) > 1:
    home = Path(sys.argv[1])
    (home / "__pycache__").mkdir(exist_ok=True)
    for file in [*cache_files(reinsert), *index_files(reinsert)]:
        copy(file, home / "__pycache__")
    (home / jit.SHIPPED).touch()
"""


@needs_compiler
def test_machine_code_that_comes_with_a_copy_of_the_package_is_used_on_the_same_processor(tmp_path):
    """Wherever the copy lies, and whenever its files were written; another processor compiles for itself."""
    copy = tmp_path / "elsewhere"
    shutil.copytree(SOURCE, copy / "ringfence", ignore=shutil.ignore_patterns("__pycache__"))
    kernels = copy / "ringfence/features/kernel"

    def found(source, *arguments, **more):
        told = {"PYTHONPATH": str(source), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        env = {**os.environ, **told, **more}
        env.pop("NUMBA_CACHE_DIR", None)
        command = [sys.executable, "-c", SENT, *map(str, arguments)]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split()

    assert found(SOURCE.parent, kernels) == ["0", "1"]
    assert found(copy) == ["1", "0"]
    other = "x86-64" if os.environ.get("NUMBA_CPU_NAME") == "generic" else "generic"
    assert found(copy, NUMBA_CPU_NAME=other, NUMBA_CPU_FEATURES="") == ["0", "1"]


@needs_compiler
def test_the_cache_says_what_it_holds(tmp_path):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", ASKED], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    (kept,) = tmp_path.iterdir()
    assert (
        kept.name == cache_folder(Path(tables.__file__).parent).name
    )  # code of other kernels lies elsewhere


def test_where_all_is_there_nothing_is_started():
    measured()
    assert is_compiled()
    with compiled_side_by_side():
        pass
