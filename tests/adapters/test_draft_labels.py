"""Labels that no name gives away, nested ones, and ids that look like a clock, in drafts."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from tests.adapters.drafted import Drafted, table, written

from ringfence.errors import InputError

BEGIN = datetime(2025, 3, 1, tzinfo=UTC)


def with_column(folder, name, value):
    """200 payments, an hour apart, and one more column."""
    lines = [f"id,paid_at,amount,{name}"]
    lines += [
        f"t{n},{BEGIN + timedelta(hours=n):%Y-%m-%dT%H:%M:%SZ},9.{n % 90 + 10},{value(n)}" for n in range(200)
    ]
    return written(folder, "\n".join(lines))


def status(n):
    return "CHARGEBACK_FRAUD" if n % 10 == 3 else ("SETTLED", "REFUNDED")[n % 2]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("naughty", lambda n: int(n % 10 == 3), "naughty (0, 1)"),
        ("status", status, "status (CHARGEBACK_FRAUD)"),
    ],
)
def test_a_column_that_may_be_the_label_is_named_with_how_to_say_so(tmp_path, name, value, shown):
    found = Drafted(with_column(tmp_path, name, value))
    assert found.label is None
    assert f"a label record is missing. It may be {shown}: --answer label=COLUMN" in found.said


def test_an_answer_names_the_label_and_the_value_that_means_fraud(tmp_path):
    path = with_column(tmp_path, "code", lambda n: 40 if n % 10 == 3 else 10 * (n % 3 + 1))
    found = Drafted(path, label="code", fraud="40")
    assert found.label == {"column": "code", "fraud": ["40"], "delay": "7d"}
    assert "code" not in found.attributes
    with pytest.raises(InputError, match=r"Add --answer fraud=VALUE, one of .*40"):
        Drafted(path, label="code")
    with pytest.raises(InputError, match="code has no such value"):
        Drafted(path, label="code", fraud="41")
    plain = Drafted(with_column(tmp_path, "naughty", lambda n: int(n % 10 == 3)), label="naughty")
    assert plain.label["column"] == "naughty"


def test_what_stands_in_objects_of_parquet_is_drafted_by_its_path_and_lists_are_told(tmp_path):
    count = range(200)
    found = Drafted(
        table(
            tmp_path,
            {
                "id": [f"t{n}" for n in count],
                "paid_at": [BEGIN + timedelta(hours=n) for n in count],
                "amount": [n + 0.5 for n in count],
                "payer": pa.array([{"id": f"c{n % 9}", "home": {"area.code": n % 5}} for n in count]),
                "outcome": pa.array([{"is_fraud": n % 10 == 3} for n in count]),
                "tags": [["a", "b"]] * 200,
            },
        )
    )
    assert found.label["column"] == "outcome.is_fraud"
    assert found.fields["customer_id"] == "payer.id"
    assert found.refused == 0
    assert [one["column"] for one in found.attributes.values()] == ['payer.home."area.code"']
    assert "lists are left out: tags" in found.said


def test_an_answer_says_what_means_fraud_in_a_column_that_was_found(tmp_path):
    path = with_column(tmp_path, "is_fraud", lambda n: int(n % 10 == 3))
    assert Drafted(path, fraud="0").label["fraud"] == ["0"]
    with pytest.raises(InputError, match="is_fraud has no such value"):
        Drafted(path, fraud="CB02")


def test_ids_that_count_like_a_clock_are_ids(tmp_path):
    lines = ["payment_ref,paid_at,amount,cc_num"]
    lines += [
        f"{10**9 + n},{BEGIN + timedelta(hours=n):%Y-%m-%dT%H:%M:%SZ},9.{n % 90 + 10},{4 * 10**15 + n % 9}"
        for n in range(200)
    ]
    found = Drafted(written(tmp_path, "\n".join(lines)))
    assert found.fields["transaction_id"] == "payment_ref"
    assert found.fields["card_id"] == "cc_num"
    assert found.runner_up["event_time"] == ""
