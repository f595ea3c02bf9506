"""Streams written here, read by Arrow."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.decisions.fields import (
    Codes,
    Floats,
    ListColumns,
    Matrix,
    Numbers,
    TextColumns,
    Truths,
    WordColumns,
    lists_of_texts,
    no_floats,
    some_lists,
)
from ringfence.decisions.stream import Stream

SCHEMA = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("float", pa.float64()),
        pa.field("code", pa.dictionary(pa.int8(), pa.string())),
        pa.field("truth", pa.bool_()),
        pa.field("text", pa.string()),
        pa.field("texts", pa.list_(pa.string())),
        pa.field("floats", pa.list_(pa.float64())),
        pa.field("some", pa.list_(pa.string())),
        pa.field("none", pa.list_(pa.float64())),
        pa.field("m0", pa.float64()),
        pa.field("m1", pa.float64()),
    ],
    {"said": "once"},
)
CODES = ["approve", "review"]
STREAM = Stream(SCHEMA, {"code": pa.array(CODES)})


def read(payload):
    with pa.ipc.open_stream(payload) as reader:
        table = reader.read_next_batch()
        with pytest.raises(StopIteration):
            reader.read_next_batch()
    table.validate(full=True)
    return table


def columns_of(count, chance):
    floats = chance.normal(size=count)
    floats[chance.random(count) < 0.3] = np.nan
    lists = [[f"x{n}" for n in range(chance.integers(0, 4))] for _ in range(count)]
    rows = np.flatnonzero(chance.random(count) < 0.2)
    starts = np.arange(0, 2 * count + 1, 2, np.int32)
    matrix = chance.normal(size=(2, count + 3))[:, 1 : count + 1]
    return {
        "number": Numbers(chance.integers(-(2**60), 2**60, 2 * count)[::2]),
        "float": Floats(floats),
        "code": Codes(chance.integers(-1, 2, count).astype(np.int8), CODES),
        "truth": Truths(chance.random(count) < 0.5),
        "text": TextColumns(pa.array([f"Zürich {n}" for n in range(count + 2)]).slice(2)),
        "texts": lists_of_texts(lists),
        "floats": ListColumns(starts, Floats(np.where(chance.random(2 * count) < 0.5, np.inf, 1.5))),
        "some": some_lists(rows, [["a", "b"]] * len(rows), count, WordColumns),
        "none": no_floats(count),
    }, np.where(chance.random((2, count)) < 0.3, np.nan, matrix)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_what_was_written_is_read(count, seed):
    columns, matrix = columns_of(count, np.random.default_rng(seed))
    table = read(STREAM.write(count, [*columns.values(), Matrix(matrix)]))
    assert table.schema.equals(SCHEMA, check_metadata=True)
    assert table.num_rows == count
    for name, column in columns.items():
        assert table.column(name).to_pylist() == column.values(), name
    for name, row in zip(("m0", "m1"), matrix, strict=True):
        assert table.column(name).to_pylist() == Floats(row).values()


def test_arrow_counts_the_same_nulls():
    columns, matrix = columns_of(100, np.random.default_rng(1))
    table = read(STREAM.write(100, [*columns.values(), Matrix(matrix)]))
    for column in table.columns:
        assert column.null_count == sum(value is None for value in column.to_pylist())


def test_a_stream_of_ours_is_of_no_more_bytes_than_one_of_arrow():
    columns, matrix = columns_of(8, np.random.default_rng(2))
    payload = STREAM.write(8, [*columns.values(), Matrix(matrix)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_batch(read(payload))
    assert len(payload) <= len(sink.getvalue())
