"""Who may mute how much over HTTP, and what the audit trail says of it."""

import asyncio
from contextlib import closing

import pytest
from tests.api.conftest import NOW_MS, payment, running, session_in

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.adapters.outbox import AlertBook, Bus
from ringfence.adapters.sqlite import Store
from ringfence.alerts.book import Mute
from ringfence.compose.folder.privacy import begin_vault

ADA = "ada@mail.example"
DAY_MS = 86_400_000
MUTE = {"typology": "card_testing", "entity_id": "m1", "until_ms": NOW_MS + DAY_MS}
PATH = "/v1/alerts/mutes"


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Runs a coroutine with a client of a server that keeps tokens, and headers by role."""
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "vault")
    monkeypatch.setenv("RINGFENCE_VAULT_KEY", str(tmp_path / "keys.json"))
    with Store.open(tmp_path / "data") as store:
        begin_vault(store)
    keys = ApiKeys(tmp_path / "data")
    of = {role: {"authorization": f"Bearer {keys.create(role.value, frozenset({role}), 0)}"} for role in Role}

    async def whole(talk):
        with session_in(tmp_path / "data", patient=False) as session:
            async with running(session, authoriser=Authoriser(keys)) as client:
                sent = payment("t1", customer_id=ADA)
                (await client.post("/v1/decisions", json=sent, headers=of[Role.DECIDE])).raise_for_status()
                return await talk(client, of, session)

    yield lambda talk: asyncio.run(whole(talk))
    keys.close()


@pytest.mark.parametrize(
    "wide",
    [{"entity_id": "*"}, {"entity_id": " * "}, {"typology": "*"}, {"until_ms": NOW_MS + 32 * DAY_MS}],
)
def test_a_supervisor_mutes_a_rule_for_all_or_for_long_and_an_analyst_does_not(serve, wide):
    async def talk(client, of, _session):
        found = [
            (await client.post(PATH, json=MUTE | body, headers=of[role])).status_code
            for role, body in ((Role.ANALYST, wide), (Role.ANALYST, {}), (Role.SUPERVISOR, wide))
        ]
        return found, (await client.get(PATH, headers=of[Role.VIEWER])).json()["total"]

    assert serve(talk) == ([403, 200, 200], 1 + ("until_ms" not in wide))


def test_an_analyst_neither_lifts_nor_changes_what_a_supervisor_muted(serve):
    which = {name: MUTE[name] for name in ("typology", "entity_id")}

    async def talk(client, of, _session):
        async def ask(path, body, role):
            return (await client.post(path, json=body, headers=of[role])).status_code

        await ask(PATH, MUTE, Role.SUPERVISOR)
        shorter = MUTE | {"until_ms": MUTE["until_ms"] - 1}
        refused = [
            await ask(PATH, shorter, Role.ANALYST),
            await ask(f"{PATH}/removals", which, Role.ANALYST),
        ]
        kept = (await client.get(PATH, headers=of[Role.VIEWER])).json()["mutes"]
        lifted = await ask(f"{PATH}/removals", which, Role.ADMIN)
        own = [await ask(PATH, MUTE, Role.ANALYST), await ask(f"{PATH}/removals", which, Role.ANALYST)]
        return refused, kept, lifted, own

    refused, kept, lifted, own = serve(talk)
    assert refused == [403, 403]
    assert [(one["until_ms"], one["approved"]) for one in kept] == [(MUTE["until_ms"], True)]
    assert (lifted, own) == (200, [200, 200])


def test_the_audit_trail_names_whom_a_mute_is_about_and_who_set_it_before(serve):
    async def talk(client, of, session):
        one = MUTE | {"entity_id": f"customer={ADA}"}
        which = {name: one[name] for name in ("typology", "entity_id")}
        token = session.tokenizer.as_kept("customer_id", ADA)
        await client.post(PATH, json=one, headers=of[Role.ANALYST])
        later = one | {"until_ms": one["until_ms"] + 1}
        made = await client.post(PATH, json=later, headers=of[Role.SUPERVISOR])
        await client.post(PATH, json=one | {"until_ms": 1}, headers=of[Role.ANALYST])
        await client.post(f"{PATH}/removals", json=which, headers=of[Role.SUPERVISOR])
        await client.get(PATH, headers=of[Role.VIEWER])
        trail = await client.get("/v1/audit", params={"action": "alert"}, headers=of[Role.ADMIN])
        return token, made.json(), trail

    token, made, trail = serve(talk)
    assert made["entity_id"] == token
    assert ADA not in trail.text
    *acts, listed = [one["act"] for one in trail.json()["records"]]
    assert listed["action"] == "alert.listed"
    assert [(one["action"], one["outcome"]) for one in acts] == [
        *(("alert.muted", "done"), ("alert.muted", "done")),
        *(("alert.muted", "refused"), ("alert.unmuted", "done")),
    ]
    assert {one["object"] for one in acts} == {f"card_testing {token}"}
    first, second, _, removed = (one["details"].get("before", "") for one in acts)
    assert first == ""
    assert acts[0]["actor"] in second
    assert f"until {MUTE['until_ms']}" in second
    assert acts[1]["actor"] in removed


def test_who_is_erased_is_not_in_the_list_of_mutes_any_more(serve):
    async def talk(client, of, _session):
        await client.post(PATH, json=MUTE | {"entity_id": ADA}, headers=of[Role.ANALYST])
        asked = {"customer": ADA, "reason": "asked for by letter"}
        found = await client.post("/v1/privacy/find", json=asked, headers=of[Role.PRIVACY])
        erased = await client.post("/v1/privacy/erase", json=asked, headers=of[Role.PRIVACY])
        erased.raise_for_status()
        return found.json(), (await client.get(PATH, headers=of[Role.VIEWER])).json()

    found, after = serve(talk)
    assert found["held"]["mutes"] == 1
    assert after == {"mutes": [], "total": 0}


def test_a_mute_of_before_the_vault_goes_with_the_person_that_it_names_in_plain(serve, tmp_path):
    async def talk(client, of, _session):
        with closing(Bus(tmp_path / "data")) as bus:
            book = AlertBook(bus.database)
            for entity_id in (ADA, f"customer={ADA}", "bob@mail.example", "*"):
                book.mute(Mute(typology="big", entity_id=entity_id, until_ms=NOW_MS + DAY_MS, by="mira"))
            asked = {"customer": ADA, "reason": "asked for by letter"}
            found = await client.post("/v1/privacy/find", json=asked, headers=of[Role.PRIVACY])
            (await client.post("/v1/privacy/erase", json=asked, headers=of[Role.PRIVACY])).raise_for_status()
            return found.json(), sorted(one.entity_id for one in book.mutes())

    found, after = serve(talk)
    assert found["held"]["mutes"] == 2
    assert after == ["*", "bob@mail.example"]
