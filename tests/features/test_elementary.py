"""Elementary functions: near the true value, and the same bits whatever the machine."""

from __future__ import annotations

import ast
import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import ringfence
from ringfence.features.kernel import elementary

DECIDING = ("decisions", "features", "graph", "scoring", "walk", "rulebook", "sharded")
NUMBERS = np.random.default_rng(5)
CASES = {
    "exp": NUMBERS.uniform(-740, 709, 3000),
    "log": np.concatenate([np.arange(1.0, 1500.0), np.exp(NUMBERS.uniform(-600, 600, 1500))]),
    "sin": NUMBERS.uniform(-6.28, 6.28, 3000),
    "cos": NUMBERS.uniform(-6.28, 6.28, 3000),
    "asin": np.concatenate([NUMBERS.random(2500), 10 ** NUMBERS.uniform(-12, 0, 500), [0.0, 1.0]]),
}


@numba.njit(error_model="numpy")
def _all(x, found):
    for row in range(x.shape[1]):
        found[0, row] = elementary.exp(x[0, row])
        found[1, row] = elementary.log(x[1, row])
        found[2, row] = elementary.sin(x[2, row])
        found[3, row] = elementary.cos(x[3, row])
        found[4, row] = elementary.asin(x[4, row])


def compiled(name: str, values: np.ndarray) -> np.ndarray:
    rows, found = np.ones((5, len(values))), np.empty((5, len(values)))
    rows[list(CASES).index(name)] = values
    _all(rows, found)
    return found[list(CASES).index(name)]


@pytest.mark.parametrize("name", CASES)
def test_it_is_what_the_c_library_has_to_within_four_units_in_the_last_place(name: str) -> None:
    true = np.array([getattr(math, name)(x) for x in CASES[name].tolist()])
    error = np.abs(compiled(name, CASES[name]) - true)
    floor = 3e-16 if name in {"sin", "cos"} else 0.0  # near a root: a unit of the argument
    normal = (np.abs(true) > np.finfo(float).tiny) | (true == 0)
    assert normal.sum() > 2900
    assert (error <= 4 * np.spacing(np.abs(true)) + floor)[normal].all()


def test_what_is_no_number_and_what_is_too_large() -> None:
    assert compiled("exp", np.array([-1e9, 1e9, -math.inf, math.inf, 0.0])).tolist() == [
        0,
        math.inf,
        0,
        math.inf,
        1,
    ]
    assert math.isnan(compiled("exp", np.array([math.nan]))[0])


@pytest.mark.parametrize("x", [709.7827128933841, 709.79, 709.8])
def test_the_exponential_just_beyond_the_largest_number_is_infinite_as_plain_python_too(x: float) -> None:
    """Python's ldexp raises OverflowError where that of the C library is infinite."""
    plain = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    code = f"from ringfence.features.kernel.elementary import exp; print(exp({x!r}), exp(709.782712893384))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["inf", "1.7976931348622732e+308"], done.stderr


def test_bits_are_the_same_on_every_machine() -> None:
    """A hash over values of all functions, which other processors and versions have to give as well."""
    drawn = hashlib.sha256()
    for name in CASES:
        numbers = np.random.default_rng(7).random(4000)
        given = {"exp": (numbers - 0.5) * 1400, "log": numbers * 100 + 1e-3, "asin": numbers}
        drawn.update(compiled(name, given.get(name, (numbers - 0.5) * 12)).astype("<f8").tobytes())
    assert drawn.hexdigest() == "af2f2c697977b90a659a79db0b755b8a0d09e22f48989fbdc67e25e6141a66e5"


def test_machine_code_for_another_processor_gives_the_same_bits() -> None:
    test = "tests/features/test_elementary.py::test_bits_are_the_same_on_every_machine"
    other = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test],
        env=other,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_nothing_that_decides_asks_others_for_them() -> None:
    """NumPy's and the C library's functions differ in their last bits between processors and versions."""
    forbidden = set(CASES) | {
        *(
            "exp2",
            "expm1",
            "log2",
            "log10",
            "log1p",
            "logaddexp",
            "tan",
            "sinh",
            "cosh",
            "tanh",
            "acos",
            "atan",
        ),
        *("arcsin", "arccos", "arctan", "arctan2", "atan2", "pow", "power", "float_power", "cbrt", "hypot"),
        *("leggauss", "dot", "matmul", "einsum"),
    }
    root = Path(ringfence.__file__).parent
    files = [path for room in DECIDING for path in (root / room).rglob("*.py")]
    asked = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if _asks(node, forbidden)
    ]
    assert len(files) > 100
    assert asked == []


def _asks(node: ast.AST, forbidden: set[str]) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.MatMult)
    of_library = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return of_library and node.value.id in {"np", "math", "legendre"} and node.attr in forbidden
