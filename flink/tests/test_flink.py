"""Payments of a real Kafka, decided by a real Flink as by the embedded engine, whatever is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from urllib.parse import quote

import httpx
import psutil
import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from tests.cli.test_serve_control import activate, change_list, label, sent, served
from tests.kafka import broker
from tests.started import heed_interrupts, take_time
from tests.waiting import until
from tests.web.conftest import serving

from ringfence.adapters.flink.parts import flink_parts
from ringfence.adapters.sqlite import Store
from ringfence.cli import execute
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.flink_host.check import compare
from ringfence.compose.flink_host.running import Ends, flink_running
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.written import json_of
from ringfence.errors import InputError, StoreError
from ringfence.ports import DECISIONS

pytestmark = pytest.mark.slow
STAMPED = {"message.timestamp.type": "LogAppendTime"}
PATIENCE_SECONDS = 600.0
PACED = ("--checkpoint-ms", "500", "--most-per-second", "20000")
LISTED_BOOK = """name: listed
rules:
  - id: listed
    title: Listed
    when: merchant_id in list 'own'
    outcome: decline
    reason: LISTED
    analyst: Listed.
"""
heed_interrupts()
take_time()


@pytest.fixture(scope="module")
def kafka():
    return broker()


@pytest.fixture(scope="module")
def parts():
    try:
        return flink_parts()
    except InputError as error:
        if os.environ.get("RINGFENCE_ALL_PARTS"):
            pytest.fail(f"no Flink: {error}")
        pytest.skip(f"no Flink: {error}")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of the shipped features and rules."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Simulated payments with labels, some of them late and some twice, as JSON."""
    out = tmp_path_factory.mktemp("world") / "payments.ndjson"
    asked = ["--days", "5", "--customers", "400", "--late", "0.02", "--duplicates", "0.02", "--seed", "5"]
    assert execute(["simulate", str(out), *asked]) == 0
    return out.read_bytes().splitlines()


@pytest.fixture
def ends(kafka):
    """A topic of two partitions to read, a control topic, and topics to write."""
    source = f"kafka://{kafka.address}/{kafka.topic(2, **STAMPED)}"
    return Ends.of(source, f"kafka://{kafka.address}/{outputs(kafka)}", kafka.topic(**STAMPED))


def outputs(kafka):
    """Topics to write, as `--to` names them."""
    return f"{kafka.topic()}?quarantine={kafka.topic()}&flag_matches={kafka.topic()}"


def send(kafka, ends, lines, seed):
    """Put records into both partitions, some at a time."""
    chance, at = random.Random(seed), 0
    while at < len(lines):
        count = chance.randrange(1, 200)
        kafka.send(ends.source.address.topics[0], lines[at : at + count], partition=chance.randrange(2))
        at += count


def payments_in(lines):
    """How many payments there are, each once."""
    records = map(json.loads, lines)
    return len({one["transaction_id"] for one in records if one.get("kind", "transaction") == "transaction"})


def await_decisions(kafka, ends, count, told):
    """Wait until so many decisions are committed; `told` says how the job is doing."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (found := len(kafka.content(ends.outputs["decisions"]))) < count:
        said = told()
        assert time.monotonic() < end, f"{found} of {count} decisions. {said}"
        time.sleep(0.5)


def await_checkpoints(running, more):
    """Wait until some more checkpoints are complete."""
    begin, end = running.cluster.jobs.look(running.job).checkpoints, time.monotonic() + PATIENCE_SECONDS
    while (look := running.cluster.jobs.look(running.job)).checkpoints < begin + more:
        assert time.monotonic() < end, f"{look}\n{running.cluster.said()}"
        time.sleep(0.2)


@pytest.mark.usefixtures("parts")
def test_decisions_equal_the_embedded_engines_through_a_kill_and_a_rescale(kafka, project, ends, lines):
    """A TaskManager is killed at work, then two go on from a savepoint: nothing is lost, nothing twice.

    A server beside them changes the rules and a list; both hosts decide by them from the same place on.
    """
    definitions = load_definitions(None, None)
    third_of = len(lines) // 3
    first, second, third = lines[:third_of], lines[third_of : 2 * third_of], lines[2 * third_of :]
    send(kafka, ends, first, 1)
    with flink_running(project, ends, definitions, workers=1, shards=4, checkpoint_ms=500) as running:

        def tended():
            running.cluster.tend()
            return f"{running.cluster.jobs.look(running.job)}\n{running.cluster.said()}"

        await_checkpoints(running, 2)
        send(kafka, ends, second[: len(second) // 2], 2)
        running.cluster.workers[0].send_signal(signal.SIGKILL)
        send(kafka, ends, second[len(second) // 2 :], 3)
        await_decisions(kafka, ends, payments_in(first + second), tended)
        running.stop()
    source, to = addresses(ends)
    more = ("--control", ends.control, "--shards", "4")
    with at_work(project, source, to, "--workers", "2", *more, *PACED) as said:
        rules, shop = change_on_a_server(kafka, project, ends, third)
        send(kafka, ends, third, 4)
        await_decisions(kafka, ends, payments_in(lines), said.read_text)
    assert "Going on from file:" in said.read_text()
    assert "Stopped at file:" in said.read_text()
    found = compare(ends, definitions)
    assert (found.equal, found.named) == (payments_in(lines), [])
    check_changes(kafka, ends, first + second, rules, shop)
    check = ["flink", "check", ".", "--kafka", source, "--to", to, "--control", ends.control]
    assert execute([*check, "--events", "500"]) == 0
    check_dashboard(kafka, project, ends, source)
    first = TopicPartition(ends.source.address.topics[0], 0, OFFSET_END)
    kafka.send(first.topic, lines[:5], partition=0)
    kafka.admin.delete_records([first])[first].result(30)
    run = [sys.executable, "-m", "ringfence.cli", "flink", "run", ".", "--kafka", source, "--to", to]
    gone = subprocess.run([*run, *more], check=False, capture_output=True, timeout=PATIENCE_SECONDS)
    assert b"the records with which the job should go on are gone" in gone.stderr
    assert gone.returncode


def change_on_a_server(kafka, project, ends, lines):
    """Put rules in force on a server beside the job and a shop on a list, both named; label a payment."""
    topic, decisions = ends.source.address.topics[0], ends.outputs["decisions"]
    told = next(told for told in map(json.loads, lines) if told.get("merchant_id"))
    shop, payment = told["merchant_id"], told["transaction_id"]
    with served(project, kafka, f"{topic}?decisions={decisions}", ends.control) as url:
        rules = activate(url, LISTED_BOOK)
        change_list(url, "entries", shop)
        label(url, payment)
        until(lambda: sent(kafka, ends.control) == [rules, shop, payment], PATIENCE_SECONDS)
    return rules, shop


def check_changes(kafka, ends, before, rules, shop):
    """Payments behind the change are decided by its rules and its list, those before by neither."""
    known = {json.loads(line).get("transaction_id") for line in before}
    written = [json.loads(message.value()) for message in kafka.content(ends.outputs["decisions"])]
    earlier = [one for one in written if one["transaction_id"] in known]
    later = [one for one in written if one["transaction_id"] not in known]
    assert all(one["versions"]["rules"] != rules for one in earlier)
    assert all(one["versions"]["rules"] == rules for one in later)
    topic = ends.source.address.topics[0]
    payments = [json.loads(message.value()) for message in kafka.content(topic) if message.value()]
    shops = {one.get("transaction_id"): one["merchant_id"] for one in payments if one.get("merchant_id")}
    listed = {one["transaction_id"] for one in later if "LISTED" in one["reasons"]}
    assert listed
    assert listed == {name for name in (one["transaction_id"] for one in later) if shops.get(name) == shop}


def check_dashboard(kafka, project, ends, source):
    """What follows the topic of decisions has each as the job wrote it, and its pages say so."""
    decisions = ends.outputs["decisions"]
    written = [json.loads(message.value()) for message in kafka.content(decisions)]
    told = {one["transaction_id"]: one for one in written}
    data = project / "ringfence-data"
    assert execute(["run", f"{source}?decisions={decisions}", "--data", str(data)]) == 0
    with Store.open(data, read_only=True) as store:
        batches = [DecisionBatch.decode(one.payload) for one in store.log.read(DECISIONS)]
    kept = [json.loads(line) for batch in batches for line in json_of(batch)]
    assert len(kept) == len(told)
    assert all(one == told[one["transaction_id"]] | {"offset": one["offset"]} for one in kept)
    with serving(data) as served:
        for one in [one for one in kept if one["reasons"]][-20:]:
            page = httpx.get(f"{served.url}/decisions/{quote(one['transaction_id'], safe='')}").text
            assert all(f'<span class="code">{code}</span>' in page for code in one["reasons"]), one
            assert f'class="badge {one["outcome"]}"' in page


def addresses(ends):
    """The ends as the commands are told of them."""
    brokers, topics = ends.source.address.brokers, ends.source.address.topics
    others = "&".join(f"{name}={ends.outputs[name]}" for name in ("quarantine", "flag_matches"))
    to = f"{ends.outputs['decisions']}?{others}"
    return f"kafka://{brokers}/{','.join(name for name in topics if name != ends.control)}", to


@contextmanager
def at_work(project, source, to, *more):
    """`ringfence flink run` for as long as the block takes, then Ctrl-C; the file of what it says."""
    said = project / "said.txt"
    run = [sys.executable, "-m", "ringfence.cli", "flink", "run", "."]
    with said.open("wb") as file:
        process = subprocess.Popen(
            [*run, "--kafka", source, "--to", to, *more], cwd=project, stdout=file, stderr=file
        )
    try:
        yield said
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_SECONDS)
        assert process.returncode == 0, said.read_text()
    finally:
        left = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for one in (process, *left):  # a cluster that outlives its command takes the next test's processors
            one.kill()
        process.wait()


@pytest.mark.parametrize(
    ("config", "remedy"),
    [({}, "message.timestamp.type=LogAppendTime"), (STAMPED | {"cleanup.policy": "compact"}, "compacted")],
)
def test_a_topic_by_which_there_is_no_order_is_refused(kafka, config, remedy):
    ends = Ends.of(f"kafka://{kafka.address}/{kafka.topic(2, **config)}", outputs(kafka))
    with pytest.raises(InputError, match=remedy):
        ends.partitions()


def test_a_missing_topic_and_a_broker_that_does_not_answer_are_named(kafka):
    source = kafka.topic(**STAMPED)
    with pytest.raises(
        InputError, match="no topic decisions, decisions-quarantine, decisions-flag-matches at"
    ):
        Ends.of(f"kafka://{kafka.address}/{source}", "decisions").partitions()
    with pytest.raises(StoreError, match="no Kafka broker answers"):
        Ends.of("kafka://127.0.0.1:1/payments", "decisions").partitions()
