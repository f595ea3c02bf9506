"""`kafka_control` on real servers: what people put in force on one is sent to a control topic once."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.kafka import broker
from tests.waiting import until

from ringfence.adapters.sqlite import Store
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.ports import EVENTS
from ringfence.sharded.changes import is_change

from .conftest import payment

pytestmark = pytest.mark.slow
BOOK = """name: own
rules:
  - id: every
    title: Every
    when: amount > {}
    outcome: review
    reason: EVERY
    analyst: Every.
"""


@contextmanager
def served(folder, kafka, source, control):
    """A server, with its followers, that follows a control topic and writes to it; killed at the end.

    `source` names topics, and may say more than `control` of them.
    """
    folder.mkdir(exist_ok=True)
    source = f"kafka://{kafka.address}/{source}{'&' if '?' in source else '?'}control={control}"
    command = [Path(sys.executable).parent / "ringfence", "serve", "--port", "0", "--source", source]
    given = os.environ | {"RINGFENCE_KAFKA_CONTROL": f"kafka://{kafka.address}/{control}"}
    with (folder / "said").open("w+") as said:
        running = subprocess.Popen(command, cwd=folder, stderr=said, env=given, start_new_session=True)
        try:
            yield until(lambda: re.search(r"Deciding at (\S+)", (folder / "said").read_text())).group(1)
        finally:
            os.killpg(running.pid, signal.SIGKILL)  # the followers with it
            running.wait()


def activate(url, text):
    """Put rules in force over HTTP; their digest."""
    seal = httpx.post(f"{url}/v1/rules/impact", json={"text": text}, timeout=60).json()["confirm"]
    asked = {"text": text, "based_on": "head", "activate": True, "confirm": seal}
    answer = httpx.post(f"{url}/v1/rules/versions", json=asked, timeout=60)
    assert answer.is_success, answer.text
    return answer.json()["activation"]["digest"]


def label(url, payment):
    """Say over HTTP that a payment was fraud."""
    line = {"kind": "label", "event_time": "2024-05-02T10:00:00Z", "transaction_id": payment, "label": True}
    answer = httpx.post(f"{url}/v1/events", json=line, timeout=60)
    assert answer.is_success, answer.text


def labels_in(folder):
    """Payments that the log of a server has labels of, once for each."""
    with Store.open(folder / "ringfence-data", read_only=True) as store:
        batches = [codec.decode(one.payload) for one in store.log.read(EVENTS)]
    rows = [row for batch in batches for row in batch.table.to_pylist()]
    return [row["transaction_id"] for row in rows if row["kind"] == Kind.LABEL]


def in_force(url):
    return httpx.get(f"{url}/v1/rules", timeout=60).json()["active"]


def sent(kafka, control):
    """What records are about, in the order of the topic: versions, whom a list names, a labelled payment."""
    values = [one.value() for one in kafka.content(control)]
    told = [json.loads(value) for value in values if value is not None]  # a job ticks
    return [
        one["digest"]
        if is_change(json.dumps(one).encode())
        else one["event"].get("entity_id") or one["event"]["transaction_id"]
        for one in told
    ]


def change_list(url, what, *ids):
    """Put merchants on a list, or take them off."""
    entries = [{"entity_id": one, "entity_type": "merchant"} for one in ids]
    asked = {"list": "own", "entries": entries} | ({"kind": "block"} if what == "entries" else {})
    answer = httpx.post(f"{url}/v1/lists/{what}", json=asked, timeout=60)
    assert answer.is_success, answer.text


def on_list(url):
    answer = httpx.get(f"{url}/v1/lists/entries?list=own", timeout=60)
    return {one["entity_id"] for one in answer.json()} if answer.is_success else set()


def test_what_is_changed_on_one_server_is_sent_once_and_holds_on_the_other(project):
    """Rules, a list and a label; between two changes one server is killed."""
    kafka = broker()
    topic, control = kafka.topic(), kafka.topic()
    kafka.send(topic, [json.dumps(payment(n)) for n in range(3)])
    here, there = project / "here", project / "there"
    labelled = payment(1)["transaction_id"]
    with served(here, kafka, topic, control) as url:
        first = activate(url, BOOK.format(1))
        change_list(url, "entries", "shop-1", "shop-2")
        label(url, labelled)
    with served(here, kafka, topic, control) as url, served(there, kafka, topic, control) as other:
        until(lambda: in_force(other) == first)
        assert in_force(url) == first
        second = activate(other, BOOK.format(2))
        until(lambda: in_force(url) == second)
        third = activate(url, BOOK.format(3))
        until(lambda: in_force(other) == third)
        until(lambda: on_list(other) == {"shop-1", "shop-2"})
        change_list(other, "removals", "shop-1")
        until(lambda: on_list(url) == {"shop-2"})
        until(lambda: labels_in(there))
    assert labels_in(here) == labels_in(there) == [labelled]
    told = [first, "shop-1", "shop-2", labelled, second, third, "shop-1"]
    assert sorted(sent(kafka, control)) == sorted(told)
