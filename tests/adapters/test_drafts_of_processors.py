"""Exports of payment processors and banks, with invented rows: a column of another meaning is no id."""

import pytest
from tests.adapters.drafted import Drafted, written

from ringfence.errors import InputError

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


def test_a_card_is_its_fingerprint_rather_than_the_digits_that_are_shown(tmp_path):
    """As Checkout.com exports actions: one payment is authorised in one row and captured in the next."""
    text = table(
        "Payment ID,Action ID,Action Type,Action Date UTC,Amount,Currency,Card Number,Card Fingerprint",
        lambda at, month, day: (
            f"pay_{at // 2:04},act_{at:04},{('Authorization', 'Capture')[at % 2]},"
            f"2024-{month:02}-{day:02}T14:{at:02}:05Z,1{at}.50,EUR,424242******4242,fp{at // 4}"
        ),
    )
    draft = Drafted(written(tmp_path, text))
    assert draft.fields["card_id"] == "Card Fingerprint"
    assert "device_id" not in draft.fields
    assert "6 of 12 rows report a later step" in draft.said
    assert draft.top["skip"] == {"Action Type": ["Capture"]}


@pytest.mark.parametrize("status", ["captured", "authorized", "refunded"])
def test_one_state_for_all_rows_says_nothing_of_steps(tmp_path, status):
    text = table(
        "id,paid_at,amount,currency,status",
        lambda at, month, day: f"t{at},2024-{month:02}-{day:02}T14:{at:02}:05Z,1{at}.50,EUR,{status}",
    )
    assert "report a later step" not in Drafted(written(tmp_path, text)).said


def test_numbers_that_begin_with_a_plus_are_phones_and_keep_it(tmp_path):
    """As Razorpay has them, under "contact"; also where they only ever grow."""
    text = table(
        "id,amount,currency,contact,created_at",
        lambda at, month, day: f"pay_{at:06},1{at}.50,INR,+9198765432{at:02},2024-{month:02}-{day:02}",
    )
    draft = Drafted(written(tmp_path, text))
    assert draft.fields["phone"] == "contact"
    assert draft.values["phone"][0] == "+919876543200"


@pytest.mark.parametrize(
    ("ids", "kept"), [("0 1 0 5 0 17 0 0 31 0", False), ("0 1 5 17 31 0", True), ("0 0 0 0 0 0 1 5", True)]
)
def test_who_orders_as_a_guest_is_no_customer_0(tmp_path, ids, kept):
    """As WooCommerce has them. Where ids count from 0 on, 0 returns about as often as others."""
    ids = ids.split()
    rows = [f"{1000 + at},2024-02-03T14:{at:02}:05Z,1{at}.50,EUR,{one}" for at, one in enumerate(ids)]
    draft = Drafted(
        written(tmp_path, "\n".join(["order id,paid_at,amount,currency,customer user id", *rows]))
    )
    assert draft.fields["customer_id"] == "customer user id"
    assert (draft.top.get("keep_values") == ["0"], draft.top.get("null_values") == ["0"]) == (kept, not kept)


def test_shift_jis_is_told_by_its_bytes_and_other_encodings_by_an_answer(tmp_path):
    japanese = table(
        "id,paid_at,amount,currency,顧客名",
        lambda at, month, day: f"t{at},2024-{month:02}-{day:02}T14:{at:02}:05Z,12{at},JPY,山田たろう{at}",
    )
    draft = Drafted(written(tmp_path, japanese, encoding="cp932"))
    assert draft.top["file"]["encoding"] == "cp932"
    assert (draft.refused, "顧客名" in draft.attributes) == (0, True)
    assert "read as Shift-JIS" in draft.said
    arabic = table(
        "id,التاريخ,amount,currency,الاسم",
        lambda at, month, day: f"t{at},2024-{month:02}-{day:02}T14:{at:02}:05Z,1{at}.50,SAR,محمد علي",
    )
    path = written(tmp_path, arabic, "arabic.csv", encoding="cp1256")
    assert "--answer encoding=" in Drafted(path).said
    draft = Drafted(path, encoding="windows-1256")
    assert draft.fields["event_time"] == "التاريخ"
    assert "الاسم" in draft.attributes
    for none in ("windows-12", "base64", "hex", "undefined"):
        with pytest.raises(InputError, match="no such encoding"):
            Drafted(path, encoding=none)


@pytest.mark.parametrize("encoding", ["cp1252", "cp1250", "cp1251"])
def test_letters_with_accents_are_no_japanese(tmp_path, encoding):
    names = {"cp1252": "Bäckerei Käse – „München“", "cp1250": "Łódź śląsk", "cp1251": "Москва Перевод"}
    text = table(
        "id,paid_at,amount,currency,note",
        lambda at, month, day: (
            f"t{at},2024-{month:02}-{day:02}T14:{at:02}:05Z,1{at}.50,EUR,{names[encoding]}"
        ),
    )
    assert Drafted(written(tmp_path, text, encoding=encoding)).top["file"]["encoding"] == "cp1252"


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("McDonald\u2019s", "cp1252"),
        ("O\u2019Brien", "cp1252"),
        ("Fleurs d\u2019eau", "cp1252"),
        ("\u201cMacy\u2019s\u201d", "cp1252"),
        ("Šibenik", "cp1250"),
    ],
)
def test_an_apostrophe_and_the_letter_behind_it_are_no_japanese(tmp_path, name, encoding):
    """A curly apostrophe and the s behind it were read as one sign of Shift-JIS."""
    text = table(
        "id,paid_at,amount,currency,note",
        lambda at, month, day: f"t{at},2024-{month:02}-{day:02}T14:{at:02}:05Z,1{at}.50,EUR,{name}",
    )
    assert Drafted(written(tmp_path, text, encoding=encoding)).top["file"]["encoding"] == "cp1252"


def test_a_file_without_a_known_column_names_the_encoding_among_the_remedies(tmp_path):
    text = table("取引,日時,金額", lambda at, month, day: f"t{at},2024-{month:02}-{day:02} 14:{at:02},12{at}")
    with pytest.raises(InputError, match=r"金額.*--answer encoding="):
        Drafted(written(tmp_path, text, encoding="cp932"))
