"""Personal data over HTTP: tokens in answers and records, originals for who may and says why."""

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest
from tests.api.conftest import payment, running, session_in

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.adapters.sqlite import Store
from ringfence.compose.folder.privacy import begin_vault
from ringfence.events.privacy.personal import TOKEN


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Runs a coroutine with a client of a server that keeps tokens, and headers by role."""
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "vault")
    monkeypatch.setenv("RINGFENCE_VAULT_KEY", str(tmp_path / "keys.json"))
    folder = tmp_path / "data"
    with Store.open(folder) as store:
        begin_vault(store)
    keys = ApiKeys(folder)
    headers = {
        role: {"authorization": f"Bearer {keys.create(role.value, frozenset({role}), 0)}"} for role in Role
    }

    async def whole(talk):
        with session_in(folder, patient=False) as session:
            async with running(session, authoriser=Authoriser(keys)) as client:
                return await talk(client, headers, session)

    yield lambda talk: asyncio.run(whole(talk))
    keys.close()


def test_originals_are_shown_to_who_may_reveal_alone(serve):
    async def talk(client, of, session):
        sent = payment(customer_id="C-1", email="ada@mail.example")
        decided = await client.post("/v1/decisions", json=sent, headers=of[Role.DECIDE])
        assert decided.status_code == 200
        again = await client.post("/v1/decisions", json=sent, headers=of[Role.DECIDE])
        assert again.headers["idempotency-replayed"] == "true"
        path = f"/v1/decisions/{sent['transaction_id']}"
        kept = (await client.get(path, headers=of[Role.ANALYST])).text
        assert "ada@" not in kept
        token = session.tokenizer.as_kept("email", "ada@mail.example")
        await _until_kept(client, of[Role.ADMIN], {"customer": "C-1", "reason": "to be sure"})
        assert token in kept
        seen = await client.get("/v1/entities/email/ADA@mail.example", headers=of[Role.ANALYST])
        assert (seen.json()["entity_id"], len(seen.json()["recent"])) == (token, 1)
        asked = {"token": token, "reason": "call back for ada@mail.example"}
        originals = {}
        for role in Role:
            originals[role] = await client.post("/v1/privacy/reveal", json=asked, headers=of[role])
        allowed = {role for role, one in originals.items() if one.status_code == 200}
        assert allowed == {Role.SUPERVISOR, Role.ADMIN}
        assert originals[Role.SUPERVISOR].json()["value"] == "ada@mail.example"
        unknown = {"token": f"pd_{'0' * 32}", "reason": "call back"}
        none = await client.post("/v1/privacy/reveal", json=unknown, headers=of[Role.SUPERVISOR])
        assert (none.status_code, none.json()["code"]) == (422, "invalid_parameter")
        records = await client.get("/v1/audit", headers=of[Role.ADMIN])
        return token, records

    token, records = serve(talk)
    assert "ada@" not in records.text.lower()
    acts = [one["act"] for one in records.json()["records"]]
    assert {one["outcome"] for one in acts if one["action"] == "person.revealed"} == {"done", "refused"}
    shown = next(one for one in acts if one["action"] == "person.revealed" and one["outcome"] == "done")
    assert shown["object"] == token
    assert shown["details"]["reason"].startswith("call back for pd_")
    looked = next(one for one in acts if one["action"] == "entity.seen")
    assert TOKEN.search(looked["object"])


def test_a_request_is_answered_over_http_and_erasing_takes_two(serve, monkeypatch):
    monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["erasure"]')

    async def talk(client, of, session):
        sent = payment(customer_id="C-1", email="ada@mail.example")
        await client.post("/v1/decisions", json=sent, headers=of[Role.DECIDE])
        asked = {"customer": "C-1", "reason": "her request"}
        admin, other = of[Role.ADMIN], of[Role.SUPERVISOR]
        refused = await client.post("/v1/privacy/erase", json=asked, headers=other)
        waiting = await client.post("/v1/privacy/erase", json=asked, headers=admin)
        assert (refused.status_code, waiting.status_code) == (403, 403)
        assert waiting.json()["code"] == "needs_approval"
        await _until_kept(client, admin, asked)
        found = (await client.post("/v1/privacy/find", json=asked, headers=admin)).json()
        assert (found["held"]["events"], "ada@" in str(found)) == (1, False)
        whole = await client.post("/v1/privacy/export", json=asked, headers=admin)
        assert "ada@mail.example" in whole.text
        approved = await client.post("/v1/approvals/A-1/approve", json={"note": "seen"}, headers=other)
        assert approved.status_code == 200
        erased = await client.post("/v1/privacy/erase", json=asked, headers=admin)
        assert (erased.status_code, erased.json()["originals"]) == (200, 2)
        again = (await client.post("/v1/privacy/find", json=asked, headers=admin)).json()
        assert (again["originals"], len(again["erased"])) == ([], 1)
        nobody = await client.post(
            "/v1/privacy/find", json={"customer": "nobody", "reason": "just asking"}, headers=admin
        )
        assert nobody.status_code == 422
        return (await client.get("/v1/audit", headers=admin)).json()["records"], found["person"]

    records, person = serve(talk)
    acts = [one["act"] for one in records if one["act"]["action"].startswith("person.")]
    assert {one["object"] for one in acts if one["outcome"] == "done"} == {person}
    assert "C-1" not in str(acts)


def test_an_export_counts_as_reveals_and_takes_two_where_these_do(serve, monkeypatch):
    monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["reveal"]')
    monkeypatch.setenv("RINGFENCE_REVEAL_LIMIT", "0")
    monkeypatch.setenv("RINGFENCE_REVEALS_PER_HOUR", "2")

    async def talk(client, of, session):
        admin, other = of[Role.ADMIN], of[Role.SUPERVISOR]
        for customer in ("C-1", "C-2"):
            sent = payment(customer_id=customer, email=f"{customer}@mail.example")
            await client.post("/v1/decisions", json=sent, headers=of[Role.DECIDE])
        asked = {"customer": "C-1", "reason": "request of c-1@mail.example"}
        await _until_kept(client, admin, asked)
        waiting = await client.post("/v1/privacy/export", json=asked, headers=admin)
        assert (waiting.status_code, waiting.json()["code"]) == (403, "needs_approval")
        token = session.tokenizer.as_kept("email", "c-2@mail.example")
        look = {"token": token, "reason": "call back for c-2@mail.example"}
        assert (await client.post("/v1/privacy/reveal", json=look, headers=admin)).status_code == 403
        listed = (await client.get("/v1/approvals", headers=other)).text
        assert ("call back for pd_" in listed, "@mail" in listed.lower()) == (True, False)
        for number in (1, 2):
            path = f"/v1/approvals/A-{number}/approve"
            assert (await client.post(path, json={"note": "seen"}, headers=other)).status_code == 200
        whole = await client.post("/v1/privacy/export", json=asked, headers=admin)
        assert (whole.status_code, "c-1@mail.example" in whole.text) == (200, True)
        beyond = await client.post("/v1/privacy/reveal", json=look, headers=admin)
        assert (beyond.status_code, "reveals_per_hour" in beyond.text) == (422, True)

    serve(talk)


def test_originals_that_are_lost_are_counted_and_told(serve):
    async def talk(client, of, session):
        with closing(sqlite3.connect(session.store.folder / "vault.db")) as vault:
            vault.execute("DROP TABLE original")
        sent = payment(customer_id="C-1", email="ada@mail.example")
        decided = await client.post("/v1/decisions", json=sent, headers=of[Role.DECIDE])
        assert decided.status_code == 200
        session.originals.flush()
        ready = (await client.get("/readyz")).json()
        figures = await client.get("/metrics", headers=of[Role.ADMIN])
        return ready["warnings"], figures.text

    warnings, figures = serve(talk)
    assert warnings[0].startswith("originals of personal data are not kept (2 so far): ")
    assert "ringfence_vault_lost_originals 2.0" in figures


async def _until_kept(client, headers, asked):
    """The vault is written behind the decision."""
    for _ in range(200):
        found = await client.post("/v1/privacy/find", json=asked, headers=headers)
        if found.status_code == 200 and len(found.json()["originals"]) == 2:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(found.text)


def test_an_installation_without_a_vault_has_nothing_to_reveal(api):
    asked = {"token": f"pd_{'0' * 32}", "reason": "call back"}
    answer = api(lambda client: client.post("/v1/privacy/reveal", json=asked))
    assert (answer.status_code, answer.json()["code"]) == (409, "no_vault")


def test_a_long_search_keeps_nobody_from_payments_and_pages_of_decisions(serve):
    """One search at a time: others wait for it, and too many are refused."""
    asked = {"customer": "C-1", "reason": "request of today"}

    async def talk(client, of, _session):
        pool, gate = client.server.pools.personal, threading.Event()
        held = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(4)]
        await asyncio.sleep(0)
        refused = await client.post("/v1/privacy/find", json=asked, headers=of[Role.ADMIN])
        read = await client.get("/v1/decisions", headers=of[Role.ANALYST])
        paid = await client.post("/v1/decisions", json=payment(), headers=of[Role.DECIDE])
        gate.set()
        await asyncio.gather(*held)
        return refused, read, paid

    refused, read, paid = serve(talk)
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert (read.status_code, paid.status_code) == (200, 200)


def test_more_than_an_answer_may_have_and_a_log_that_is_too_long_are_refused_with_the_remedy(
    serve, monkeypatch
):
    async def talk(client, of, _session):
        for number in range(4):
            sent = payment(number, customer_id="C-1", email="ada@mail.example")
            assert (await client.post("/v1/decisions", json=sent, headers=of[Role.DECIDE])).status_code == 200
        asked = {"customer": "C-1", "reason": "request of today"}
        await _until_kept(client, of[Role.ADMIN], asked)
        answers = []
        for name, value in (("_MOST_EVENTS", 3), ("PERSON_SECONDS", -1.0)):
            with monkeypatch.context() as patch:
                patch.setattr(f"ringfence.api.routes.privacy.{name}", value)
                for what in ("find", "export", "erase"):
                    path = f"/v1/privacy/{what}"
                    answers.append(await client.post(path, json=asked, headers=of[Role.ADMIN]))
                    if name == "_MOST_EVENTS" and what == "export":
                        break  # what is erased needs no answer that holds it
        held = await client.post("/v1/privacy/find", json=asked, headers=of[Role.ADMIN])
        return answers, held

    answers, held = serve(talk)
    assert [one.status_code for one in answers] == [422, 422, 413, 413, 413]
    assert all("`ringfence privacy" in one.json()["detail"] for one in answers)
    assert held.json()["held"]["events"] == 4
