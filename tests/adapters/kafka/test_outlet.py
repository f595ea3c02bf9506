"""Made-up events of flagged accounts in topics of a real Kafka, and back from there."""

import json

import pytest
from tests.adapters.kafka.test_kafka_source import all_of
from tests.spine import open_store
from typer.testing import CliRunner

from ringfence.cli import app
from ringfence.compose.clock import SystemClock
from ringfence.events.mapping import load_mapping


def simulate(*arguments):
    return CliRunner().invoke(app, ["simulate", *arguments])


def test_transactions_and_flags_go_to_a_topic_each_and_are_read_from_there(kafka, tmp_path):
    names = [f"demo_transactions_{kafka.port}", f"flagged_accounts_{kafka.port}"]
    world = ("--schema", "flagged-accounts", "--days", "3", "--customers", "200")
    to = f"kafka://{kafka.address}/{','.join(names)}"
    answer = simulate(*world, "--to", f"{to}?partitions=2")
    assert answer.exit_code == 0, answer.output
    assert f"Made {', '.join(names)}" in answer.output
    file = tmp_path / "same.ndjson"
    assert simulate(*world, str(file)).exit_code == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for name, field in zip(names, ("Transaction_Id", "Flag_Date"), strict=True):
        messages = kafka.content(name)
        sent = [json.loads(message.value()) for message in messages]
        wanted = [row for row in rows if field in row]
        assert sorted(map(json.dumps, sent)) == sorted(map(json.dumps, wanted))
        assert len({message.partition() for message in messages}) == 2
        assert all(int(one.key()) == json.loads(one.value())["Account_Id"] for one in messages)
    with open_store(tmp_path / "data") as store:
        mapping, now_ms = load_mapping("flagged-accounts"), SystemClock().now_ms
        totals = all_of(store, to, mapping=mapping, now_ms=now_ms)
    assert (totals.transactions, totals.bad) == (sum("Transaction_Id" in row for row in rows), 0)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("kafka://{broker}/a,b", "goes to 1 topic at most"),
        ("kafka://{broker}/a?partitions=many", "a number from 1 to 1000"),
        ("kafka://127.0.0.1:1/a", "no Kafka broker answers"),
        ("kinesis://a", "a server or topics of Kafka"),
    ],
)
def test_where_traffic_cannot_go_is_said(kafka, monkeypatch, to, said):
    monkeypatch.setattr("ringfence.adapters.kafka.outlet.SECONDS", 1.0)
    answer = simulate("--days", "1", "--customers", "20", "--to", to.format(broker=kafka.address))
    assert answer.exit_code != 0
    assert said in " ".join(answer.output.split()) or said in str(answer.exception)
