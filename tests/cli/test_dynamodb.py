"""`ringfence dynamodb` against an emulator: from a run to an item."""

import json

from tests.adapters.aws.emulator import environment

from .conftest import payment


def test_a_decision_is_looked_up_by_account(ringfence, project, monkeypatch):
    environment(monkeypatch)
    rows = [payment(number, account_id=f"a{number % 2}") for number in range(4)]
    (project / "in.ndjson").write_text("\n".join(map(json.dumps, rows)))
    assert ringfence("run", "in.ndjson").code == 0
    assert "is made" in ringfence("dynamodb", "create", "--table", "cli-audit").out
    assert "there already" in ringfence("dynamodb", "create", "--table", "cli-audit").out
    monkeypatch.setenv("RINGFENCE_DYNAMODB_TABLE", "cli-audit")
    assert "up to 4" in ringfence("dynamodb", "load").out
    found = ringfence("dynamodb", "get", "a1", "--json").json_lines
    assert [one["transaction_id"] for one in found] == ["p1", "p3"]
    assert "p3" in ringfence("dynamodb", "get", "a1", "p3").out


def test_without_a_table_it_says_what_to_set(ringfence, monkeypatch):
    monkeypatch.delenv("RINGFENCE_DYNAMODB_TABLE", raising=False)
    ended = ringfence("dynamodb", "create")
    assert ended.code == 2
    assert "dynamodb_table" in ended.err
