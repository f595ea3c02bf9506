"""A customer is asked once within a window, however many alerts a burst of payments opens."""

from dataclasses import replace

import msgspec
import pyarrow as pa
import pytest
from tests.lakes import OUTCOMES, decisions, events

from ringfence.adapters.outbox import AlertBook, OutboxFollower
from ringfence.alerts.policy import AlertPolicy
from ringfence.decisions.decision import DecisionBatch
from ringfence.follow import catch_up

HOUR = 3_600_000


def asked_about(store, bus, policy, *told, most=None, now_ms=HOUR):
    """Payments that customers were asked about; each of `told` is when it was decided, its typology, more."""
    for number, (at_ms, typology, more) in enumerate(told):
        payment = {"card_id": "c1", "customer_id": "ada", "email": "ada@example.org"} | more
        made = decisions(number * 2, 2)
        table = DecisionBatch.decode(made.payload).table
        changed = {
            "decided_at_ms": pa.array([at_ms]),
            "rules": pa.array([[f"typology.{typology}"]]),
            "typologies": pa.array([[typology]]),
            "typology_scores": pa.array([[40.0]]),
            "outcome": pa.DictionaryArray.from_arrays(pa.array([3], pa.int8()), OUTCOMES),
        }
        for name, values in changed.items():
            field = table.schema.field(name)
            table = table.set_column(table.schema.get_field_index(name), field, values.cast(field.type))
        paid = events(number * 2, 2, **{name: [value, None] for name, value in payment.items()})
        store.commit([paid, replace(made, payload=DecisionBatch(table).encode())])
    follower = OutboxFollower(store.log, store.folder, "log", lambda: now_ms, policy)
    follower.most = most or follower.most
    catch_up(store.log, follower)
    follower.close()
    found = [msgspec.json.decode(one.event)["data"]["decision"] for one in bus.letters(limit=100)]
    return sorted(one["transaction_id"] for one in found)


ASKING = AlertPolicy(customer="mail", window="1h")


@pytest.mark.parametrize("most", [1, None])
def test_a_burst_of_two_typologies_is_one_question_to_the_customer(store, bus, most):
    """Two alerts on one card, the second payment a second after the first; and once more after the window."""
    told = asked_about(
        store,
        bus,
        ASKING,
        (1000, "card_testing", {}),
        (2000, "account_takeover", {}),
        (HOUR + 999, "account_takeover", {"card_id": "c9"}),
        (HOUR + 1000, "money_mule", {}),
        most=most,
    )
    assert told == ["t0", "t6"]
    assert len(AlertBook(bus.database).alerts()) == 4


def test_nobody_is_asked_about_a_payment_of_last_week_that_is_decided_now(store, bus, caplog):
    """Whoever runs a file of old payments would have asked every customer in it."""
    week = 7 * 24 * HOUR
    told = asked_about(store, bus, ASKING, (week, "card_testing", {}), now_ms=week)
    assert told == []
    assert len(AlertBook(bus.database).alerts()) == 1
    assert "Customers are not asked about 1 payments" in caplog.text  # the source's clock may be wrong


def test_who_is_reached_elsewhere_or_is_somebody_else_is_asked_too(store, bus):
    """The payer's address may be a fraudster's, and a family shares one: neither hides a question."""
    told = asked_about(
        store,
        bus,
        ASKING,
        (1000, "card_testing", {"email": "eve@evil.example"}),
        (2000, "account_takeover", {}),
        (3000, "money_mule", {"customer_id": "ben"}),
        (4000, "triangulation", {}),
    )
    assert told == ["t0", "t2", "t4"]


def test_a_rebuilt_outbox_asks_about_the_same_payments(store, bus):
    told = asked_about(store, bus, ASKING, (1000, "card_testing", {}), (2000, "money_mule", {}))
    follower = OutboxFollower(store.log, store.folder, "log", lambda: HOUR, ASKING)
    follower.reset()
    follower.close()
    assert asked_about(store, bus, ASKING) == told == ["t0"]
