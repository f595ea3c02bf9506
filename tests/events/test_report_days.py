"""A report dated by its day alone was known by the end of that day: no rate of labels sees it before."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from ringfence.events.decoding.binding import bind
from ringfence.events.mapping import load_mapping, parse_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.values.times import format_ms

NOW = int(datetime(2024, 6, 1, 12, tzinfo=UTC).timestamp() * 1000)
OTHER = """
[[records]]
kind = "{kind}"
[records.fields]
transaction_id = "id"
event_time = {{ column = "at", format = "{form}", zone = "{zone}" }}
{rest}
"""


def times_of(mapping, columns):
    table = pa.RecordBatch.from_pydict(columns)
    tokenizer = Tokenizer(b"0123456789abcdef")
    bound = bind(mapping, table.schema, "test", tokenizer=tokenizer, ingest_time_ms=NOW)
    mapped = bound.apply(table, np.arange(table.num_rows))
    assert not mapped.faults
    return [format_ms(int(ms)) for ms in mapped.events.event_time_ms]


def reported(at, form="iso", zone="UTC", kind="label"):
    rest = "label = { constant = true }" if kind == "label" else 'amount = { constant = "1.00" }'
    mapping = parse_mapping(OTHER.format(kind=kind, form=form, zone=zone, rest=rest), "test.toml")
    return times_of(mapping, {"id": ["t1"], "at": [at]})[0]


def test_the_shipped_mapping_takes_a_date_for_the_end_of_its_day_and_a_time_for_itself():
    columns = {"transaction_id": ["t1", "t2", "t3"]}
    columns["reported_at"] = ["2024-03-05", "2024-03-05T00:00:00Z", "2024-03-05T10:00:00Z"]
    assert times_of(load_mapping("labels"), columns) == [
        "2024-03-05T23:59:59.999Z",
        "2024-03-05T00:00:00.000Z",
        "2024-03-05T10:00:00.000Z",
    ]


@pytest.mark.parametrize(
    ("at", "form", "zone", "time"),
    [
        ("05.03.2024", "%d.%m.%Y", "UTC", "2024-03-05T23:59:59.999Z"),
        (date(2024, 3, 5), "iso", "UTC", "2024-03-05T23:59:59.999Z"),
        ("2024-03-05 00:00:00", "iso", "UTC", "2024-03-05T23:59:59.999Z"),
        ("2024-03-05 00:00:01", "iso", "UTC", "2024-03-05T00:00:01.000Z"),
        (19_787, "epoch_d", "UTC", "2024-03-05T23:59:59.999Z"),
        ("2024-03-31", "iso", "Europe/Berlin", "2024-03-31T21:59:59.999Z"),  # a day of 23 hours
        ("2024-06-01", "iso", "UTC", "2024-06-01T23:59:59.999Z"),
        ("2024-06-02", "iso", "UTC", "2024-06-02T12:00:00.000Z"),  # has begun somewhere east
    ],
)
def test_days_in_every_form_end_in_their_own_zone(at, form, zone, time):
    assert reported(at, form, zone) == time


def test_the_day_of_a_payment_stays_its_beginning():
    assert reported("2024-03-05", kind="transaction") == "2024-03-05T00:00:00.000Z"
