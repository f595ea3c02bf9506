"""Transfers between accounts: who pays and who is paid, told by a pair of columns."""

import pytest
from tests.adapters.drafted import Drafted, written

ROWS = range(40)


def transfers(folder, header, row):
    return written(folder, "\n".join([header, *map(row, ROWS)]) + "\n")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("sourceNodeId", "targetNodeId"), ("orig_acct", "bene_acct"), ("src", "dst"), ("from", "to"),
        ("from_account", "to_account"), ("Sender_account", "Receiver_account"), ("source_id", "dest_id"),
        ("debtor_account", "creditor_account"),
    ],
)  # fmt: skip
def test_a_pair_of_columns_tells_who_pays_and_who_is_paid(tmp_path, one, two):
    drafted = Drafted(
        transfers(
            tmp_path,
            f"tran_id,{one},{two},base_amt,tran_timestamp,is_sar",
            lambda n: f"{n},{n % 7},{100 + n % 5},{10 + n}.25,2024-01-{1 + n // 2:02}T00:00:00Z,{n % 9 == 0}",
        )
    )
    fields = drafted.fields
    assert (fields["account_id"], fields["counterparty_id"]) == (one, two)
    assert "customer_id" not in fields


@pytest.mark.parametrize(("one", "two"), [("Account", "Account.1"), ("Account", "Account")])
def test_two_accounts_of_one_name_are_told_by_the_banks_before_them(tmp_path, one, two):
    drafted = Drafted(
        transfers(
            tmp_path,
            f"Timestamp,From Bank,{one},To Bank,{two},Amount Paid,Payment Currency,Is Laundering",
            lambda n: f"2022/09/01 00:{n:02},{n % 3},8000{n % 7:03},{n % 4},8001{n % 5:03},{n}.1,US Dollar,0",
        )
    )
    assert set(drafted.values["account_id"]) < {f"8000{n:03}" for n in range(7)}
    assert set(drafted.values["counterparty_id"]) < {f"8001{n:03}" for n in range(5)}
    assert "account_id" not in drafted.questions


def test_a_pair_of_places_or_of_currencies_is_nobody(tmp_path):
    drafted = Drafted(
        transfers(
            tmp_path,
            "id,time,amount,from_country,to_country,source_currency,target_currency,customer",
            lambda n: f"t{n},2024-01-{1 + n // 2:02}T00:00:00Z,{n}.50,DE,FR,EUR,EUR,c{n % 4}",
        )
    )
    assert drafted.fields["customer_id"] == "customer"
    assert not {"account_id", "counterparty_id"} & drafted.fields.keys()


def test_an_answer_comes_before_a_pair(tmp_path):
    path = transfers(
        tmp_path,
        "id,time,amount,source_id,target_id",
        lambda n: f"t{n},2024-01-{1 + n // 2:02}T00:00:00Z,{n}.50,{n % 7},{n % 5}",
    )
    assert Drafted(path, counterparty_id="source_id").fields["counterparty_id"] == "source_id"
