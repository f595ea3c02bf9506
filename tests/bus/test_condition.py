"""Expressions of the rule language on events: in columns, one by one, and in DuckDB, which must agree."""

import json

import duckdb
import pyarrow as pa
import pytest

from ringfence.bus.condition import paths_of
from ringfence.bus.expression import compiled
from ringfence.bus.pattern import matches, wanted
from ringfence.bus.table import EventTable
from ringfence.errors import InputError
from ringfence.scoring.rulesets.duckdb_sql import SETTINGS, to_duckdb

ROWS = [
    {
        "outcome": ["approve", "decline", "review"][n % 3],
        "score": n * 7.5 % 100,
        "amount": None if n % 5 == 0 else n * 31.25,
        "country": [None, "DE", "FR"][n % 3],
        "card.count_1h": None if n % 7 == 0 else float(n % 4),
        "attributes.basket": None if n % 4 == 0 else float(n),
        "reasons": [["CARD_TESTING", "VELOCITY"], [], ["VELOCITY"]][n % 3],
        "event_time_ms": n * 5_000_000,
    }
    for n in range(40)
]
PATHS = {
    "outcome": ("data", "outcome"),
    "score": ("data", "score"),
    "amount": ("data", "transaction", "amount"),
    "country": ("data", "transaction", "country"),
    "card.count_1h": ("data", "features", "card.count_1h"),
    "attributes.basket": ("data", "transaction", "attributes", "basket"),
    "reasons": ("data", "reasons"),
    "event_time_ms": ("data", "event_time_ms"),
}
EXPRESSIONS = [
    "outcome = 'decline' and amount > 500",
    "outcome in ('decline', 'review') or score >= 80",
    "not (country = 'DE') and card.count_1h >= 2",
    "amount / card.count_1h > 200",
    "country is null or attributes.basket between 5 and 20",
    "coalesce(amount, 0) + score < 100 and country like 'D%'",
    "hour < 6 or weekday = 3",
    "cents > 20",
    "extract(hour from event_time at time zone 'Asia/Kathmandu') = 12",
    "reasons like '%CARD_TESTING%'",
    "case when amount > 100 then score else 0 end > 50",
    "lower(country) = 'fr' and upper(outcome) <> 'DECLINE'",
    "card.sum_1d is null and type = 'com.ringfence.decision.made.v1'",
]
KIND = "com.ringfence.decision.made.v1"


@pytest.fixture(scope="module")
def table():
    columns = {path: pa.array([row[name] for row in ROWS]) for name, path in PATHS.items()}
    return EventTable(len(ROWS), {("type",): KIND}, columns)


@pytest.fixture(scope="module")
def database():
    hour = 3_600_000
    found = {name: [row[name] for row in ROWS] for name in PATHS if name != "reasons"}
    found["reasons"] = [",".join(row["reasons"]) for row in ROWS]
    found["hour"] = [row["event_time_ms"] // hour % 24 for row in ROWS]
    found["weekday"] = [(row["event_time_ms"] // (24 * hour) + 3) % 7 for row in ROWS]
    found["cents"] = [None if row["amount"] is None else round(row["amount"] % 1 * 100, 2) for row in ROWS]
    found |= {"event_time": found["event_time_ms"], "type": [KIND] * len(ROWS)}
    connection = duckdb.connect()
    for setting in SETTINGS:
        connection.execute(setting)
    rows = pa.table(found | {"card.sum_1d": pa.nulls(len(ROWS), pa.float64())})
    connection.register("events", rows)
    yield connection
    connection.close()


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_columns_single_events_and_duckdb_agree(table, database, text):
    mask = table.matching(wanted(text)).tolist()
    events = [json.loads(json.dumps(event)) for event in table.events(range(len(ROWS)))]
    assert [matches(wanted(text), event) for event in events] == mask
    said = database.sql(f"SELECT coalesce({to_duckdb(text)}, false) FROM events").fetchall()
    assert [bool(one) for (one,) in said] == mask
    assert len(set(mask)) == 2 or "sum_1d" in text


def test_an_expression_reaches_into_alerts_and_labels():
    alert = {"type": "com.ringfence.alert.opened.v1", "data": {"alert": {"severity": "high", "count": 3}}}
    alert["data"]["alert"]["outcome"] = "decline"
    alert["data"]["decision"] = {"score": 90.0, "transaction": {"amount": 12.5}}
    assert compiled("severity = 'high' and count >= 3 and decision.score > 80").holds(alert)
    assert compiled("decision.transaction.amount < 20 and score is null and outcome is null").holds(alert)
    assert compiled("alert.outcome = 'decline'").holds(alert)
    label = {"type": "com.ringfence.label.recorded.v1", "data": {"label": True, "attributes": {"n": "12"}}}
    assert compiled("label and attributes.n > 11").holds(label)
    assert not compiled("not label").holds(label)
    assert ("data", "typologies", "scam") in paths_of("typology.scam")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("outcom = 'decline'", "did you mean outcome?"),
        ("amount > 'x'", "line 1, column 10"),
        ("amount >", "something is missing"),
        ("score", "a condition is needed"),
        ("card_id in list 'stolen'", "which list"),
        ("amount > param.limit", "param.limit"),
        ("", "an expression is missing"),
        ("a" * 20_000, "longer than"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text, said):
    with pytest.raises(InputError) as refused:
        wanted(text)
    assert said in str(refused.value)
