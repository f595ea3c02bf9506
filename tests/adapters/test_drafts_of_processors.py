"""Exports of payment processors and banks, with invented rows: a column of another meaning is no id."""

import pytest
from tests.adapters.drafted import Drafted, written

DAYS = [(2, 3), (2, 14), (3, 5), (3, 25), (4, 1), (4, 19)]


def table(header, row):
    return "\n".join([header, *(row(at, *DAYS[at % 6]) for at in range(12))]) + "\n"


def test_square_names_the_zone_of_its_clock_in_words(tmp_path):
    header = "Date,Time,Time Zone,Gross Sales,Total Collected,Transaction ID,Card Brand,PAN Suffix"
    text = table(
        header,
        lambda at, month, day: (
            f"2024-{month:02}-{day:02},14:{at:02}:05,Eastern Time (US & Canada),$1{at}.50,$1{at}.60,"
            f"sqTx{at}aB3,Visa,{1000 + at % 5}"
        ),
    )
    draft = Drafted(written(tmp_path, text))
    assert (draft.refused, draft.rows) == (0, 12)
    assert draft.times[0] == "2024-02-03T19:00:05"
    assert draft.times[2] == "2024-03-05T19:02:05"
    assert "card_id" not in draft.fields


def test_what_a_merchant_calls_the_order_is_no_merchant(tmp_path):
    text = table(
        "sale_date;amount;currency_code;order_id;merchant_reference1;purchase_country",
        lambda at, month, day: f"2024-{month:02}-{day:02}T14:{at:02}:05Z;1{at},50;EUR;ord-{at:06};R{at};DE",
    )
    draft = Drafted(written(tmp_path, text))
    assert draft.fields["transaction_id"] == "order_id"
    assert "merchant_id" not in draft.fields
    assert "merchant_reference1" in draft.attributes


def test_a_merchant_reference_that_returns_may_still_be_the_merchant(tmp_path):
    text = table(
        "id,paid_at,amount,currency,merchant_reference",
        lambda at, month, day: f"t{at},2024-{month:02}-{day:02}T14:{at:02}:05Z,1{at}.50,EUR,M{at % 3}",
    )
    assert Drafted(written(tmp_path, text)).fields["merchant_id"] == "merchant_reference"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Card Holder Full Name", "Jo Do"),
        ("card_network", "Visa"),
        ("Card Brand", "mastercard"),
        ("Card issuer", "Bank of Somewhere"),
        ("card_level", "gold"),
    ],
)
def test_what_many_cards_share_is_no_cards_id(tmp_path, column, value):
    text = table(
        f"id,paid_at,amount,currency,{column}",
        lambda at, month, day: f"t{at},2024-{month:02}-{day:02}T14:{at:02}:05Z,1{at}.50,EUR,{value}",
    )
    draft = Drafted(written(tmp_path, text))
    assert "card_id" not in draft.fields
    assert draft.refused == 0


def test_an_order_code_is_the_payments_id(tmp_path):
    text = table(
        "Merchant Code;Order Code;Date;Currency;Amount",
        lambda at, month, day: f"SHOP;ord-{at:05};{day:02}/{month:02}/2024 14:{at:02};GBP;1{at}.50",
    )
    draft = Drafted(written(tmp_path, text))
    assert draft.fields["transaction_id"] == "Order Code"
    assert draft.fields["merchant_id"] == "Merchant Code"
