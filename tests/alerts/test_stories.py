"""The stories that alerts are for: five detectors, and Slack that was down for an hour."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest
from slack_sdk.models.blocks import Block
from tests.bus.receivers import Receiver, stopping
from tests.waiting import until

from ringfence.adapters.notifiers.slack import SlackNotifier
from ringfence.adapters.outbox import AlertBook, Bus, Courier, OutboxFollower
from ringfence.adapters.sqlite import Store
from ringfence.alerts.events import Wording
from ringfence.alerts.policy import AlertPolicy
from ringfence.alerts.wording import SAMPLES, rendered, shipped
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome, Message
from ringfence.cli import execute
from ringfence.compose.messaging.alerts import rules_by_digest
from ringfence.follow import catch_up

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2].joinpath("docs/howto/alert-scenarios.md").read_text()

BEGIN = datetime(2025, 3, 1, 12, tzinfo=UTC)
POLICY = AlertPolicy(team=("slack:#fraud-team-alerts",), customer="mail", bank="Bank of Bern", most=100)


def payment(who, number, at, amount, **more):
    """An ordinary one, unless told otherwise: at home, on the phone, in the shop around the corner."""
    return {
        "transaction_id": f"{who}-{number}",
        "event_time": at.isoformat(),
        "amount": amount,
        "currency": "EUR",
        "card_id": f"card-{who}",
        "customer_id": who,
        "merchant_id": "corner-shop",
        "device_id": f"phone-{who}",
        "country": "DE",
        "email": f"{who}@example.org",
    } | more


def history(who):
    """Twenty days of small shopping."""
    return [payment(who, n, BEGIN + timedelta(days=n, minutes=n % 7), 22 + n % 5) for n in range(20)]


LATER = BEGIN + timedelta(days=20, hours=2)
CASES = {  # detector: what fires, and what only looks like it
    "unusual": ([{"amount": 900}], [{"amount": 40}]),
    "location": ([{"amount": 30, "country": "BR"}], [{"amount": 30, "country": "DE"}]),
    "device": ([{"amount": 30, "device_id": "stranger"}], [{"amount": 30}]),
    "merchant": ([{"amount": 25, "merchant_id": "shady"}], [{"amount": 25, "merchant_id": "bakery"}]),
    "small": ([{"amount": 1}] * 6, [{"amount": 1}] * 2),
}
REASONS = {
    "unusual": "UNUSUAL_AMOUNT",
    "location": "NEW_LOCATION",
    "device": "NEW_DEVICE",
    "merchant": "SUSPICIOUS_MERCHANT",
    "small": "CARD_TESTING",
}


def records():
    rows = [
        {
            "kind": "list_entry",
            "event_id": "w1",
            "event_time": (BEGIN - timedelta(days=1)).isoformat(),
            "list_name": "shady-shops",
            "list_kind": "watch",
            "entity_type": "merchant",
            "entity_id": "shady",
        }
    ]
    for case, spans in CASES.items():
        for name, extras in zip((case, f"{case}-near"), spans, strict=True):
            rows += history(name)
            rows += [
                payment(name, 100 + n, LATER + timedelta(seconds=20 * n), **extra)
                for n, extra in enumerate(extras)
            ]
    return sorted(rows, key=lambda row: row["event_time"])


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """A data folder in which all of it has been decided by the shipped rules."""
    folder = tmp_path_factory.mktemp("story")
    (folder / "in.ndjson").write_text("".join(json.dumps(row) + "\n" for row in records()))
    (folder / "rules.yaml").write_text("extends: shipped\n")
    arguments = [
        "run",
        str(folder / "in.ndjson"),
        "--rules",
        str(folder / "rules.yaml"),
        "--data",
        str(folder / "d"),
    ]
    assert execute(arguments) == 0
    return folder / "d"


@pytest.fixture
def bus(decided):
    made = Bus(decided)
    with Store.open(decided, read_only=True) as store:
        follower = OutboxFollower(
            store.log,
            decided,
            store.meta.store_id,
            lambda: int((LATER + timedelta(hours=1)).timestamp() * 1000),
            POLICY,
            rules_by_digest(store),
        )
        follower.reset()
        with made.database.transaction() as connection:
            connection.execute("UPDATE position SET told = 0")
        catch_up(store.log, follower)
        follower.close()
    yield made
    made.close()


class Mailbox:
    def __init__(self):
        self.taken = []

    def deliver(self, message):
        self.taken.append(message)
        return AttemptOutcome(AttemptEnd.DELIVERED)

    def close(self):
        pass


@pytest.mark.parametrize("case", CASES)
def test_each_detector_tells_the_team_and_the_customer_and_its_near_miss_nobody(bus, case):
    told = [msgspec.json.decode(one.event) for one in bus.letters(limit=1000)]
    of_case = [e for e in told if e["data"]["decision"]["transaction"]["customer_id"] == case]
    types = {e["type"].split(".")[-3] + "." + e["type"].split(".")[-2] for e in of_case}
    assert {"alert.opened", "customer.asked"} <= types
    opened = next(e for e in of_case if e["type"].endswith("alert.opened.v1"))
    assert REASONS[case] in opened["data"]["decision"]["reasons"]
    assert opened["data"]["explanations"]
    words = Wording(POLICY, {})(opened)
    asked = Wording(POLICY, {})(next(e for e in of_case if "customer" in e["type"]))
    assert asked.to == f"{case}@example.org"
    assert "Bank of Bern" in asked.text
    for reason in opened["data"]["explanations"]:
        assert reason in words.text
        assert reason not in asked.text
    near = [e for e in told if e["data"]["decision"]["transaction"]["customer_id"] == f"{case}-near"]
    assert not near


def test_a_fraud_reaches_slack_once_also_after_slack_was_down_for_an_hour(bus):
    """Down, then busy, then well: each alert is one message, as it would have been."""
    alerts = AlertBook(bus.database).alerts()
    start = time.monotonic()

    def clock():  # an hour passes in a second
        return round(time.time() * 1000 + (time.monotonic() - start) * 3_600_000)

    with Receiver(503, 500, "half", 503, 503, 503, (429, {"Retry-After": "30"}), 500, 200) as slack:
        notifier = SlackNotifier("xoxb-1", f"http://127.0.0.1:{slack.port}/api/")
        slack_ok(slack)
        notifiers = {"slack": notifier, "mail": Mailbox()}
        with stopping(Courier(bus, notifiers, clock, Random(3), Wording(POLICY, {}))):
            until(lambda: not bus.letters(state="waiting"), 90)
    bodies = [json.loads(body) for body in slack.answered]
    assert sorted(body["metadata"]["event_payload"]["id"] for body in bodies) == sorted(
        one.id for one in bus.letters(destination="slack:#fraud-team-alerts", limit=1000)
    )
    assert len(bodies) >= len(alerts)
    shown = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])
    assert {shape(body) for body in bodies} <= {shape(shown), shape(shown, without="*Payments so far*")}
    for body in bodies:
        assert body["channel"] == "#fraud-team-alerts"
        assert body["text"]
        for block in Block.parse_all(body["blocks"]):
            block.validate_json()


def test_the_page_names_every_scenario_with_its_reason():
    rows = re.findall(r"^\| `(\w+)` \|.*\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert dict(rows) == REASONS


def test_slack_gets_exactly_what_the_page_shows():
    words = rendered("team", shipped("team", "en"), SAMPLES["team"])
    with Receiver(200) as slack:
        slack_ok(slack)
        notifier = SlackNotifier("xoxb-1", f"http://127.0.0.1:{slack.port}/api/")
        said = notifier.deliver(Message("id", b"{}", words, "#fraud-team-alerts"))
    body = json.loads(slack.requests[0][1])
    assert said.answer is AttemptEnd.DELIVERED
    shown = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])
    assert {name: body[name] for name in shown} == shown


def shape(body, without=""):
    """Names of the fields, and kinds of the first blocks."""
    names = [field["text"].partition("\n")[0] for field in body["blocks"][1]["fields"]]
    return tuple(block["type"] for block in body["blocks"][:3]), tuple(n for n in names if n != without)


def slack_ok(slack):
    """Have the receiver answer 200 as Slack does, and keep what it answered so."""
    slack.answered = []
    slack.body = b'{"ok": true}'
