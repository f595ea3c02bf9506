"""Types that writers of Parquet use: bytes for texts, UUIDs, microseconds, days and clocks, ids as floats."""

import datetime as dt
import decimal
import uuid

import pyarrow as pa
import pytest
from tests.adapters.drafted import CARD, NOW, Drafted, table

from ringfence.adapters.drafts.trial import tried
from ringfence.adapters.files.reading import read
from ringfence.events.mapping import parse_mapping
from ringfence.events.privacy.tokens import Tokenizer

TIMES = [dt.datetime(2026, 5, 1, 10, at, 0, 123456, dt.UTC) for at in range(4)]
COLUMNS = {
    "id": list("abcd"),
    "amount": [1.5, 2.5, 3.25, 4.0],
    "ts": pa.array(TIMES, pa.timestamp("ms"), safe=False),
}
UUIDS = [uuid.UUID(int=2**127 + at) for at in range(4)]
FIRST = "2026-05-01T10:00:00.123"


def drafted(folder, **columns):
    given = {name: column for name, column in {**COLUMNS, **columns}.items() if column is not None}
    found = Drafted(table(folder, given))
    trial = tried(str(found.path), parse_mapping(found.text, "some"), NOW, None)
    assert (trial.payments, trial.refused.total()) == (4, 0)
    return found


@pytest.mark.parametrize(
    "column",
    [
        pa.array(TIMES, pa.timestamp("us")),
        pa.array(TIMES, pa.timestamp("ns", "Europe/Berlin")),
        pa.array([one.replace(tzinfo=None).isoformat().encode() for one in TIMES]),
    ],
)
def test_times_with_microseconds_or_as_bytes_are_read(tmp_path, column):
    """A draft of microseconds ended in a traceback."""
    assert drafted(tmp_path, ts=column).times[0] == FIRST


def test_days_and_clocks_in_two_columns_are_one_time(tmp_path):
    """The draft wrote a form of days with midnight in it, and refused its own file."""
    clocks = pa.array([one.time() for one in TIMES], pa.time64("us"))
    found = drafted(tmp_path, ts=None, date=pa.array([one.date() for one in TIMES]), time=clocks)
    assert found.times[0] == FIRST


@pytest.mark.parametrize(
    ("column", "first"),
    [
        (pa.array([b"a", b"b", b"c", b"d"]), "a"),
        (pa.array([b"\xff%d" % at for at in range(4)], pa.large_binary()), "ff30"),
        (pa.array([one.bytes for one in UUIDS], pa.binary(16)), str(UUIDS[0])),
        (pa.array([one.bytes for one in UUIDS], pa.uuid()), str(UUIDS[0])),
        (pa.array([1.0, 2.0, 3.0, 4.0]), "1"),
        (pa.array([decimal.Decimal(at) for at in range(1, 5)]), "1"),
    ],
)
def test_ids_of_bytes_and_floats_are_texts(tmp_path, column, first):
    """Bytes ended in a traceback, UUIDs were missing in each row, and floats gave way to row numbers."""
    found = drafted(tmp_path, id=column)
    assert found.fields["transaction_id"] == "id"
    assert found.values["transaction_id"][0][:16] == first[:16]


def test_whoever_is_missing_in_some_rows_stays_somebody(tmp_path):
    found = drafted(
        tmp_path, customer_id=[7000.0, None, 7001.0, 7000.0], account=pa.array([{"id": b"a"}] * 4)
    )
    assert found.values["customer_id"] == ("7000", "7001")
    assert found.values["account_id"] == ("a",)


def test_a_card_number_of_bytes_is_no_more_kept_than_one_of_text(tmp_path):
    found = drafted(
        tmp_path, note=pa.array([CARD.encode()] * 4), box=pa.array([{"inner": CARD.encode()}] * 4)
    )
    text = found.text.replace('"amount"', '"note"')  # every row is refused, and kept in quarantine
    batches = list(read([str(found.path)], parse_mapping(text, "some"), Tokenizer(b"k" * 32), NOW))
    kept = [record.original for batch in batches for record in batch.bad]
    assert len(kept) == 4
    assert not any(CARD.encode() in one or b"NDExMTEx" in one for one in kept)
