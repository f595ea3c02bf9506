"""Whole stories from file to decision, in the formats of systems that Ringfence replaces."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from .conftest import write_ndjson

RING = [f"1234-5678-{number}" for number in range(20, 31)]


def paid(account, at, number, amount=10.0):
    return {
        "Account_Id": account,
        "Customer_Name": f"Customer {account}",
        "Merchant_Type": "Grocery_Store",
        "Transaction_Id": f"{number:016x}",
        "Transaction_Type": "Online",
        "Transaction_Amount": amount,
        "Transaction_Date": at,
    }


class TestFlaggedAccounts:
    """A flag: the account's phone, name or address changed. Its payments from then on are looked at."""

    def decided(self, ringfence) -> dict[str, str]:
        rows = ringfence("decisions", "--json").json_lines
        return {row["transaction_id"].lstrip("0"): row["outcome"] for row in rows}

    def test_payments_from_the_flags_date_on_are_reviewed_and_no_others(self, ringfence, project):
        flags = [{"Account_Id": 7, "Flag_Date": "2024-05-02T00:00:00"}]
        payments = [
            paid(7, "2024-05-01T23:59:59", 1),
            paid(7, "2024-05-02T00:00:00", 2),
            paid(8, "2024-05-03T00:00:00", 3),
            paid(7, "2024-05-04T00:00:00", 4),
        ]
        write_ndjson(project / "flagged_accounts.ndjson", flags)
        write_ndjson(project / "transactions.ndjson", payments)
        ended = ringfence("run", "flagged_accounts.ndjson", "transactions.ndjson")
        assert ended.code == 0
        assert "flagged-accounts" in ended.err
        assert self.decided(ringfence) == {"1": "approve", "2": "review", "3": "approve", "4": "review"}

    def test_a_payment_that_came_before_its_flags_message_is_found_when_the_flag_arrives(
        self, ringfence, project
    ):
        """Both topics in one stream, as they arrive: payment dated after the flag, then the flag, twice."""
        flag = {"Account_Id": 7, "Flag_Date": "2024-05-02T00:00:00"}
        rows = [paid(7, "2024-05-03T00:00:00", 1), paid(7, "2024-05-01T00:00:00", 2), flag, flag]
        write_ndjson(project / "both.ndjson", rows)
        ended = ringfence(
            "run", "both.ndjson", "--mapping", "flagged-accounts", "--order", "arrival", "--json"
        )
        assert (ended.code, ended.json["flag_matches"]) == (0, 1)
        question = 'SELECT transaction_id FROM flag_matches JOIN decisions ON transaction_offset = "offset"'
        found = ringfence("sql", question, "--format", "json").json_lines
        assert [row["transaction_id"].lstrip("0") for row in found] == ["1"]

    def test_flags_survive_a_restart(self, ringfence, project):
        write_ndjson(project / "f.ndjson", [{"Account_Id": 7, "Flag_Date": "2024-05-02T00:00:00"}])
        write_ndjson(project / "t.ndjson", [paid(7, "2024-05-03T00:00:00", 1)])
        for name in ("f.ndjson", "t.ndjson"):
            ringfence("run", name, "--mapping", "flagged-accounts")
        assert self.decided(ringfence) == {"1": "review"}


@pytest.fixture
def ring_payments(project):
    """A hundred accounts and a ring of eleven: 500 normal payments, 50 large ones by members of the ring."""
    rng, at = random.Random(5), datetime(2024, 8, 19, 2, tzinfo=UTC)
    accounts = [f"1234-5678-{number}" for number in range(1, 101)]
    kinds = [False] * 500 + [True] * 50
    rng.shuffle(kinds)
    rows = []
    for large in kinds:
        at += timedelta(seconds=rng.expovariate(1 / 12))
        account = rng.choice(RING if large else accounts)
        shared = account in RING
        rows.append(
            {
                "object_type": "transaction",
                "account": account,
                "accountemail": "ring@example.com" if shared else f"{account}@example.com",
                "phone": "10001000" if shared else account[-4:].replace("-", "") + "5550",
                "merchant": f"1234-5678-{rng.randrange(1000, 1020)}",
                "transaction_amount": str(rng.choice([10_000, 20_000, 50_000] if large else [100, 200, 500])),
                "time": at.strftime("%b %d, %Y, %H:%M:%S.%f")[:-3],
            }
        )
    return write_ndjson(project / "ring.ndjson", rows)


class TestMicroAnalysis:
    def test_only_accounts_of_the_ring_move_more_than_fifty_thousand_in_five_minutes(
        self, ringfence, ring_payments
    ):
        assert ringfence("run", ring_payments, "--mapping", "micro-macro").code == 0
        question = (
            "SELECT DISTINCT account_id FROM transactions JOIN decisions USING (transaction_id) "
            "WHERE list_contains(rules, 'account_large_sum')"
        )
        found = {row["account_id"] for row in ringfence("sql", question, "--format", "json").json_lines}
        assert found
        assert found <= set(RING)

    def test_the_sums_are_those_that_sql_gives(self, ringfence, ring_payments):
        ringfence("run", ring_payments, "--mapping", "micro-macro")
        question = (
            "SELECT count(*) FILTER (account.sum_amount_5m != expected) AS wrong, count(*) AS n FROM ("
            "SELECT t.transaction_id, (SELECT sum(o.amount) FROM transactions o "
            'WHERE o.account_id = t.account_id AND o."offset" <= t."offset" '
            "AND o.event_time_ms > t.event_time_ms - 300000) AS expected "
            "FROM transactions t) JOIN features USING (transaction_id)"
        )
        assert ringfence("sql", question, "--format", "json").json == {"wrong": 0, "n": 550}

    def test_the_same_file_twice_counts_nothing_twice(self, ringfence, ring_payments):
        ringfence("run", ring_payments, "--mapping", "micro-macro")
        again = ringfence("run", ring_payments, "--mapping", "micro-macro", "--json").json
        assert (again["transactions"], again["duplicates"]) == (0, 550)

    def test_more_than_five_payments_in_fifteen_minutes_are_reviewed(self, ringfence, project):
        row = {"object_type": "transaction", "account": "a", "merchant": "m", "transaction_amount": "100"}
        times = [f"Aug 19, 2024, 02:{minute:02}:00.000" for minute in (0, 2, 4, 6, 8, 10, 30)]
        write_ndjson(project / "six.ndjson", [row | {"time": time} for time in times])
        ringfence("run", "six.ndjson", "--mapping", "micro-macro")
        outcomes = [row["outcome"] for row in ringfence("decisions", "--json").json_lines]
        assert outcomes == ["approve", "review", *["approve"] * 5]
