"""Buttons of Slack come back: signed, once, answered at once, and what came of them follows."""

import json
import time
from urllib.parse import urlencode

import msgspec
import pytest
from slack_sdk.models.blocks import Block
from slack_sdk.signature import SignatureVerifier
from tests.api.conftest import payment
from tests.bus.receivers import Receiver
from tests.waiting import until

from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.notifiers.slack import blocks_of
from ringfence.adapters.outbox import AlertBook, Bus, OutboxFollower
from ringfence.alerts.answers import Asked, signed
from ringfence.alerts.buttons import button_key
from ringfence.alerts.policy import OUTCOMES, AlertPolicy
from ringfence.compose.messaging.alerts import alert_words
from ringfence.events import codec
from ringfence.follow import catch_up

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
POLICY = AlertPolicy(outcomes=OUTCOMES, team=("slack:#team",))
SIGNER = SignatureVerifier(SECRET)


def sent(client, body, *, at=None, secret=SECRET):
    stamp = str(int(at or time.time()))
    signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
    headers = {
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": signature,
        "content-type": "application/x-www-form-urlencoded",
    }
    assert secret != SECRET or at or SIGNER.is_valid_request(body, headers)
    return client.post("/slack/actions", content=body, headers=headers)


async def settled(client):
    await client.server.background.settle()


class Message:
    """An alert on payment t1, as Slack has it."""

    def __init__(self, client, slack):
        self.store = client.server.session.store
        follower = OutboxFollower(self.store.log, self.store.folder, "log", lambda: 1, POLICY)
        catch_up(self.store.log, follower)
        self.event = msgspec.json.decode(follower.bus.letters()[0].event)
        follower.close()
        self.alert = self.event["data"]["alert"]["id"]
        self.key = button_key(self.store.meta.token_key)
        words = alert_words(POLICY, self.store.meta.token_key, has_buttons=True)(self.event)
        self.blocks, _ = blocks_of(words, "m")
        self.slack = slack

    def pressed(self, action, *, value=None, by="mira", message=None):
        (button,) = [one for one in self.blocks[-1]["elements"] if one["action_id"] == action]
        told = {
            "type": "block_actions",
            "user": {"id": "U1", "username": by},
            "actions": [{"block_id": "ringfence", "action_id": action, "value": value or button["value"]}],
            "message": {"blocks": message or self.blocks},
            "response_url": self.slack.url,
        }
        return urlencode({"payload": json.dumps(told)})

    def labels(self):
        found = [codec.decode(batch.payload).table.to_pylist() for batch in self.store.log.read("events")]
        return [row for rows in found for row in rows if row.get("label_source") == "slack"]

    def replies(self, count):
        until(lambda: len(self.slack.requests) >= count)
        return [json.loads(body) for _, body in self.slack.requests]


@pytest.fixture
def message(api, tmp_path, monkeypatch):
    """Runs a conversation about one alert."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_SLACK_SIGNING_SECRET", SECRET)

    def run(talk):
        with Receiver(200) as slack:
            monkeypatch.setenv("RINGFENCE_SLACK_HOOKS", f"http://127.0.0.1:{slack.port}/")

            async def whole(client):
                await client.post("/v1/decisions", json=payment("t1"))
                told = Message(client, slack)
                found = await talk(client, told)
                await settled(client)
                return found, told.replies(len(slack.requests)), told.labels()

            return api(whole)

    return run


def test_fraud_is_a_label_with_its_source_and_the_message_says_by_whom(message, tmp_path):
    async def talk(client, told):
        for block in Block.parse_all(told.blocks):
            block.validate_json()
        first = await sent(client, told.pressed("acknowledge"))
        await settled(client)
        answers = [first, await sent(client, told.pressed("fraud", by="mi<ra"))]
        return answers, told

    (answers, told), (seen, found), (label,) = message(talk)
    assert [one.status_code for one in answers] == [200, 200]
    assert [one.content for one in answers] == [b"", b""]
    assert (label["transaction_id"], label["label"], label["label_source"]) == ("t1", True, "slack")
    assert label["note"] == f"{told.alert}, by slack:mi<ra"
    assert seen["replace_original"]
    assert found["replace_original"]
    assert [one["action_id"] for one in seen["blocks"][-2]["elements"]] == ["fraud", "not_fraud"]
    assert found["blocks"][-1]["elements"][0]["text"] == "mi<ra: this is fraud."
    assert all(one["type"] != "actions" for one in found["blocks"])
    bus = Bus(tmp_path / "data")
    (alert,) = AlertBook(bus.database).alerts()
    bus.close()
    assert (alert.state, alert.by) == ("acknowledged", "slack:mira")
    trail = SqliteTrail(tmp_path / "data")
    acts = [one.act for one in trail.records(action="alert.acted_on")]
    trail.close()
    assert {(act.actor, act.object, act.details["does"]) for act in acts} == {
        ("slack:mira", told.alert, "acknowledge"),
        ("slack:mi<ra", told.alert, "fraud"),
    }


def test_what_was_said_first_stands(message):
    async def talk(client, told):
        await sent(client, told.pressed("not_fraud", by="anna"))
        await settled(client)
        return await sent(client, told.pressed("fraud", by="bob"))

    again, (_, refused), labels = message(talk)
    assert again.status_code == 200
    assert [one["label"] for one in labels] == [False]
    assert refused["response_type"] == "ephemeral"
    assert not refused["replace_original"]
    assert refused["text"] == "anna has said already: not fraud."


def test_whoever_acknowledges_second_hears_who_was_first(message):
    """And the message keeps what it says, with the buttons that it has."""

    async def talk(client, told):
        for by in ("anna", "bob"):
            await sent(client, told.pressed("acknowledge", by=by))
            await settled(client)

    _, replies, _ = message(talk)
    assert [one["replace_original"] for one in replies] == [True, False]
    assert replies[1]["text"] == "anna has acknowledged this already."


def test_whoever_acknowledged_elsewhere_is_not_named_in_a_channel(message, tmp_path):
    async def talk(client, told):
        bus = Bus(tmp_path / "data")
        AlertBook(bus.database).acknowledge(told.alert, "key-of-anna", 1)
        bus.close()
        await sent(client, told.pressed("acknowledge"))

    _, replies, _ = message(talk)
    assert [one["text"] for one in replies] == ["Somebody else has acknowledged this already."]


def test_a_verdict_that_was_given_before_is_told_with_who_gave_it(message):
    async def talk(client, told):
        for by in ("anna", "bob"):
            await sent(client, told.pressed("fraud", by=by))
            await settled(client)

    _, replies, labels = message(talk)
    assert [one["text"] for one in replies] == ["anna: this is fraud."] * 2
    assert len(labels) == 1


def test_each_payment_of_an_alert_has_a_verdict_of_its_own(message):
    """The message on an alert that was raised has buttons for the payment that raised it."""

    async def talk(client, told):
        later = signed(told.key, Asked(told.alert, "t2", 10**15))
        for value, action in ((None, "fraud"), (later, "not_fraud"), (later, "fraud")):
            assert (await sent(client, told.pressed(action, value=value))).status_code == 200
            await settled(client)

    _, replies, labels = message(talk)
    assert [(one["transaction_id"], one["label"]) for one in labels] == [("t1", True), ("t2", False)]
    assert [one["replace_original"] for one in replies] == [True, True, False]


def test_what_is_forged_late_or_came_before_changes_nothing(message, tmp_path):
    async def talk(client, told):
        good = told.pressed("fraud")
        late = await sent(client, good, at=time.time() - 301)
        forged = await sent(client, good, secret="other")
        unsigned = await client.post("/slack/actions", content=good)
        odd = await client.post(
            "/slack/actions",
            content=good,
            headers={"x-slack-request-timestamp": "soon", "x-slack-signature": "v0=é".encode()},
        )
        broken = [await sent(client, text) for text in ("payload={}", "payload=[1", "x", "payload=%ff")]
        stale = signed(told.key, Asked(told.alert, "t1", 1))
        other = signed(b"other", Asked(told.alert, "t1", 10**15))
        expired = [await sent(client, told.pressed("fraud", value=value)) for value in (stale, other)]
        assert told.labels() == []
        stamp = time.time()
        once = [await sent(client, told.pressed("acknowledge"), at=stamp) for _ in range(2)]
        return [late, forged, unsigned, odd], broken, expired, once

    (refused, broken, expired, once), replies, labels = message(talk)
    assert [one.status_code for one in refused] == [401] * 4
    assert [one.status_code for one in broken] == [422] * 4
    assert [one.status_code for one in expired] == [200, 200]
    assert [one.status_code for one in once] == [200, 409]
    trail = SqliteTrail(tmp_path / "data")
    acts = [one.act for one in trail.records(action="alert.acted_on")]
    trail.close()
    assert {act.outcome for act in acts if "problem" in act.details} == {"refused"}
    assert len([act for act in acts if act.outcome == "done"]) == 1
    told = [one["text"] for one in replies]  # each by a task of its own: in any order
    assert told.count("This button is not valid, or no longer: please use the dashboard.") == 2
    assert labels == []


def test_without_a_signing_secret_there_is_no_such_route(api, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = api(lambda client: sent(client, "payload={}"))
    assert answer.status_code == 404
    assert "RINGFENCE_SLACK_SIGNING_SECRET" in answer.json()["detail"]
