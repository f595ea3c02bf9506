"""The first start compiles the engine's kernels side by side; later ones find them."""

from __future__ import annotations

import os
import subprocess
import sys

import numba
import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.features.engine import Engine
from ringfence.features.kernel.measure import forget_expired, measure
from ringfence.features.precompile import compiled_side_by_side, is_compiled
from ringfence.features.spec import FeatureSpec, entity

pytestmark = pytest.mark.slow
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


@needs_compiler
def test_the_cache_says_what_it_holds(tmp_path):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", ASKED], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_where_all_is_there_nothing_is_started():
    measured()
    assert is_compiled()
    with compiled_side_by_side():
        pass
