"""The document of the bus: a validator accepts it, and every event is as it says."""

import json
from pathlib import Path

import jsonschema_rs
import pyarrow as pa
import pytest
from tests.api.conftest import NOW_MS, payment

from ringfence.adapters.cases import CaseFollower
from ringfence.adapters.outbox import Casework, OutboxFollower, Watch
from ringfence.alerts.policy import OUTCOMES, AlertPolicy
from ringfence.api.monitoring.objective_watcher import tell
from ringfence.api.openapi.asyncapi import document
from ringfence.bus.catalog import FEEDS, TOPICS, tables
from ringfence.bus.subscription import EVERYTHING, Subscription
from ringfence.cases.policy import CasePolicy
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.follow import catch_up
from ringfence.learning.watching.drift_alerts import DriftAlert, record
from ringfence.learning.watching.model_news import ModelNews, record_news
from ringfence.objectives import BURNING, RECOVERED, SloNews
from ringfence.ports import LogBatch

OFFICIAL = Path(__file__).with_name("asyncapi-3.0.0.json")
"""JSON Schema of AsyncAPI 3.0.0 from npm's @asyncapi/specs 6.11.1 (Apache-2.0), without line breaks."""

POLICY = AlertPolicy(
    outcomes=OUTCOMES, high=0.0, team=("console:", "https://a.example/"), most=1, escalate_to=("console:",)
)
NEWS = [
    ModelNews("weakened", "m", "rules", 0, "average_precision", 0.2, 0.3, -0.2, -0.1, 900, 40),
    ModelNews("proposed", "n", "m", 0, "average_precision", None, None, None, None, 0, 0, 0.02, "no rival"),
]
INPUTS = [
    {"kind": "label", "transaction_id": "t1", "label": True, "label_source": "team", "note": "seen"},
    {"kind": "profile", "entity_type": "customer", "entity_id": "ada", "attributes": {"vip": True, "n": 3}},
    {"kind": "flag", "entity_type": "customer", "entity_id": "ada", "effective_at": 1_600_000_000_000},
    {"kind": "list_entry", "list_name": "l", "list_kind": "watch", "entity_type": "card", "entity_id": "c"},
    {"kind": "lifecycle", "transaction_id": "t1", "action": "refund", "amount": "2.50", "currency": "EUR"},
]


@pytest.fixture(scope="module")
def official():
    return jsonschema_rs.Draft7Validator(json.loads(OFFICIAL.read_text()))


def test_the_official_schema_takes_the_document_and_can_refuse_one(official):
    found = document("1")
    assert [str(error) for error in official.iter_errors(found)] == []
    assert not official.is_valid(found | {"operations": {"x": {"action": "shout"}}})


def test_every_reference_leads_somewhere():
    found = document("1")
    named = set()

    def walk(value):
        if isinstance(value, dict):
            named.update([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(found)
    for reference in named:
        at = found
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]
    assert len(named) > 40


def test_every_event_is_as_the_document_says(api, tmp_path):
    async def talk(client):
        more = {"customer_id": "ada", "email": "ada@example.org", "attributes": {"basket": 3, "gift": True}}
        await client.post("/v1/decisions", json=payment("t1", **more))
        await client.post("/v1/decisions", json=payment("t2", customer_id="bob", event_time=NOW_MS - 9_000))
        for number, one in enumerate(INPUTS):
            told = await client.post(
                "/v1/events", json=one | {"event_id": f"e{number}", "event_time": NOW_MS}
            )
            assert told.status_code == 202, told.text
        log, folder = client.server.session.store.log, client.server.session.store.folder
        record(log, [DriftAlert(0, "m", "i", 0.3, 0.2, 9)], NOW_MS)
        record_news(log, NEWS, NOW_MS)
        told = [SloNews(news, "latency", "page", 7, 0.99, 20.0, 60, "slow") for news in (BURNING, RECOVERED)]
        tell(log, told, NOW_MS)
        letters = told_by(log, folder, client.server.session.store.meta.store_id)
        served = (await client.get("/asyncapi.json")).json()
        pages = [
            (await client.get("/v1/events", params={"topic": topic})).json()["events"]
            for topic in (*TOPICS, *FEEDS)
        ]
        ((_, table),) = tables("events", [activated()], log, "/ringfence/x")
        return served, letters + table.events([0]) + [event for page in pages for event in page]

    served, events = api(talk)
    schemas = {"components": {"schemas": served["components"]["schemas"]}}
    by_type = {
        one["name"]: jsonschema_rs.Draft7Validator(one["payload"] | schemas)
        for one in served["components"]["messages"].values()
    }
    for event in events:
        problems = [f"{error.instance_path} {error}" for error in by_type[event["type"]].iter_errors(event)]
        assert not problems, event
    seen = {event["type"] for event in events}
    assert {type_.split(".")[-3] for type_ in by_type} == {type_.split(".")[-3] for type_ in seen}
    assert len(seen) >= len(by_type) - 3


def activated():
    """A batch in which other rules came into force."""
    row = {"kind": int(Kind.ACTIVATION), "event_id": "a1", "event_time_ms": NOW_MS, "entity_type": "rules"}
    table = pa.RecordBatch.from_pylist([row | {"entity_id": "3f2a", "attributes.author": "anna"}])
    table = table.set_column(0, "kind", table.column("kind").cast(pa.uint8()))
    return LogBatch("events", 0, 1, NOW_MS, NOW_MS, codec.encode(EventBatch(table)))


def told_by(log, folder, log_id):
    """Everything that subscribers and the alert policy's destinations are sent."""
    follower = OutboxFollower(log, folder, log_id, lambda: NOW_MS, POLICY)
    follower.bus.subscribe(Subscription(name="all", pattern=EVERYTHING, to="console:"))
    catch_up(log, follower)
    cases = CaseFollower(log, folder, CasePolicy(open_on=OUTCOMES))
    catch_up(log, cases)
    cases.close()
    casework = Casework(follower.bus, folder, CasePolicy(alerts="open"), log_id)
    casework.look(NOW_MS)
    casework.look(NOW_MS)
    casework.close()
    Watch(follower.bus, POLICY, log_id).look(NOW_MS + 7_200_000)
    found = [json.loads(one.event) for one in follower.bus.letters(limit=1000)]
    follower.close()
    return found
