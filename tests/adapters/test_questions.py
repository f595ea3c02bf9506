"""The business questions: `ringfence sql` and psql answer alike, view by view, on the same log."""

from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from tests.postgres import database, rows
from tests.spine import batch, labels, payments, runner

from ringfence.adapters.lake import Lake
from ringfence.adapters.questions import VIEWS
from ringfence.adapters.relational import RelationalStore, migrate
from ringfence.adapters.sqlite import Store
from ringfence.events.batch import EventBatch
from ringfence.events.model import ACTIONS, Kind
from ringfence.follow import catch_up

DAY_MS = 86_400_000


def a_stream(count: int) -> EventBatch:
    """Two months of payments of people with a home, a job and an age, or of whom nothing is known."""
    chance = random.Random(3)
    people = {
        f"card-{number}": {
            "attributes.gender": chance.choice(["F", "M"]),
            "attributes.dob": f"19{chance.randrange(40, 99)}-0{chance.randrange(1, 9)}-11",
            "attributes.job": chance.choice(["pilot", "clerk", "cook"]),
            "attributes.home_state": chance.choice(["AK", "TX", "NY"]),
            "attributes.home_lat": chance.uniform(-50, 50),
            "attributes.home_lon": chance.uniform(-160, 160),
        }
        for number in range(30)
    }
    events = []
    for number, row in enumerate(one for one in payments(count, 5) if "transaction_id" in one):
        row["event_time_ms"] += number * 60 * DAY_MS // count
        row["currency"] = chance.choice(["EUR", "USD", None])
        row["merchant_category"] = chance.choice(["food", "fuel", None])
        row["channel"] = chance.choice(["web", "pos"])
        events.append(row | people.get(row["card_id"], {}))
    names = sorted({name for row in events for name in row if name.startswith("attributes.")})
    plain = batch([{name: value for name, value in row.items() if name not in names} for row in events])
    table = pa.Table.from_batches([plain.table])
    for name in names:
        table = table.append_column(name, pa.array([row.get(name) for row in events]))
    return EventBatch(table.combine_chunks().to_batches()[0])


def lives_of(events: EventBatch) -> list[dict]:
    """Actions on some of the payments, now and then in another currency or on nobody's payment."""
    chance = random.Random(4)
    paid = events.table.to_pylist()
    return [
        {
            "kind": Kind.LIFECYCLE,
            "event_id": f"action-{number}",
            "transaction_id": "nobody's" if number % 40 == 0 else row["transaction_id"],
            "event_time_ms": row["event_time_ms"] + chance.randrange(DAY_MS),
            "action": chance.choice(ACTIONS),
            "amount_minor": chance.randrange(1, 10_000),
            "currency": chance.choice([row["currency"], None, "EUR"]),
            "reason_code": chance.choice(["10.4", None]),
        }
        for number, row in enumerate(chance.choices(paid, k=400))
    ]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same log in PostgreSQL and as analysis tables."""
    url = database()
    migrate.upgrade(url)
    events = a_stream(600)
    with Store.open(tmp_path_factory.mktemp("questions")) as store:
        deciding = runner(store)
        deciding.ingest(events, labels(events.table.to_pylist(), DAY_MS))
        deciding.ingest(batch(lives_of(events)))
        deciding.ingest(
            batch([payments(1)[0] | {"transaction_id": "last", "event_time_ms": 1_800_000_000_000}])
        )
        with contextlib.closing(RelationalStore(store.log, url, store.meta.store_id)) as target:
            catch_up(store.log, target, all_of_it=True)
        lake = Lake.alone(store)
        yield url, lake
        lake.close()


def plain(value):
    """What compares equal on both sides: moments in UTC, numbers to nine digits."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC).isoformat()
    if isinstance(value, (float, Decimal)):
        return float(f"{float(value):.9g}")
    return tuple(value) if isinstance(value, list) else value


def sorted_rows(found):
    return sorted((tuple(map(plain, row)) for row in found), key=repr)


@pytest.mark.parametrize("view", VIEWS)
def test_both_answer_alike(both, view):
    url, lake = both
    answer = lake.sql(f"SELECT * FROM {view}")
    ours = sorted_rows([tuple(row.values()) for row in answer.to_pylist()])
    theirs = sorted_rows(rows(url, f"SELECT * FROM {view}"))
    assert ours == theirs
    assert len(ours) > 1


def test_a_view_has_the_same_columns_on_both_sides(both):
    url, lake = both
    for view in VIEWS:
        named = rows(
            url,
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'ringfence' "
            f"AND table_name = '{view}' ORDER BY ordinal_position",
        )
        assert [name for (name,) in named] == lake.sql(f"SELECT * FROM {view} LIMIT 0").column_names
