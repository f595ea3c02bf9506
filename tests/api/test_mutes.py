"""Alerts muted and raised again by programs."""

import pytest
from tests.api.conftest import NOW_MS, payment

from ringfence.adapters.outbox import AlertBook, Bus
from ringfence.alerts.book import Mute
from ringfence.desks import alerts
from ringfence.desks.alerts import MuteDesk, MuteGround
from ringfence.errors import InputError
from ringfence.events.privacy.tokens import Tokenizer

CARD = "4111111111111111"
DAY_MS = 86_400_000
HOUR = {"typology": "card_testing", "entity_id": "*", "until_ms": NOW_MS + DAY_MS // 24}


def ask(api, *bodies, path="/v1/alerts/mutes"):
    """What is answered to each, and what is muted afterwards."""

    async def talk(client):
        await client.post("/v1/decisions", json=payment("t1"))
        found = [await client.post(path, json=one) for one in bodies]
        return found, (await client.get("/v1/alerts/mutes")).json()

    return api(talk)


def test_a_rule_is_muted_until_a_time_and_raised_again(api):
    async def talk(client):
        before = (await client.get("/v1/alerts/mutes")).json()
        await client.post("/v1/decisions", json=payment("t1"))
        made = [(await client.post("/v1/alerts/mutes", json=HOUR | {"note": "ours"})).json() for _ in "ab"]
        between = (await client.get("/v1/alerts/mutes")).json()
        which = {name: HOUR[name] for name in ("typology", "entity_id")}
        ended = [(await client.post("/v1/alerts/mutes/removals", json=which)).json() for _ in "ab"]
        return before, made, between, ended, (await client.get("/v1/alerts/mutes")).json()

    before, made, between, ended, after = api(talk)
    kept = HOUR | {"by": "local", "note": "ours", "kinds": [], "approved": True}
    assert made == [kept | {"remarks": []}] * 2
    assert between == {"mutes": [kept], "total": 1}
    assert ended == [{"was_muted": True}, {"was_muted": False}]
    assert before == after == {"mutes": [], "total": 0}


def test_a_mute_of_one_entity_says_nothing_of_another_with_its_id(api):
    """A shop's mute took the place of a customer's with the same number, and so did its end."""

    async def talk(client):
        await client.post("/v1/decisions", json=payment("t1"))
        path, shop = "/v1/alerts/mutes", HOUR | {"entity_id": "merchant=777"}
        first = await client.post(path, json=HOUR | {"entity_id": "customer=777"})
        other = await client.post(path, json=shop)
        which = {name: shop[name] for name in ("typology", "entity_id")}
        removed = await client.post(f"{path}/removals", json=which)
        return first, other, removed, (await client.get(path)).json()

    first, other, removed, muted = api(talk)
    assert (first.status_code, other.status_code) == (200, 422)
    assert "as customer: unmute that first" in other.json()["detail"]
    assert removed.json() == {"was_muted": False}
    assert [(one["entity_id"], one["kinds"]) for one in muted["mutes"]] == [("777", ["customer"])]


def test_the_latest_word_counts(api):
    _, muted = ask(api, HOUR, HOUR | {"until_ms": NOW_MS + DAY_MS})
    assert [one["until_ms"] for one in muted["mutes"]] == [NOW_MS + DAY_MS]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"typology": "card_testng"}, "did you mean card_testing?"),
        ({"typology": "*"}, "would silence everything"),
        ({"typology": ""}, "typology"),
        ({"typology": "x" * 257}, "typology"),
        ({"entity_id": " "}, "name the card"),
        ({"entity_id": "x" * 4097}, "entity_id"),
        ({"until_ms": NOW_MS - 1}, "within 366 days, and not in the past"),
        ({"until_ms": NOW_MS + 367 * DAY_MS}, "within 366 days, and not in the past"),
        ({"until_ms": "tomorrow"}, "until_ms"),
        ({"note": "x" * 1001}, "note"),
        ({"for": "1d"}, "for"),
    ],
)
def test_what_cannot_be_muted_is_refused_and_nothing_is(api, wrong, said):
    (refused,), muted = ask(api, HOUR | wrong)
    assert refused.status_code == 422
    assert said in refused.json()["detail"]
    assert muted["mutes"] == []


def test_a_card_number_is_kept_as_its_token(api):
    (made,), muted = ask(api, HOUR | {"entity_id": CARD, "note": f"of {CARD}"})
    assert made.json()["entity_id"].startswith("tok_")
    assert CARD not in str(muted) + made.text
    assert made.json()["remarks"] == [], "this card has paid"


def test_so_much_is_muted_and_no_more(api, monkeypatch):
    monkeypatch.setattr(alerts, "MOST_MUTES", 2)
    cards = [HOUR | {"entity_id": f"c{number}"} for number in range(3)]
    (_, _, third, again), muted = ask(api, *cards, cards[0])
    assert (third.status_code, again.status_code) == (422, 200)
    assert "2 are muted, which is the most" in third.json()["detail"]
    assert muted["total"] == 2


def test_what_has_ended_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(alerts, "MOST_MUTES", 2)
    bus = Bus(tmp_path)
    ground = MuteGround(frozenset({"big"}), frozenset, lambda _kind, _id: True, lambda: ())
    desk = MuteDesk(AlertBook(bus.database), lambda: ground, Tokenizer(bytes(16)))

    def mute(card, until_ms, now_ms):
        desk.mute(Mute(typology="big", entity_id=card, until_ms=until_ms, by="mira"), now_ms)

    mute("c1", 10, 1)
    mute("c2", 20, 1)
    with pytest.raises(InputError, match="which is the most"):
        mute("c3", 30, 9)
    mute("c3", 30, 10)
    bus.close()
    assert [one.entity_id for one in desk.mutes(10).mutes] == ["c2", "c3"]
    bus.close()
