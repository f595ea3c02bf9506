"""What nobody sees in a value makes no other value: zero-width characters, marks of direction, blanks."""

import pyarrow as pa
import pytest
from tests.adapters.drafted import NOW, Drafted

from ringfence.adapters.drafts.trial import tried
from ringfence.adapters.files import sniff
from ringfence.events.mapping import load_mapping, parse_mapping
from ringfence.events.values.norms import Norms

HEAD = "transaction_id,event_time,amount,currency,card_id\n"
UNSEEN = ["\u200b", "\ufeff", "\u200e", "\u2060", "\u00ad", " ", "\u00a0"]


def shipped(tmp_path, text):
    file = tmp_path / "some.csv"
    file.write_text(text, "utf-8")
    assert sniff(str(file)).mapping == "canonical"
    return tried(str(file), load_mapping("canonical"), NOW, None)


@pytest.mark.parametrize("mark", UNSEEN)
def test_values_and_headers_are_read_without_it(tmp_path, mark):
    cells = ["t1", "2024-05-01T10:00:00Z", "12.50", "EUR", "c1"]
    rows = [",".join(f"{cell}{mark}" for cell in cells), ",".join(f"{mark}{cell}" for cell in cells)]
    head = ",".join(f"{mark}{name}{mark}" for name in HEAD.strip().split(","))
    trial = shipped(tmp_path, "\n".join([head, *rows]) + "\n")
    assert (trial.payments, trial.refused.total()) == (2, 0)
    assert trial.values["transaction_id"] == ("t1",)
    assert trial.values["amount"] == ("12.50 EUR",)
    assert trial.values["card_id"] == ("c1",)


@pytest.mark.parametrize("field", ["card_id", "device_id", "merchant_id", "email", "account_id", "ip"])
@pytest.mark.parametrize("mark", UNSEEN)
def test_a_block_is_not_evaded_by_it(field, mark):
    """In a column of any length, in a list entry and alone, an id is the same with and without."""
    norms, plain = Norms(), {"email": "bob@mail.example", "ip": "1.2.3.4"}.get(field, "d-000000001")
    hidden = mark + plain + mark if mark.isspace() else plain[:3] + mark + plain[3:]
    assert norms.of(field, hidden) == plain
    assert norms.column(field, pa.array([plain, hidden, "x" * 60 + mark])).to_pylist() == [
        plain,
        plain,
        "x" * 60,
    ]


@pytest.mark.parametrize(
    ("amount", "stored"),
    [
        ("1'234.50", "1,234.50 EUR"),
        ("\uff11\uff12\uff0e\uff15\uff10", "12.50 EUR"),
        ("\u0661\u0662\u066b\u0665\u0660", "12.50 EUR"),
        ("1\u202f234.50", "1,234.50 EUR"),
    ],
)
def test_amounts_of_other_scripts_and_spaces(tmp_path, amount, stored):
    trial = shipped(tmp_path, f"{HEAD}t1,2024-05-01T10:00:00Z,{amount},EUR,c1\n")
    assert trial.values["amount"] == (stored,)


def test_the_remedy_of_an_amount_speaks_of_commas_only_where_there_are_any(tmp_path):
    said = shipped(tmp_path, f"{HEAD}t1,2024-05-01T10:00:00Z,inf,EUR,c1\n").told()
    assert "comma" not in said[0]
    said = shipped(tmp_path, f'{HEAD}t1,2024-05-01T10:00:00Z,"1,500",EUR,c1\n').told()
    assert "where commas part thousands" in said[0]


@pytest.mark.parametrize(
    ("column", "signs", "codes"),
    [
        ("Currency", ("\u20ac", "\u00a3"), ("EUR", "GBP")),
        ("", ("\u20ac", "\u20ac"), ("EUR",)),
        ("Unit", ("Euro", "US Dollar"), ("EUR", "USD")),
        ("Curr", ("$", "$"), ("USD",)),
        ("Curr", ("Euro", "USD"), ("EUR", "USD")),
        ("Curr", ("Canadian Dollar", "$"), ("CAD", "USD")),
        ("Currency", ("US Dollar (USD)", "$"), ("USD",)),
    ],
)
def test_a_column_of_signs_beside_the_amount_is_its_currency(tmp_path, column, signs, codes):
    file = tmp_path / "some.csv"
    rows = [f"b{at},2024-05-01 10:0{at},1{at}.50,{sign}\n" for at, sign in enumerate(signs)]
    file.write_text(f"Booking ID,Date,Amount,{column}\n{''.join(rows)}", "utf-8")
    found = Drafted(file)
    assert found.values["currency"] == codes
    assert ("several currencies share" in found.said) == ("$" in signs)
    assert tried(str(file), parse_mapping(found.text, "some"), NOW, None).refused.total() == 0


def test_a_column_of_words_that_name_no_one_currency_is_told_with_the_remedy(tmp_path):
    """It became an attribute, and "no column names a currency" stood there."""
    file = tmp_path / "some.csv"
    file.write_text(
        "id,date,amount,currency\nb1,2024-05-01 10:00,10.50,Peso\nb2,2024-05-01 11:00,10.50,Peso\n"
    )
    found = Drafted(file)
    assert "currency" not in found.fields
    assert "currency holds Peso, which names no one currency: say what its words mean, as in" in found.said
