"""Labels that say good: what they settle early, and what the payments without any label are then."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.learning.data.dataset import Dataset
from ringfence.learning.data.history import NEVER, Labels
from ringfence.learning.data.splits import part, prequential, train_and_test

DAY_MS = 86_400_000
MATURITY_MS = 30 * DAY_MS


def payments(good_after_ms: np.ndarray, fraud_after_ms: np.ndarray) -> Dataset:
    """100 days of payments, one in 100 minutes; labels come so long after them, `NEVER` for none."""
    count = len(good_after_ms)
    time_ms = np.arange(count) * 6_000_000

    def known(after_ms: np.ndarray) -> np.ndarray:
        return np.where(after_ms == NEVER, NEVER, time_ms + np.where(after_ms == NEVER, 0, after_ms))

    nothing = np.zeros((1, count), np.float32)
    entity = np.zeros(count, np.int64)
    return Dataset(("amount",), nothing, time_ms, entity, known(fraud_after_ms), known(good_after_ms))


@pytest.fixture(params=[0.02, 0.3], ids=["few", "many"])
def data(request):
    rng = np.random.default_rng(7)
    count, draw = 1_440, rng.random(1_440)
    after = rng.integers(1, 40, count) * DAY_MS
    fraud = np.where(draw < 0.05, after, NEVER)
    return payments(np.where(draw > 1 - request.param, after // 10, NEVER), fraud)


def test_a_payment_that_a_label_settled_is_learned_from_at_once_where_labels_tell_good_as_a_rule(data):
    """Elsewhere those cleared soon would be learned from, and frauds known as soon would not: neither is."""
    learned, test = train_and_test(data, None, MATURITY_MS)
    early = data.time_ms < test.start_ms - MATURITY_MS
    late = data.told_at(test.start_ms) & (data.time_ms < test.start_ms) & ~early
    good = data.cleared_ms <= test.start_ms
    assert (late & good).any()
    assert (late & ~good).any()
    assert np.isin(np.flatnonzero(late), learned.rows).all() == data.tells_good
    assert np.isin(np.flatnonzero(late), learned.rows).any() == data.tells_good
    assert not learned.fraud[good[learned.rows]].any()
    assert learned.end_ms == test.start_ms - MATURITY_MS
    for fold in prequential(data, learned, MATURITY_MS):
        begin = fold.judge.start_ms
        late = fold.train.rows[data.time_ms[fold.train.rows] >= begin - MATURITY_MS]
        assert bool(len(late)) == data.tells_good
        assert data.told_at(begin)[late].all()
        assert fold.judge.end_ms <= learned.end_ms


def test_without_a_label_a_payment_is_unknown_only_where_labels_tell_good_as_a_rule(data):
    learned, test = train_and_test(data, None, MATURITY_MS)
    told = data.told_at(test.start_ms)[learned.rows]
    assert told.all() == data.tells_good
    assert data.told_at(test.cut_off_ms)[test.rows].all() == data.tells_good
    everybody = part(data, 0, test.end_ms, test.cut_off_ms, labelled=False)
    assert len(everybody.rows) == (data.time_ms < test.end_ms).sum()


def test_what_a_desk_settled_is_learned_from_at_once_and_what_was_only_reported_is_not():
    """About one payment in ten is reviewed and closed within a day, fraud or good; reports take weeks."""
    rng = np.random.default_rng(7)
    count, draw = 1_440, rng.random(1_440)
    reviewed, fraud = draw < 0.2, rng.random(1_440) < 0.3
    slow = rng.integers(1, 40, count) * DAY_MS
    data = payments(
        np.where(reviewed & ~fraud & (draw < 0.05), DAY_MS, NEVER),
        np.where(fraud & reviewed, DAY_MS, np.where(fraud & (draw > 0.9), slow, NEVER)),
    )
    settled = reviewed & (fraud | (draw < 0.05))
    data = replace(data, settled_ms=np.where(settled, data.time_ms + DAY_MS, NEVER))
    assert not data.tells_good
    learned, test = train_and_test(data, None, MATURITY_MS)
    waiting = (data.time_ms >= test.start_ms - MATURITY_MS) & (data.time_ms < test.start_ms)
    late = learned.rows[waiting[learned.rows]]
    assert np.array_equal(late, np.flatnonzero(waiting & settled & (data.settled_ms <= test.start_ms)))
    assert learned.fraud[waiting[learned.rows]].any()
    assert not learned.fraud[waiting[learned.rows]].all()
    assert (data.told_at(test.start_ms) & waiting & ~settled).any()  # a report that came early


def test_only_a_source_that_names_frauds_and_good_payments_settles():
    labels = Labels()
    for source, frauds, goods in (("chargeback", 50, 0), ("case", 30, 10), ("hasty", 3, 5), (None, 30, 30)):
        count = frauds + goods
        columns = {
            "kind": pa.array([Kind.LABEL] * count, pa.uint8()),
            "event_time_ms": pa.array(range(count), pa.int64()),
            "transaction_id": [f"{source}-{number}" for number in range(count)],
            "label": [number < frauds for number in range(count)],
            "label_source": pa.array([source] * count, pa.string()),
        }
        labels.add(EventBatch(pa.RecordBatch.from_pydict(columns)), 0)
    settled, known_ms = labels.settling()
    assert (len(settled), sorted(known_ms.tolist())) == (40, list(range(40)))
