"""Columns as lines of JSON, and the formats of other systems."""

import json

import numpy as np
import pyarrow as pa
import pytest

from ringfence.simulate import START_MS, World
from ringfence.simulate.flagged_accounts import flagged_accounts, interleaved
from ringfence.simulate.lines import json_lines
from ringfence.simulate.micro_macro import RING, micro_macro
from ringfence.simulate.names import numbered

AWKWARD = 'a "quoted" \\ line\nand ü'


def test_a_line_holds_what_the_row_holds_and_no_nulls():
    rows = pa.RecordBatch.from_pydict(
        {
            "id": ["a", "b", "c"],
            "word": pa.array([AWKWARD, None, AWKWARD]).dictionary_encode(),
            "number": [1.5, None, -2.0],
            "flag": [None, True, False],
            "attributes.age": [None, 41.0, None],
            "attributes.city": pa.array([None, "Bern", "Bonn"]).dictionary_encode(),
            "nothing": pa.array([None] * 3, pa.string()),
        }
    )
    assert [json.loads(line) for line in json_lines(rows).to_pylist()] == [
        {"id": "a", "word": AWKWARD, "number": 1.5},
        {"id": "b", "flag": True, "attributes": {"age": 41.0, "city": "Bern"}},
        {"id": "c", "word": AWKWARD, "number": -2.0, "flag": False, "attributes": {"city": "Bonn"}},
    ]


def test_lines_of_a_slice_are_lines_of_its_rows():
    made = next(World(1, 200).days(1)).events
    assert json_lines(made.slice(50, 20)).to_pylist() == json_lines(made).to_pylist()[50:70]


def test_a_number_with_more_digits_than_there_is_room_for_is_written_out():
    assert numbered("tx-", np.array([9, 1234567]), 5).to_pylist() == ["tx-00009", "tx-1234567"]


class TestFlaggedAccounts:
    @pytest.fixture
    def days(self):
        return list(flagged_accounts(World(2, 800, fraud_rate=0.03), 12, seed=2))

    def test_transaction_ids_are_sixteen_hexadecimal_digits_and_unique(self, days):
        ids = [name for rows, _ in days for name in rows.column("Transaction_Id").to_pylist()]
        assert len(set(ids)) == len(ids)
        assert all(len(name) == 16 and int(name, 16) >= 0 for name in ids)

    def test_kinds_of_merchant_and_transaction_are_the_systems_own(self, days):
        kinds = {name for rows, _ in days for name in rows.column("Merchant_Type").to_pylist()}
        assert kinds == {
            "Grocery_Store", "Gas_Station", "Shopping_Mall", "City_Services", "HealthCare_Service",
            "Food and Beverage", "Others",
        }  # fmt: skip
        assert {name for rows, _ in days for name in rows.column("Transaction_Type").to_pylist()} == {
            "Online", "In Store",
        }  # fmt: skip

    def test_some_flags_are_told_twice(self, days):
        told = [tuple(row.values()) for _, flags in days for row in flags.to_pylist()]
        assert 0 < len(told) - len(set(told)) < len(told) / 2

    def test_a_single_stream_holds_everything_in_the_order_of_dates(self, days):
        rows, flags = max(days, key=lambda day: len(day[1]))
        stream = list(interleaved(rows, flags))
        assert sum(len(part) for part in stream) == len(rows) + len(flags)
        assert [part.column("Flag_Date")[0] for part in stream if "Flag_Date" in part.schema.names] == list(
            flags.column("Flag_Date")
        )


class TestMicroMacro:
    @pytest.fixture
    def rows(self):
        return next(micro_macro(1, 1, START_MS)).to_pylist()

    def test_eleven_accounts_share_an_e_mail_address_and_a_phone(self, rows):
        accounts = {row["account"] for row in rows if row["phone"] == "10001000"}
        assert accounts == {f"1234-5678-{number}" for number in RING}
        assert {row["accountemail"] for row in rows if row["phone"] == "10001000"} == {"ring@example.com"}

    def test_five_hundred_normal_payments_and_fifty_large_ones_of_the_ring(self, rows):
        large = [row for row in rows if int(row["transaction_amount"]) >= 10_000]
        assert (len(rows), len(large)) == (550, 50)
        assert all(row["phone"] == "10001000" for row in large)

    def test_each_day_is_another(self):
        first, second = micro_macro(2, 1, START_MS)
        assert first != second
        assert next(micro_macro(1, 1, START_MS, first=1)) == second
