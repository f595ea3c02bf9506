"""The page of streams over a real Kafka, and the join of payments and flags, seen by a browser."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect
from tests.cli.test_serve_kafka import until
from tests.kafka import broker
from tests.web.conftest import serving
from typer.testing import CliRunner

from ringfence.access.roles import Role
from ringfence.cli import app
from ringfence.compose.kafka import topic_browsers
from ringfence.events.privacy.tokens import Tokenizer

CARD = "4111111111111111"
TOKENIZER = Tokenizer(bytes(32))
HOSTILE = "<img src=x onerror=window.hacked=1>"


@pytest.fixture(scope="module")
def kafka():
    return broker()


@pytest.fixture(scope="module")
def topic(kafka):
    name = kafka.topic(2)
    values = [json.dumps({"n": n, "card": CARD, "text": HOSTILE}) for n in range(30)]
    kafka.send(name, values, key="account-7", headers=[("trace", b"abc")], partition=1)
    return name


@pytest.fixture(scope="module")
def streaming(tmp_path_factory, kafka, topic):
    """A dashboard over one topic of a real broker, and over brokers that are away."""
    addresses = [f"kafka://{kafka.address}/{topic}", "kafka://127.0.0.1:1/away"]
    with serving(tmp_path_factory.mktemp("kafka") / "data", with_keys=True) as served:
        served.dashboard.browsers = topic_browsers(addresses, TOKENIZER)
        yield served


def test_topics_are_looked_into_like_the_log(kafka, topic, streaming, watched):
    page = watched.open(f"{streaming.url}/streams")
    page.get_by_label("API key").fill(streaming.key(Role.ANALYST))
    page.get_by_role("button", name="Sign in").click()
    here = page.locator("#brokers-0")
    expect(here.get_by_role("row", name=topic)).to_contain_text("30")
    expect(here).to_contain_text(kafka.address)
    here.get_by_role("link", name=topic).click()
    rows = page.locator("#messages tbody tr")
    expect(rows).to_have_count(25)
    page.get_by_label("Partition").fill("1")
    page.get_by_label("From offset").fill("4")
    page.get_by_role("button", name="Show").click()
    expect(rows.first).to_contain_text("account-7")
    expect(rows.first.locator("td").nth(1)).to_have_text("4")
    rows.first.locator("summary").click()
    shown = rows.first.inner_text()
    assert f'"card": "{TOKENIZER.token(CARD)}"' in shown
    assert CARD not in page.content()
    assert "trace" in shown
    page.get_by_label("From offset").fill("")
    page.get_by_label("Contains").fill('"n": 17')
    page.get_by_role("button", name="Show").click()
    expect(rows).to_have_count(1)
    expect(page.locator("main")).to_contain_text("min.insync.replicas")
    page.get_by_role("link", name="Last", exact=True).click()
    page.get_by_role("link", name="Follow").click()
    expect(rows.first.locator("td").nth(1)).to_have_text("29")
    kafka.send(topic, ['{"n": 99}'], partition=1)
    expect(rows.first.locator("td").nth(1)).to_have_text("30")
    assert page.evaluate("window.hacked") is None


def test_brokers_that_are_away_and_topics_of_others_are_one_sentence(
    kafka, topic, streaming, visitor, monkeypatch
):
    monkeypatch.setattr("ringfence.adapters.kafka.browser._SECONDS", 1.0)
    others = kafka.topic()
    client = visitor(streaming, Role.ANALYST)
    assert "no Kafka broker answers at 127.0.0.1:1" in client.get("/streams/kafka/1").text
    assert "no Kafka broker answers" in client.get("/streams/kafka/1/away").text
    monkeypatch.undo()
    assert client.get(f"/streams/kafka/0/{others}").status_code == 403
    assert f'"/streams/kafka/0/{others}"' not in client.get("/streams/kafka/0").text
    assert visitor(streaming, Role.ADMIN).get(f"/streams/kafka/0/{others}").status_code == 200
    for query, said in (
        ({"offset": "500"}, "offsets of"),
        ({"partition": "9"}, "has no partition 9"),
        ({"since": "yesterday"}, "a time is written as"),
    ):
        assert said in client.get(f"/streams/kafka/0/{topic}", params=query).text
    assert client.get(f"/streams/kafka/0/{topic}", params={"offset": "x"}).status_code == 422
    assert client.get("/streams/kafka/7").status_code == 404
    assert client.get("/streams/kafka/0/bad%20name").status_code == 422


@contextmanager
def served(folder, source, sink):
    """`ringfence serve` over one source and one sink, followers included; its address."""
    command = [Path(sys.executable).parent / "ringfence", "serve", "--port", "0", "--source", source]
    with (folder / "said").open("w+") as said:
        running = subprocess.Popen(
            command, cwd=folder, stderr=said, env=os.environ | {"RINGFENCE_KAFKA_SINK": sink}
        )
        try:
            told = until(lambda: re.search(r"Deciding at (\S+)", (folder / "said").read_text()))
            yield told.group(1)
        finally:
            running.terminate()
            running.wait(60)


def joined(rows):
    """Ids of transactions dated at or after a flag on their account, in whichever order they came."""
    since = {}
    for row in rows:
        if "Flag_Date" in row:
            since[row["Account_Id"]] = min(row["Flag_Date"], since.get(row["Account_Id"], row["Flag_Date"]))
    paid = [row for row in rows if "Transaction_Id" in row]
    return {
        row["Transaction_Id"]: row["Account_Id"]
        for row in paid
        if row["Transaction_Date"] >= since.get(row["Account_Id"], "9")
    }


def test_payments_of_flagged_accounts_go_to_a_topic_and_are_read_by_account(kafka, watched, tmp_path):
    """The flags come after all payments, and again before new ones: each pair is told once."""
    paid, flagged, decided, processed = (kafka.topic(2) for _ in range(4))
    file = tmp_path / "same.ndjson"
    world = ["simulate", "--schema", "flagged-accounts", "--customers", "150", "--fraud", "0.02"]
    assert CliRunner().invoke(app, [*world, "--days", "3", str(file)]).exit_code == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    half = len(rows) // 2
    transactions = [row for row in rows if "Transaction_Id" in row]
    flags = [row for row in rows if "Flag_Date" in row]
    once = {(row["Account_Id"], row["Flag_Date"]) for row in flags}  # some are told twice
    before, after = transactions[:half], transactions[half:]
    source = f"kafka://{kafka.address}/{paid},{flagged}?mapping=flagged-accounts"
    pairs = joined(rows)
    assert len(pairs) > 5
    with served(tmp_path, source, f"kafka://{kafka.address}/{decided}?flagged={processed}") as url:
        for topic, some, end in (
            (paid, before, len(before)),
            (flagged, flags, len(before) + len(once)),
            (paid, after, len(transactions) + len(once)),
        ):
            kafka.send(topic, map(json.dumps, some))
            until(lambda end=end: httpx.get(f"{url}/readyz").json().get("offset", 0) >= end)
        told = until(lambda: whole(kafka, processed, len(pairs)))
        assert {one["transaction_id"]: int(one["entity_id"]) for one in told} == pairs
        one, account = next(iter(pairs.items()))
        found = httpx.get(f"{url}/v1/decisions/{one}", params={"account_id": str(account)}).json()
        assert found["transaction"]["account_id"] == str(account)
        assert httpx.get(f"{url}/v1/decisions/{one}", params={"account_id": "0"}).status_code == 404
        every = httpx.get(
            f"{url}/v1/decisions", params={"entity": "account", "entity_id": str(account)}
        ).json()
        assert f'"{one}"' in json.dumps(every)
        page = watched.open(f"{url}/streams")
        page.get_by_role("link", name=processed, exact=True).click()
        page.get_by_label("Key", exact=True).fill(str(account))
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#messages tbody tr").first).to_contain_text(str(account))
        page.get_by_label("Contains").fill(one)
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#messages pre")).to_contain_text(f'"transaction_id": "{one}"')


def whole(kafka, topic, count):
    """The values of a topic, once there are so many."""
    messages = kafka.content(topic)
    return [json.loads(message.value()) for message in messages] if len(messages) >= count else None
