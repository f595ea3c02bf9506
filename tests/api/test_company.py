"""The decision on a payment is the same alone and in any company, at every door of the server."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ringfence.compose.deciding.definitions import load_definitions

from .conftest import NOW_MS, Api, lines

FEATURES = """
import ringfence as rf

card, customer = rf.entity("card"), rf.entity("customer")
spec = rf.CATALOG.with_features(
    customer.sum("attributes.x", "1d"),
    customer.max("attributes.y", "1d"),
    customer.distinct("attributes.x", "1d"),
    rf.entity("basket", ["attributes.y"]).count("1d"),
)
"""
CONDITIONS = {
    "number": "attributes.x > 1",
    "text": "attributes.x = 'gold' or attributes.y in ('1', 'true')",
    "truth": "attributes.x and not attributes.y",
    "nothing": "attributes.x is null",
    "customer": "customer.profile.x > 1 or customer.profile.x = 'gold'",
}
RULES = [
    {"id": name, "title": name, "when": when, "points": 20, "reason": name.upper(), "analyst": name}
    for name, when in CONDITIONS.items()
]
VALUES = st.sampled_from(
    (0, 1, 2, 1.5, 1e15, "1", "2", "gold", "true", "", True, False, None, "€", "4111111111111111")
)
ATTRIBUTES = st.dictionaries(st.sampled_from(("x", "y", "z", "attributes.x", "💳", 'q"')), VALUES, max_size=4)
MANY = st.integers(0, 3).map(lambda start: {f"n{start}-{place}": "v" for place in range(300)})
TOO_MANY = {f"m{place}": 1 for place in range(513)}
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "amount": st.sampled_from(("12.50", 12.5, 0, "x", 1e300, None, 900)),
            "customer_id": st.sampled_from(("c1", "c2", None, 7)),
            "attributes": st.one_of(ATTRIBUTES, ATTRIBUTES, ATTRIBUTES, MANY, st.just(TOO_MANY)),
        },
        optional={
            "currency": st.sampled_from(("EUR", "JPY", "XXQ")),
            "card_number": st.just("4111111111111111"),
        },
    ),
    min_size=2,
    max_size=6,
)
PROFILES = st.lists(st.fixed_dictionaries({"attributes": ATTRIBUTES}), max_size=2)
NDJSON = {"content-type": "application/x-ndjson"}
NOT_THE_SAME = ("latency_us", "decided_at", "decided_at_ms", "received_at")


@pytest.fixture(autouse=True, scope="module")
def in_order():
    """What has many fields is read beside the loop, and others who ask at the same time come first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ringfence.api.hot.outcomes._MOST_FIELDS", 10**9)
        yield


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "features.py").write_text(FEATURES)
    (folder / "rules.yaml").write_text(json.dumps({"rules": RULES}))
    return load_definitions(folder / "features.py", folder / "rules.yaml")


def told(status, body):
    return status, {name: value for name, value in body.items() if name not in NOT_THE_SAME}


async def one(client, record):
    answer = await client.post("/v1/decisions", json=record)
    return told(answer.status_code, answer.json())


async def alone(client, records):
    return [await one(client, record) for record in records]


async def together(client, records):
    return await asyncio.gather(*(one(client, record) for record in records))


async def batch(client, records):
    answer = await client.post("/v1/decisions/batch", content=lines(records), headers=NDJSON)
    found = map(json.loads, answer.content.splitlines())
    return [told(line["status"], line.get("decision") or line.get("problem")) for line in found]


async def halves(client, records):
    middle = len(records) // 2
    return [*await together(client, records[:middle]), *await batch(client, records[middle:])]


@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # each example starts four servers: no shrinking
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(records=RECORDS, profiles=PROFILES)
def test_a_payment_is_decided_alike_alone_and_in_any_company(definitions, records, profiles):
    payments = [
        {"transaction_id": f"t{place}", "event_time": NOW_MS + place} | record
        for place, record in enumerate(records)
    ]
    told_before = [
        {
            "kind": "profile",
            "event_id": f"p{place}",
            "event_time": NOW_MS,
            "entity_type": "customer",
            "entity_id": "c1",
        }
        | profile
        for place, profile in enumerate(profiles)
    ]

    def answers(decide):
        async def talk(client):
            if told_before:
                answer = await client.post("/v1/events/batch", content=lines(told_before), headers=NDJSON)
                assert answer.status_code == 200
            return await decide(client, payments)

        with tempfile.TemporaryDirectory() as folder:
            return Api(Path(folder) / "data", definitions)(talk)

    expected = answers(alone)
    for decide in (together, batch, halves):
        assert answers(decide) == expected, decide.__name__
