"""What holds a waiting message, and until when: a list that says "now" of it sends people searching."""

import json
import re

import pytest

from ringfence.adapters.outbox.alerting import declare
from ringfence.adapters.outbox.delivery import _DUE
from ringfence.bus.holds import HoldReason, MessageHold
from ringfence.bus.subscription import Subscription
from ringfence.cli import execute

NOW = 1_750_000_000_000
HOOK = "https://hooks.example/a"
SOON = NOW + 90_000
FAR_MS = 4_102_444_800_000  # in 2100


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


def test_what_the_list_of_the_command_says_of_it(hook, store, capsys):
    put(hook, "night", due_ms=FAR_MS)
    put(hook, "a")

    def listed(*options):
        assert execute(["outbox", "list", *options, "--data", str(store.folder)]) == 0
        return capsys.readouterr().out

    rows = {line.split()[0]: line for line in listed().splitlines() if line}
    assert re.search(r" 2100-01-01 [\d:]+: quiet hours", rows["night"])
    assert " now" in rows["a"]
    found = {one["id"]: (one["held_by"], one["held_until_ms"]) for one in json.loads(listed("--json"))}
    assert found == {"night": ("quiet hours", FAR_MS), "a": (None, 0)}
    hook.pause("all", paused=True)
    assert listed().count("held: subscription paused") == 2


def test_a_message_that_goes_by_the_list_is_one_that_delivery_takes(hook):
    """They ask by the same conditions: order and pause."""
    for number in range(3):
        put(hook, f"m{number}", ordered=1)
    hook.subscribe(Subscription(name="still", to=HOOK, pattern="score >= 0"))
    put(hook, "still", subscription="still")
    hook.pause("still", paused=True)
    asked = {"to": HOOK, "now_ms": NOW, "latest_ms": NOW, "since_ms": NOW, "begun": "[]", "most": 10}
    due = {row[1] for row in hook.database.rows(_DUE, asked)}
    assert due == {one.id for one in hook.letters()} - set(held(hook)) == {"m0"}
