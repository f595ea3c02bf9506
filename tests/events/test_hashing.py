"""Columns hash as the keyed function that CPython uses for its own strings."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ringfence.events.ids.hashing import hash_column, hash_text

TEXTS = ["a", "abcdefg", "abcdefgh", "abcdefghi", "merchant-000017", "x" * 300]


def test_the_hash_is_siphash_1_3():
    """With a key of zeros CPython hashes ASCII text by the same function."""
    script = "import sys, json; print(json.dumps([hash(t) for t in json.loads(sys.argv[1])]))"
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", script, json.dumps(TEXTS)]
    expected = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert [hash_text(text, 0) for text in TEXTS] == expected


@given(st.lists(st.none() | st.text(max_size=20), max_size=20), st.integers(0, 2**128 - 1))
def test_every_layout_of_a_column_hashes_alike(values, seed):
    expected = [0 if value is None else hash_text(value, seed) for value in values]
    plain = pa.array(values, pa.string())
    for column in (plain, plain.cast(pa.large_string()), plain.dictionary_encode(), plain.cast(pa.binary())):
        assert hash_column(column, seed).tolist() == expected
    assert hash_column(pa.concat_arrays([pa.array(["skipped"]), plain]).slice(1), seed).tolist() == expected


def test_numbers_hash_as_their_text():
    assert hash_column(pa.array([12, None]), 7).tolist() == [hash_text("12", 7), 0]


def test_both_halves_of_the_seed_matter():
    assert len({hash_text("a", 0), hash_text("a", 1), hash_text("a", 1 << 64)}) == 3


def test_an_empty_or_null_column_has_no_hashes():
    assert hash_column(pa.array([], pa.string()), 0).tolist() == []
    assert hash_column(pa.nulls(2), 0).tolist() == [0, 0]
