import numpy as np
import pyarrow as pa
import pytest

from ringfence.simulate import World


@pytest.fixture(scope="session")
def season():
    """Fifty days of a world of 1,000 people with much fraud: events as one table, and what each fraud is."""
    made = list(World(3, 1000, fraud_rate=0.03).days(50))
    events = pa.Table.from_batches([day.events for day in made])
    truth = pa.Table.from_batches([day.truth for day in made])
    return events, dict(zip(*truth.to_pydict().values(), strict=True))


@pytest.fixture(scope="session")
def payments(season):
    """Its payments as columns, with `typology` ("honest" for most)."""
    events, truth = season
    paid = events.filter(pa.compute.equal(events["kind"], "transaction"))
    words = [item.name for item in paid.schema if pa.types.is_dictionary(item.type)]
    names = ["transaction_id", *(name for name in words if paid[name].null_count < len(paid))]
    columns = {name: np.array(paid[name].to_pylist(), object) for name in names}
    columns["who"] = paid["customer_id"].combine_chunks().indices.to_numpy()
    columns["typology"] = np.array([truth.get(name, "honest") for name in columns["transaction_id"]])
    columns["ms"] = paid["event_time"].cast(pa.int64()).to_numpy()
    columns["amount"] = paid["amount"].to_numpy()
    return columns
