"""What holds a waiting message, and until when: a list that says "now" of it sends people searching."""

import pytest

from ringfence.adapters.outbox.alerting import declare
from ringfence.bus.holds import HoldReason, MessageHold
from ringfence.bus.subscription import Subscription
from ringfence.cli.response import outbox

NOW = 1_750_000_000_000
HOOK = "https://hooks.example/a"
SOON = NOW + 90_000


def put(bus, identity, to=HOOK, subscription="all", ordered=0, due_ms=0, attempts=0, state="waiting"):
    with bus.database.transaction() as connection:
        declare(connection, to)
        connection.execute(
            "INSERT INTO message "
            "(id, subscription, destination, key, ordered, event, state, due_ms, attempts, made_ms) "
            "VALUES (?, ?, ?, 'card', ?, X'7B7D', ?, ?, ?, 0)",
            (identity, subscription, to, ordered, state, due_ms, attempts),
        )


def held(bus):
    return bus.holds(bus.letters(limit=1000), NOW)


@pytest.fixture
def hook(bus):
    bus.subscribe(Subscription(name="all", to=HOOK, pattern="score >= 0"))
    return bus


def test_a_message_that_may_go_is_held_by_nothing(hook):
    put(hook, "a")
    put(hook, "done", state="delivered")
    put(hook, "dead", state="dead", due_ms=SOON)
    assert held(hook) == {}


def test_a_paused_subscription_holds_its_own_until_somebody_resumes_it(hook):
    hook.subscribe(Subscription(name="other", to=HOOK, pattern="score >= 0"))
    put(hook, "a", due_ms=SOON)
    put(hook, "b", subscription="other")
    hook.pause("all", paused=True)
    assert held(hook) == {"a": MessageHold(HoldReason.PAUSED)}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"disabled": "410 Gone", "open_until_ms": SOON}, MessageHold(HoldReason.DISABLED)),
        ({"failing": 5, "open_until_ms": SOON}, MessageHold(HoldReason.BROKEN, SOON)),
        ({"failing": 9, "open_until_ms": NOW}, MessageHold(HoldReason.BROKEN)),
        ({"failing": 1, "open_until_ms": SOON}, MessageHold(HoldReason.ASKED, SOON)),
        ({"failing": 1, "open_until_ms": NOW}, None),
    ],
)
def test_a_destination_holds_what_is_for_it(hook, fields, expected):
    put(hook, "a")
    hook.change(HOOK, **fields)
    assert held(hook).get("a") == expected


def test_quiet_hours_and_a_failure_are_told_apart_and_what_ends_last_counts(hook):
    put(hook, "night", due_ms=SOON)
    put(hook, "again", due_ms=SOON, attempts=2)
    assert held(hook) == {
        "night": MessageHold(HoldReason.QUIET, SOON),
        "again": MessageHold(HoldReason.BACK_OFF, SOON),
    }
    hook.change(HOOK, failing=6, open_until_ms=SOON + 1)
    assert set(held(hook).values()) == {MessageHold(HoldReason.BROKEN, SOON + 1)}


def test_the_order_holds_what_is_behind_another_of_the_same_key(hook):
    put(hook, "first", ordered=1)
    put(hook, "second", ordered=1)
    put(hook, "free")
    assert held(hook) == {"second": MessageHold(HoldReason.ORDER)}


def test_a_rate_limit_says_when_a_messages_turn_comes(bus, monkeypatch):
    for number in range(4):
        put(bus, f"m{number}", to="slack:#team")
    put(bus, "letter", to="mailto:a@bank.example")
    second = MessageHold(HoldReason.RATE, NOW + 1000)
    assert {name: one for name, one in held(bus).items() if name in ("m0", "m1", "letter")} == {"m1": second}
    assert held(bus)["m3"] == MessageHold(HoldReason.RATE, NOW + 3000)
    monkeypatch.setattr("ringfence.adapters.outbox.holds._FAR", 2)
    assert held(bus)["m3"] == MessageHold(HoldReason.RATE)


def test_what_the_list_of_the_command_says_of_it(hook):

    put(hook, "night", due_ms=SOON)
    put(hook, "a")
    letters = {one.id: one for one in hook.letters()}
    assert outbox._when(letters["a"], None) == "now"
    told = outbox._when(letters["night"], held(hook)["night"])
    assert told.startswith("2025-06-15")
    assert told.endswith(": quiet hours")
    hook.pause("all", paused=True)
    assert outbox._when(letters["a"], held(hook)["a"]) == "held: subscription paused"
    assert outbox._shown(letters["a"], held(hook)["a"])["held_by"] == "subscription paused"
