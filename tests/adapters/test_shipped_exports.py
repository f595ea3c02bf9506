"""What people really export is known by its columns, and read by a shipped mapping to the last value."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringfence.adapters.files import read, sniff
from ringfence.events.mapping import SHIPPED, load_mapping
from ringfence.events.model import Kind
from ringfence.events.privacy.tokens import Tokenizer

CASES = Path(__file__).parent / "cases"
NOW = 1_785_000_000_000  # 2026-07-25

EXPECTED = {
    "stripe-refunded/in.csv": (
        "stripe",
        [("ch_01", "2026-07-10 18:37:41", 106186, "USD"), ("ch_02", "2026-07-10 18:39:00", 2000, "USD"),
         ("ch_03", "2026-07-10 18:40:22", 5000, "JPY"), ("ch_04", "2026-07-10 18:41:22", 2000, "USD")],
        {"card_id": ["card_a", "card_a", "card_b", "card_c"]}, 0, 0,
    ),
    "stripe-api-minor/in.ndjson": (
        "stripe-api",
        [("ch_0", "2024-05-01 10:00:00", 2000, "USD"), ("ch_1", "2024-05-01 10:01:00", 1099, "USD"),
         ("ch_2", "2024-05-01 10:02:00", 5000, "JPY"), ("ch_3", "2024-05-01 10:03:00", 123456, "EUR")],
        {"customer_id": ["cus_0", "cus_1", "cus_0", "cus_1"]}, 0, 0,
    ),
    "adyen/in.csv": (
        "adyen",
        [("PSP1", "2026-07-15 08:22:31", 4599, "EUR"), ("PSP2", "2026-07-16 07:00:00", 5000, "JPY"),
         ("PSP2", "2026-07-20 07:00:00", None, None)],
        {"label": [None, None, True]}, 0, 1,
    ),
    "paypal/in.csv": (
        "paypal",
        [("1AB23456CD789012E", "2025-10-26 06:30:00", 150000, "USD"),
         ("2BC34567DE890123F", "2025-10-26 07:10:00", 9999, "USD")],
        {}, 0, 2,
    ),
    "paysim/in.csv": (
        "paysim",
        [(None, "2020-01-01 01:00:00", 983964, None), (None, "2020-01-01 01:00:00", 18100, None),
         (None, "2020-01-01 02:00:00", 18100, None)],
        {"account_id": ["C1231006815", "C1305486145", "C840083671"]}, 2, 0,
    ),
    "tabformer/in.csv": (
        "tabformer",
        [(None, "2002-09-01 06:21:00", 13107, "USD"), (None, "2002-09-01 06:42:00", 3642, "USD"),
         (None, "2010-12-31 23:59:00", 120055, "USD"), (None, "2011-01-01 00:01:00", 399, "USD")],
        {"card_id": ["0|0", "0|0", "1|0", "1|0"], "attributes.zip": ["91750", "91754", "02101", "02101"]},
        1, 1,
    ),
    "banksim/in.csv": (
        "banksim",
        [(None, "2020-01-01 00:00:00", 455, None), (None, "2020-01-01 00:00:00", 3968, None),
         (None, "2020-01-02 00:00:00", 26510, None)],
        {"customer_id": ["C1093826151", "C352968107", "C1315400589"],
         "merchant_category": ["es_transportation", "es_transportation", "es_health"]}, 1, 0,
    ),
    "nested-json/in.ndjson": (
        "open-banking-uk",
        [("PAY0", "2025-05-01 10:00:00", 475, "GBP"), ("PAY2", "2025-05-01 10:02:00", 1250, "GBP")],
        {"merchant_category": ["5814", "5814"]}, 0, 1,
    ),
    "responses/open-banking-uk.json": (
        "open-banking-uk-response", [("T1", "2025-05-01 09:00:00", 475, "GBP")],
        {"account_id": ["22289"]}, 0, 1,
    ),
    "nested-json/bg.ndjson": (
        "berlin-group",
        [("tx0", "2025-05-01 00:00:00", 1000, "EUR"), ("tx2", "2025-05-01 00:00:00", 10000, "EUR")],
        {"account_id": ["DE65100110011234567890"] * 2, "counterparty_id": ["Shop"] * 2}, 0, 1,
    ),
    "responses/berlin-group.json": (
        "berlin-group-response",
        [("b1", "2025-05-01 00:00:00", 1000, "EUR"), ("b3", "2025-05-03 00:00:00", 9990, "EUR")],
        {"counterparty_id": ["Shop", "FR7630006000011234567890189"]}, 0, 1,
    ),
    "pacs008/in.ndjson": (
        "pacs008",
        [("E0", "2025-05-01 10:00:00", 3102089, "USD"), ("E1", "2025-05-01 10:01:00", 3102189, "USD"),
         ("E2", "2025-05-01 10:02:00", 3102289, "USD")],
        {"account_id": ["acc-1"] * 3, "counterparty_id": ["acc-90", "acc-91", "acc-92"]}, 0, 0,
    ),
    "pain001/in.json": (
        "pain001",
        [("MSG-1|E1", "2025-05-01 10:00:00", 125000, "EUR"), ("MSG-1|E2", "2025-05-01 10:00:00", 750, "EUR")],
        {"account_id": ["DE65100110011234567890"] * 2,
         "counterparty_id": ["FR7630006000011234567890189", "acc-7"]}, 0, 0,
    ),
    "fraud-detector/in.csv": (
        "fraud-detector",
        [("e1", "2024-05-01 10:00:00", 12050, "USD"), ("e1", "2024-05-20 00:00:00", None, None),
         ("e2", "2024-05-01 10:01:00", 2000, "USD"), ("e2", "2024-05-20 00:00:00", None, None),
         ("e3", "2024-05-01 10:02:00", 700, "USD")],
        {"customer_id": ["c1", None, "c2", None, "c3"], "label": [None, True, None, False, None],
         "card_bin": ["411111", None, "545454", None, "545454"]}, 0, 0,
    ),
    "labels/in.csv": (
        "labels", [("ch_0", "2024-05-20 00:00:00", None, None), ("ch_2", "2024-06-02 00:00:00", None, None)],
        {"label": [True, True], "reason_code": ["10.4", "83"], "label_source": ["visa", "visa"]}, 0, 0,
    ),
    "pacs004/in.ndjson": (
        "pacs004", [("E0", "2025-05-02 10:00:00", 2089, "USD"), ("u-1", "2025-05-02 10:00:00", 750, "EUR")],
        {"action": ["refund", "refund"], "reason_code": ["AC04", None]}, 0, 0,
    ),
    "pacs007/in.ndjson": (
        "pacs007", [("E0", "2025-05-02 10:00:00", 2089, "USD")], {"action": ["reversal"]}, 0, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_an_export_is_known_by_its_columns_and_read(name):
    mapping, payments, more, labels, skipped = EXPECTED[name]
    assert sniff(str(CASES / name)).mapping == mapping
    rows, found_labels, found_skipped = [], 0, 0
    for batch in read([str(CASES / name)], load_mapping(mapping), Tokenizer(bytes(16)), NOW):
        assert batch.bad == []
        rows += batch.events.table.to_pylist()
        found_labels += len(batch.labels) if batch.labels else 0
        found_skipped += batch.skipped
    if any(row["kind"] == 0 for row in rows):  # what became of payments: test_lifecycle_mappings
        rows = [row for row in rows if row["kind"] != Kind.LIFECYCLE]
    times = [f"{datetime.fromtimestamp(row['event_time_ms'] / 1000, UTC):%Y-%m-%d %H:%M:%S}" for row in rows]
    got = [
        (row["transaction_id"], time, row.get("amount_minor"), row.get("currency"))
        for row, time in zip(rows, times, strict=True)
    ]
    assert [one[1:] for one in got] == [one[1:] for one in payments]
    assert all(wanted[0] in (None, one[0]) for wanted, one in zip(payments, got, strict=True))
    assert len({one[0] for one in got if one[2] is not None}) == sum(one[2] is not None for one in got)
    assert (found_labels, found_skipped) == (labels, skipped)
    for field, values in more.items():
        assert [row.get(field) for row in rows] == values


def test_iso_8583_keeps_the_full_card_as_a_token_and_a_masked_one_by_the_digits_that_show():
    file = str(CASES / "iso8583" / "in.ndjson")
    assert sniff(file).mapping == "iso8583"
    (batch,) = read([file], load_mapping("iso8583"), Tokenizer(bytes(16)), NOW)
    row, masked, _reversal = batch.events.table.to_pylist()
    assert (row["transaction_id"], row["amount_minor"], row["currency"]) == (
        "512110000001|000001",
        12300,
        "EUR",
    )
    assert row["card_id"].startswith("tok_")
    assert datetime.fromtimestamp(row["event_time_ms"] / 1000, UTC).isoformat() == "2026-05-01T10:00:00+00:00"
    assert (masked["card_id"], masked["card_last4"]) == ("411111******1111", "1111")
    assert [one["attributes.card_expiry"] for one in (row, masked)] == ["2027-12", "2028-01"]
    assert (batch.skipped, batch.bad) == (0, [])


def test_every_shipped_mapping_has_a_sample():
    sampled = {mapping for mapping, *_ in EXPECTED.values()} | {"iso8583"}
    older = {"canonical", "handbook", "sparkov", "flagged-accounts", "micro-macro"}  # read in test_files
    assert sampled | older == set(SHIPPED)
