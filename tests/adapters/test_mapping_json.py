"""Nested JSON as payment systems write it, each read by a written mapping to the last value."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.adapters.exports import NOW, TOKENIZER, Outcome, case, mapping

from ringfence.adapters.files import read_original
from ringfence.adapters.files.json_stream import json_lines


@pytest.mark.parametrize("batch_rows", [1, 8192])
def test_open_banking_is_nested(batch_rows):
    found = Outcome(
        case("nested-json/in.ndjson"),
        mapping(
            '"BookingDateTime"',
            '"Amount.Amount"',
            'transaction_id = "TransactionId"\ncurrency = "Amount.Currency"\naccount_id = "AccountId"\n'
            'merchant_id = "MerchantDetails.MerchantName"\n'
            'merchant_category = "MerchantDetails.MerchantCategoryCode"',
            'only = { CreditDebitIndicator = "Debit" }\nattributes = "*"',
            top='skip = { CreditDebitIndicator = "Credit" }',
        ),
        batch_rows=batch_rows,
    )
    assert found.column("transaction_id") == ["PAY0", "PAY2"]
    assert found.column("amount_minor") == [475, 1250]
    assert found.column("currency") == ["GBP"] * 2
    assert found.column("merchant_category") == ["5814"] * 2
    assert found.column("attributes.Status") == ["Booked"] * 2
    assert (found.skipped, found.bad) == (1, [])


def test_berlin_group_has_signed_amounts_and_an_account_within():
    found = Outcome(
        case("nested-json/bg.ndjson"),
        mapping(
            '{ column = "bookingDate", zone = "Europe/Berlin" }',
            '{ column = "transactionAmount.amount", sign = "negative", other_sign = "skip" }',
            'transaction_id = "transactionId"\ncurrency = "transactionAmount.currency"\n'
            'account_id = "debtorAccount.iban"',
        ),
    )
    assert found.column("amount_minor") == [1000, 10000]
    assert found.column("account_id") == ["DE65100110011234567890"] * 2
    assert found.times == ["2025-04-30T22:00:00.000"] * 2


PACS = mapping(
    '"FIToFICstmrCdtTrf.GrpHdr.CreDtTm"',
    '"FIToFICstmrCdtTrf.CdtTrfTxInf.IntrBkSttlmAmt.Amt.Amt"',
    """
transaction_id = "FIToFICstmrCdtTrf.CdtTrfTxInf.PmtId.EndToEndId"
currency = "FIToFICstmrCdtTrf.CdtTrfTxInf.IntrBkSttlmAmt.Amt.Ccy"
account_id = { first = ["FIToFICstmrCdtTrf.CdtTrfTxInf.DbtrAcct.Id.IBAN",
                        "FIToFICstmrCdtTrf.CdtTrfTxInf.DbtrAcct.Id.Othr[0].Id"] }
counterparty_id = "FIToFICstmrCdtTrf.CdtTrfTxInf.CdtrAcct.Id.Othr[0].Id"
""",
    top='file = { each = "FIToFICstmrCdtTrf.CdtTrfTxInf" }',
)


def test_pacs_008_one_payment_a_message():
    found = Outcome(case("pacs008/in.ndjson"), PACS)
    assert found.column("transaction_id") == ["E0", "E1", "E2"]
    assert found.column("amount_minor") == [3102089, 3102189, 3102289]
    assert found.column("account_id") == ["acc-1"] * 3
    assert found.column("counterparty_id") == ["acc-90", "acc-91", "acc-92"]


def test_pacs_008_many_payments_a_message(tmp_path):
    messages = [json.loads(line) for line in case("pacs008/in.ndjson").read_text().splitlines()]
    payments = [message["FIToFICstmrCdtTrf"]["CdtTrfTxInf"] for message in messages]
    broken = {**payments[0], "IntrBkSttlmAmt": {"Amt": {"Amt": "much", "Ccy": "USD"}}}
    messages[0]["FIToFICstmrCdtTrf"]["CdtTrfTxInf"] = [*payments, broken, 7]
    (tmp_path / "all.json").write_text(json.dumps(messages[0], indent=2))
    found = Outcome(tmp_path / "all.json", PACS)
    assert found.column("transaction_id") == ["E0", "E1", "E2"]
    assert found.reasons == [(1, "unparsable_amount"), (1, "missing_field")]
    again = read_original(found.bad[0].original.replace(b"much", b"5"), "json", found.mapping, TOKENIZER, NOW)
    assert again.events.table.to_pylist()[0]["amount_minor"] == 500


ISO8583 = """
[[records]]
only = { MTI = ["0100", "0200"] }
[records.fields]
transaction_id = "DE37"
event_time = { column = "DE7", format = "%m%d%H%M%S", year = "received" }
amount = { column = "DE4", unit = "minor" }
currency = "DE49"
card_number = "DE2"
terminal_id = "DE41"
merchant_id = "DE42"
merchant_category = "DE18"
entry_mode = "DE22"
"""


def test_iso_8583_has_minor_units_numeric_currencies_and_times_without_a_year():
    text = 'skip = { MTI = ["0400", "0420"] }\n' + ISO8583.replace('card_number = "DE2"\n', "")
    found = Outcome(case("iso8583/in.ndjson"), text)
    assert found.times == ["2026-05-01T10:00:00.000", "2026-05-01T10:01:00.000"]
    assert found.column("amount_minor") == [12300, 150]
    assert found.column("currency") == ["EUR"] * 2
    assert (found.skipped, found.bad) == (1, [])
    pinned = Outcome(case("iso8583/in.ndjson"), text.replace('year = "received"', "year = 2025"))
    assert pinned.times == ["2025-05-01T10:00:00.000", "2025-05-01T10:01:00.000"]
    early = Outcome(case("iso8583/in.ndjson"), text, now=NOW - 120 * 86_400_000)  # in March
    assert early.times == ["2025-05-01T10:00:00.000", "2025-05-01T10:01:00.000"]


def test_a_row_of_a_kind_that_no_record_takes_is_set_apart():
    found = Outcome(case("iso8583/in.ndjson"), ISO8583.replace('card_number = "DE2"\n', ""))
    assert found.reasons == [(3, "malformed")]


def test_minor_units_follow_each_rows_currency():
    text = mapping(
        '{ column = "created", format = "epoch_s" }',
        '{ column = "amount", unit = "minor", digits = { UGX = 2 } }',
        'transaction_id = "id"\ncurrency = "currency"',
        'attributes = "*"',
    )
    found = Outcome(case("stripe-api-minor/in.ndjson"), text)
    assert found.column("currency") == ["USD", "USD", "JPY", "EUR"]
    assert found.column("amount_minor")[:3] == [2000, 1099, 5000]
    assert found.column("attributes.outcome.risk_score") == [32.0] * len(found.rows)
    lists = Outcome(case("stripe-api-minor/in3.ndjson"), text.replace(', format = "epoch_s"', ""))
    assert lists.bad == []
    assert lists.rows[0]["amount_minor"] == 6  # 5.5 minor units, half to even


def test_parquet_is_nested_like_json(tmp_path):
    """The same mapping, the same events."""
    rows = [json.loads(line) for line in case("nested-json/in.ndjson").read_text().splitlines()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    text = mapping(
        '"BookingDateTime"',
        '"Amount.Amount"',
        'transaction_id = "TransactionId"\ncurrency = "Amount.Currency"',
        'attributes = "*"',
    )
    found, wanted = Outcome(tmp_path / "in.parquet", text), Outcome(case("nested-json/in.ndjson"), text)
    assert (found.rows, found.bad) == (wanted.rows, [])
    assert found.column("attributes.MerchantDetails.MerchantName") == ["Cafe"] * 3


@pytest.mark.parametrize("odd", [True, 7, {"d": "x"}, [1], "", None, 1e300])
def test_values_of_any_type_are_refused_row_by_row_and_break_nothing(tmp_path, odd):
    good = {"id": "a", "when": "2025-06-01 12:00 CEST", "zone": "UTC", "in": "5", "out": None}
    rows = [good, *({**good, "id": "b", name: odd} for name in good), {**good, "id": "c"}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    found = Outcome(
        tmp_path / "rows.json",
        mapping(
            '{ column = "when", zone_column = "zone" }',
            '{ credit = "in", debit = "out", sign = "any" }',
            'transaction_id = "id"',
            'attributes = "*"',
        ),
    )
    ids = found.column("transaction_id")
    assert (ids[0], ids[-1]) == ("a", "c")
    assert len(found.rows) + len(found.bad) == len(rows)


def test_the_first_record_of_a_live_source_does_not_wait_for_the_second():
    class Live:
        def chunks(self, encoding):
            yield b'{"transaction_id": "1"}\n'
            raise AssertionError(f"more {encoding} was asked for before the first record was given out")

    assert next(json_lines(Live())) == b'{"transaction_id": "1"}\n'
