"""Late, twice, and all at once after an outage: nothing is lost, and the content stays the same."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.simulate import Disorder, World


def month(**disorder):
    made = [day.events for day in World(5, 500, disorder=Disorder(**disorder)).days(30)]
    table = pa.Table.from_batches(made)
    return table.filter(pc.equal(table["kind"], "transaction"))


def behind_ms(table):
    times = table["event_time"].cast(pa.int64()).to_numpy()
    return np.maximum.accumulate(times) - times


def test_without_disorder_everything_is_in_order():
    assert behind_ms(month()).max() == 0


def test_the_late_come_minutes_late_and_a_few_after_more_than_a_day():
    late = behind_ms(month(late=0.1))
    assert 0.05 < (late > 0).mean() < 0.15
    assert np.median(late[late > 0]) < 3_600_000
    assert late.max() > 86_400_000


def test_duplicates_are_the_same_event_again():
    table = month(duplicates=0.05)
    ids = table["transaction_id"].to_pylist()
    rows = [dict(row) for row in table.drop_columns("event_time").to_pylist()]
    first = dict(zip(reversed(ids), reversed(rows), strict=True))
    assert 0.03 < 1 - len(first) / len(ids) < 0.07
    assert all(row == first[row["transaction_id"]] for row in rows)


def test_after_an_outage_a_citys_tills_report_at_once():
    table = month(outages_a_month=30)
    late = behind_ms(table)
    held = late > 20 * 60_000
    assert held.sum() > 50
    assert set(table["channel"].filter(pa.array(held)).to_pylist()) <= {"pos", "atm"}


def test_nothing_is_lost_on_the_way():
    calm = set(month()["transaction_id"].to_pylist())
    rough = set(month(late=0.2, duplicates=0.1, outages_a_month=15)["transaction_id"].to_pylist())
    assert rough == calm
