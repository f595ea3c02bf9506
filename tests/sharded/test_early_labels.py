"""Labels before their payments: the latest that is not refused counts, and however many come few wait."""

import random

import numpy as np
import pytest
from tests.sharded.test_equality import ALWAYS, DECODE, SEED, assert_equal, spread
from tests.spine import START_MS, batch, payments

from ringfence.events.model import Kind
from ringfence.features.early_labels import EarlyLabels
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.rulesets.rules import compile_rules
from ringfence.sharded import ShardedPlan
from ringfence.sharded.wire import unpack
from ringfence.testing.local_host import LocalHost

CARD = entity("card")
SPEC = FeatureSpec.of(CARD.label_count("30d"), CARD.label_rate("30d"), entity("account").label_count("7d"))


def plan(partitions=1, **more):
    names = [f"payments/{number}" for number in range(partitions)]
    return ShardedPlan(SPEC, compile_rules(ALWAYS, SPEC), names, DECODE, SEED, **more)


def label(transaction, own, says, at_ms=0):
    told = {"kind": Kind.LABEL, "transaction_id": transaction, "label": says}
    return told | {"event_time_ms": START_MS + at_ms} | ({"event_id": own} if own else {})


def flood(seed):
    """Payments, each with labels before and behind it: of few ids, of none, of other payments."""
    chance, rows = random.Random(seed), []
    for number, row in enumerate(payments(60, seed)):
        about = row.get("transaction_id", "tx-0")
        own = [f"l-{about}-{n}" for n in range(3)] + [None, "anybody's", f"l-tx-{max(0, number - 5)}-0"]
        said = [label(about, chance.choice(own), chance.random() < 0.5) for _ in range(chance.randrange(12))]
        at = chance.randrange(len(said) + 1)
        rows += [*said[:at], row, *said[at:]]
    return rows


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_labels_that_come_again_and_again_count_as_on_one_machine(seed):
    chance = random.Random(seed)
    parts, append = spread(batch(flood(seed)), chance, 2)
    assert_equal(plan(2, id_shards=chance.choice((1, 3))), parts, append, chance, [3])


class Stage:
    """The ids of one partition, each event in a chunk of its own; what they tell of each."""

    def __init__(self, **more):
        self.host = LocalHost(plan(id_shards=1, shards=1, lanes=1, **more))
        self.now_ms = START_MS

    def tell(self, *rows, after_ms=1):
        found = []
        for row in rows:
            self.now_ms += after_ms
            door = self.host.stage("door", 0).events(batch([row]), np.array([self.now_ms]))
            told = [self.host.stage("ids", 0).take(one.data) for one in door if one.to == "ids"]
            found += [unpack(one.data)[1] for some in told for one in some]
        return found

    @property
    def kept(self):
        return sum(key[:1] == b"p" for key in self.host.states["ids", 0])


def settled(stage, number=0):
    """What the labels say that have waited for a payment, once it has come."""
    [(*_, early)] = stage.tell(payments(number + 1)[number])
    return early[:, -1].tolist()


def test_of_one_payment_few_labels_wait():
    again = Stage()
    told = again.tell(*[label("tx-0", "same", number % 2 == 0) for number in range(50)])
    assert [labels[0, 1] for _, _, labels, _, _ in told] == [0] + [2] * 49
    assert settled(again) == [1]
    anonymous = Stage()
    anonymous.tell(*[label("tx-0", None, number == 49) for number in range(50)])
    assert settled(anonymous) == [1]
    others = Stage()
    others.tell(*[label("tx-0", f"l-{number}", number % 2 == 0) for number in range(50)])
    assert settled(others) == [1, 0] * 4


def test_labels_are_counted_and_the_first_go(monkeypatch):
    monkeypatch.setattr("ringfence.sharded.ids.MOST", 20)
    stage = Stage()
    stage.tell(*[label(f"tx-{n}", f"l-{n}-{k}", True) for n in range(10) for k in range(5)])
    payment = [row for row in payments(20) if "kind" not in row]
    found = [len(early) for _, _, _, _, early in stage.tell(*payment[:10])]
    assert found == [0] * 6 + [5] * 4


def test_labels_do_not_wait_for_ever_nor_do_the_chunks_that_they_came_in():
    stage = Stage(ids_ms=1000)
    stage.tell(*[label(f"tx-{number}", f"l-{number}", True) for number in range(100)])
    assert stage.kept == 100
    stage.tell(label("tx-0", "another", True), after_ms=950)
    stage.tell(label("elsewhere", "another", True), after_ms=100)
    stage.host.lose_all()
    assert stage.kept == 2
    assert settled(stage) == [1]
    assert settled(stage, 1) == []


def test_forgetting_the_first_of_many_labels_takes_no_look_at_all_that_went(monkeypatch):
    monkeypatch.setattr("ringfence.features.early_labels.MOST", 3)
    labels = EarlyLabels.from_arrays(np.arange(3), np.array([1, 0, 1]))
    labels.note(0, 0)
    labels.note(7, 1)
    assert [one.tolist() for one in labels.to_arrays()] == [[2, 0, 7], [1, 0, 1]]
