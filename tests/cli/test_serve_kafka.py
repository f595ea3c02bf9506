"""`ringfence serve --source kafka://...`: a real server beside a real broker, killed and started again."""

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
from tests import artifacts
from tests.kafka import broker
from tests.waiting import until

from ringfence.adapters.sqlite import Store
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.written import json_of
from ringfence.events.activation import Part
from ringfence.ports import DECISIONS
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.rulesets.rules import Outcome
from ringfence.scoring.rulesets.ruleset import Rule, RuleSet
from ringfence.sharded.changes import activation_record

from .conftest import payment

pytestmark = pytest.mark.slow
EVERY = Rule(
    id="every",
    title="Every",
    when="amount > 0",
    outcome=Outcome.DECLINE,
    reason="EVERY",
    analyst="Every one.",
)


@contextmanager
def served(project, *sources):
    """The server's address, once it decides; killed at the end."""
    command = [Path(sys.executable).parent / "ringfence", "serve", "--port", "0"]
    for source in sources:
        command += ["--source", source]
    environment = os.environ | {"RINGFENCE_SERVE_FOLLOW": "false"}
    with (project / "said").open("w+") as said:
        running = subprocess.Popen(command, cwd=project, stderr=said, env=environment)
        try:
            yield (
                until(lambda: re.search(r"Deciding at (\S+)", (project / "said").read_text())).group(1),
                running,
            )
        finally:
            running.kill()
            running.wait()


def lines(first, count):
    return [json.dumps(payment(n)) for n in range(first, first + count)]


def ready(url):
    return httpx.get(f"{url}/readyz").json()


def test_a_server_decides_what_a_topic_holds_once_whatever_is_killed(project):
    kafka = broker()
    topic = kafka.topic(2)
    source = f"kafka://{kafka.address}/{topic}"
    kafka.send(topic, [*lines(0, 100), "no json"])
    with served(project, source) as (url, running):
        until(lambda: ready(url)["offset"] == 100)
        told = until(lambda: next((one for one in ready(url)["sources"] if one["quarantined"]), None))
        assert (told["name"], told["state"], told["lag_records"], told["parts"]) == (source, "reading", 0, 2)
        assert '"p7"' in httpx.get(f"{url}/v1/decisions/p7").text
        assert httpx.post(f"{url}/v1/decisions", json=payment(7)).status_code == 200
        assert ready(url)["offset"] == 100  # it was decided already
        figures = httpx.get(f"{url}/metrics").text
        assert f'ringfence_source_records_total{{source="{source}"}} 101.0' in figures
        kafka.send(topic, lines(100, 200))
        running.kill()
    with served(project, source) as (url, running):
        until(lambda: ready(url)["offset"] == 300)
        kafka.send(topic, lines(300, 20))
        until(lambda: ready(url)["offset"] == 320)
        assert httpx.post(f"{url}/v1/decisions", json=payment(330)).status_code == 200
        assert ready(url)["offset"] == 321
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert "hunter2" not in (project / "said").read_text()


def test_rules_of_a_flink_jobs_control_topic_hold_on_a_server_without_a_restart(project, ringfence):
    """They show on the pages of decisions, and decide what comes over HTTP from a named place on."""
    kafka = broker()
    topic, decisions, control = kafka.topic(2), kafka.topic(), kafka.topic()
    source = f"kafka://{kafka.address}/{topic}"
    kafka.send(topic, lines(0, 20))
    assert ringfence("run", source, "--data", "elsewhere").code == 0
    with Store.open(project / "elsewhere") as other:
        batches = [DecisionBatch.decode(one.payload) for one in other.log.read(DECISIONS)]
    made = [json.loads(line) for batch in batches for line in json_of(batch)]
    book = RuleSet(rules=(EVERY,))
    judged = {"outcome": "decline", "reasons": ["EVERY"], "rules": ["every"]}
    newer = made[3] | judged | {"versions": made[3]["versions"] | {"rules": book.digest}}
    made[3] = newer
    address = f"{source}?decisions={decisions}&control={control}"
    with served(project, address) as (url, running):
        kafka.send(decisions, map(json.dumps, made))
        until(lambda: ready(url)["offset"] == 20)
        assert httpx.post(f"{url}/v1/decisions", json=payment(30)).json()["outcome"] != "decline"
        kafka.send(control, [b'{"kind":"activation","part":"rules","digest":"none"}', *lines(40, 1)])
        kafka.send(control, [activation_record(Part.RULES, book.digest, book.to_json(), author="mira")])
        until(lambda: ready(url)["offset"] == 22)
        told = httpx.post(f"{url}/v1/decisions", json=payment(31)).json()
        assert (told["outcome"], told["versions"]["rules"]) == ("decline", book.digest)
        assert told["reasons"][0]["analyst"] == "Every one."
        page = httpx.get(f"{url}/decisions/{newer['transaction_id']}").text
        assert "Every one." in page
        assert "are not kept here" not in page
        refused = until(lambda: [one for one in ready(url)["sources"] if one["quarantined"] == 2])
        assert refused[0]["state"] == "reading"
        running.kill()
    again = activation_record(Part.RULES, book.digest, book.to_json(), author="mira")
    kafka.send(control, [again, activation_record(Part.RULES, "behind-them")])
    with served(project, address) as (url, running):
        until(
            lambda: "rules behind-them came without" in httpx.get(f"{url}/quarantine").text
        )  # so it is read
        assert ready(url)["offset"] == 23
        told = httpx.post(f"{url}/v1/decisions", json=payment(32)).json()
        assert (told["outcome"], told["offset"]) == ("decline", 23)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0


def test_a_model_of_a_flink_jobs_control_topic_holds_on_a_server_without_a_restart(project, ringfence):
    """One that the server's registry lacks is refused with the remedy, and what decides stays."""
    kafka = broker()
    topic, control = kafka.topic(), kafka.topic()
    digests = [artifacts.make(project / name, seed=seed) for seed, name in enumerate(("kept", "elsewhere"))]
    assert ringfence("models", "import", str(project / "kept")).code == 0
    made = [Deployment(champion=digest) for digest in digests]
    kept, unknown = (activation_record(Part.MODELS, one.digest, one.to_json(), author="mira") for one in made)
    with served(project, f"kafka://{kafka.address}/{topic}?control={control}") as (url, running):
        kafka.send(control, [kept, unknown])
        until(lambda: ready(url)["offset"] == 1)
        told = httpx.post(f"{url}/v1/decisions", json=payment(31)).json()
        assert (told["offset"], told["versions"]["models"]) == (1, made[0].digest)
        until(lambda: [one for one in ready(url)["sources"] if one["quarantined"] == 1])
        assert "ringfence models import FOLDER" in httpx.get(f"{url}/quarantine").text
        assert ringfence("models", "list").out.count("champion") == 1
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert f"models promote {digests[1]}" in (project / "said").read_text()


def test_a_server_keeps_and_shows_what_another_host_decided(project, ringfence):
    kafka = broker()
    topic, decisions = kafka.topic(2), kafka.topic()
    source = f"kafka://{kafka.address}/{topic}"
    kafka.send(topic, lines(0, 20))
    assert ringfence("run", source, "--data", "elsewhere").code == 0
    with Store.open(project / "elsewhere") as other:
        batches = [DecisionBatch.decode(one.payload) for one in other.log.read(DECISIONS)]
    made = [json.loads(line) | {"outcome": "decline"} for batch in batches for line in json_of(batch)]
    newer = made[3]  # by rules that were put in force on that host since
    newer |= {"reasons": ["BIGGEST"], "rules": ["big"], "versions": newer["versions"] | {"rules": "newer"}}
    with served(project, f"{source}?decisions={decisions}") as (url, running):
        kafka.send(decisions, map(json.dumps, made))
        until(lambda: ready(url)["offset"] == 20)
        told = httpx.get(f"{url}/v1/decisions/p7").json()
        assert told["decision"]["outcome"] == "decline", told
        assert httpx.post(f"{url}/v1/decisions", json=payment(7)).json()["outcome"] == "decline"
        assert httpx.post(f"{url}/v1/decisions", json=payment(30)).json()["outcome"] != "decline"
        page = httpx.get(f"{url}/decisions/{newer['transaction_id']}").text
        assert "Rules newer made this decision and are not kept here" in page
        assert "BIGGEST" in page
        assert "No rule fired" not in page
        page = httpx.get(f"{url}/decisions?outcome=decline").text
        assert len(set(re.findall(r"/decisions/(p\d+)", page))) == 20
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
