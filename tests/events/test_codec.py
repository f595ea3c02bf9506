"""What is stored comes back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import CorruptError
from ringfence.events.batch import EventBatch
from ringfence.events.codec import decode, encode
from ringfence.events.model import EVENT_SCHEMA

VALUES = {
    pa.string(): st.text(max_size=12),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.uint8(): st.integers(0, 4),
}


@st.composite
def batches(draw):
    rows = draw(st.integers(1, 80))
    columns = {}
    for field in EVENT_SCHEMA:
        one = VALUES[field.type]
        if not field.nullable or draw(st.integers(0, 3)) == 0:
            cell = one if not field.nullable else one | st.none()
            columns[field.name] = pa.array(draw(st.lists(cell, min_size=rows, max_size=rows)), field.type)
    columns["attributes.x"] = pa.array(
        draw(st.lists(st.none() | st.text(max_size=3), min_size=rows, max_size=rows)), pa.string()
    )
    return EventBatch(pa.RecordBatch.from_pydict(columns))


@given(batches())
def test_a_stored_batch_comes_back_without_its_empty_columns(batch):
    back = decode(encode(batch))
    assert len(back) == len(batch)
    for name in batch.table.schema.names:
        before = batch.table.column(name)
        if before.null_count < len(before):
            assert back.column(name).equals(before)
        else:
            assert name not in back.table.schema.names


def test_one_event_is_stored_in_little():
    one = EventBatch(
        pa.RecordBatch.from_pydict(
            {
                "kind": pa.array([0], pa.uint8()),
                "event_time_ms": pa.array([7]),
                **{name: pa.nulls(1, pa.string()) for name in ("city", "country", "email", "phone", "ip")},
            }
        )
    )
    assert len(encode(one)) < 600


@pytest.mark.parametrize("payload", [b"", b"nonsense", b"\xff\xff\xff\xff\x10"])
def test_what_does_not_decode_is_said_to_be_corrupt(payload):
    with pytest.raises(CorruptError, match="does not decode"):
        decode(payload)


def test_a_slice_is_stored_without_the_rest():
    table = pa.RecordBatch.from_pydict(
        {"kind": pa.array(np.zeros(9000, np.uint8)), "event_time_ms": pa.array(np.arange(9000))}
    )
    assert len(encode(EventBatch(table).slice(0, 1))) < 1000
