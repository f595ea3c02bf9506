"""Cases over the command line, the API and beside a deciding process; what was found reaches the log."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import msgspec
import pytest
from tests.cases.desk import Office, payment

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.adapters.cases import CaseFollower, SqliteCases
from ringfence.adapters.sqlite import Store
from ringfence.api.app import build
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.cases import wire
from ringfence.cases.actions import take_payment
from ringfence.cases.model import Disposition
from ringfence.cases.policy import CasePolicy
from ringfence.cli import execute
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.follow import catch_up
from ringfence.ports import EVENTS
from ringfence.rulebook.desk import Who
from ringfence.saving import Snapshotting

DEFINITIONS = load_definitions(None, None)
TIME = "2024-03-01T10:00:{:02d}Z"


@asynccontextmanager
async def serving(folder, keys=None):
    with open_session(folder, DEFINITIONS, Snapshotting()) as session:
        server = Server(session, ServeSettings(deadline_ms=60_000), Authoriser(keys))
        app = build(server)
        server.start()
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            client.server = server
            yield client
        server.end_streams()
        await server.stop()


def fill(folder, *payments):
    book = SqliteCases(folder)
    with book.work() as work:
        for one in payments:
            take_payment(work, CasePolicy(), one)
    book.close()


def labels_in(log):
    found = []
    for batch in log.read(EVENTS):
        events = codec.decode(batch.payload)
        for row, kind in enumerate(events.kind.tolist()):
            if kind == Kind.LABEL:
                found.append(
                    tuple(
                        events.column(name)[row].as_py()
                        for name in ("transaction_id", "label", "label_source", "note", "attributes.author")
                    )
                )
    return found


def sent(number, **more):
    return {
        "transaction_id": f"t-{number}",
        "event_time": TIME.format(number),
        "card_id": "k-1",
        "customer_id": "ada",
        "merchant_id": "m-1",
        "amount": 100,
        "currency": "EUR",
    } | more


def test_a_declined_payment_becomes_a_case_whose_label_reaches_the_features(tmp_path):
    """A payment of a blocked card is declined; its case is confirmed; later payments know of it."""

    async def talk(client):
        server = client.server
        stolen = {"entity_id": "k-1", "entity_type": "card"}
        entry = {"list": "stolen", "kind": "block", "entries": [stolen]}
        assert (await client.post("/v1/lists/entries", json=entry)).status_code == 200
        first = (await client.post("/v1/decisions", json=sent(1))).json()
        assert first["outcome"] == "decline"
        store = server.session.store
        with closing(CaseFollower(store.log, store.folder, server.cases.desk.policy)) as follower:
            catch_up(store.log, follower)
        case = (await client.post("/v1/cases/next", json={})).json()["case"]
        assert case["subjects"] == [{"entity_type": "customer", "entity_id": "ada"}]
        close = {
            "action": "close",
            "version": case["version"],
            "disposition": "confirmed_fraud",
            "typology": "stolen_card",
            "block": ["card"],
            "note": "she called; card 4111 1111 1111 1111",
        }
        done = await client.post(f"/v1/cases/{case['id']}", json=close)
        assert done.status_code == 200
        assert done.json()["state"] == "closed"
        view = (await client.get(f"/v1/cases/{case['id']}")).json()
        assert "4111 11" not in json.dumps(view["events"])
        entries = (await client.get("/v1/lists/entries", params={"list": "confirmed_fraud"})).json()
        assert [(one["entity_id"], one["source"]) for one in entries] == [("k-1", "case")]
        later = sent(2, card_id="k-2", event_time="2024-03-20T10:00:00Z")
        assert (await client.post("/v1/decisions", json=later)).status_code == 200
        features = (await client.get("/v1/decisions/t-2")).json()["features"]
        assert features["merchant.label_rate_28d_delay_7d"] == 1.0
        again = await client.post(f"/v1/cases/{case['id']}", json=close)
        assert again.status_code == 409
        assert again.json()["code"] == "stale_version"
        assert [one["change"]["kind"] for one in again.json()["missed"]] == ["noted", "closed"]
        return labels_in(store.log)

    async def whole():
        async with serving(tmp_path) as client:
            return await talk(client)

    [label] = asyncio.run(whole())
    assert label == ("t-1", True, "case", "case C-1: confirmed fraud, stolen_card", "local")


def test_roles_and_who_did_it(tmp_path):
    fill(tmp_path, payment(1), payment(2))

    async def whole():
        keys = ApiKeys(tmp_path)
        analyst = keys.create("anna", frozenset({Role.ANALYST}), 0)
        till = keys.create("till", frozenset({Role.DECIDE, Role.INGEST}), 0)
        async with serving(tmp_path, keys) as client:
            ask = {"authorization": f"Bearer {analyst}"}
            other = {"authorization": f"Bearer {till}"}
            assert (await client.get("/v1/cases")).status_code == 401
            assert (await client.get("/v1/cases", headers=other)).status_code == 403
            assert (await client.post("/v1/cases/next", json={}, headers=other)).status_code == 403
            case = (await client.post("/v1/cases/next", json={}, headers=ask)).json()["case"]
            note = {"action": "note", "version": case["version"], "text": "<script>alert(1)</script>"}
            done = (await client.post(f"/v1/cases/{case['id']}", json=note, headers=ask)).json()
            view = (await client.get(f"/v1/cases/{case['id']}", headers=ask)).json()
            assert view["events"][-1]["by"] == case["assignee"]
            assert case["assignee"].startswith("key:")
            wrong = [
                ({"action": "close", "version": done["version"], "disposition": "guilty"}, 422),
                ({"action": "explode", "version": 1}, 422),
                ({"action": "note", "version": done["version"], "text": "x", "extra": 1}, 422),
                ({"action": "note", "version": done["version"], "text": "x" * 10_001}, 422),
                ({"action": "approve", "version": done["version"]}, 409),
            ]
            for body, status in wrong:
                got = await client.post(f"/v1/cases/{case['id']}", json=body, headers=ask)
                assert got.status_code == status, got.text
            missing = {"action": "wake", "version": 1}
            assert (await client.post("/v1/cases/C-99", json=missing, headers=ask)).status_code == 404
            assert (await client.get("/v1/cases/x", headers=ask)).status_code == 422
            asked = {"cases": [{"id": "C-1", "version": 2}, {"id": "C-2", "version": 2}]}
            asked["act"] = {"action": "snooze", "version": 1, "minutes": 60, "reason": "awaiting customer"}
            told = (await client.post("/v1/cases/bulk", json=asked, headers=ask)).json()
            assert sorted(one["status"] for one in told) == ["done", "refused"]
            counts = (await client.get("/v1/cases/queues", headers=ask)).json()
            assert [(one["queue"], one["ready"], one["resting"]) for one in counts] == [("default", 1, 1)]
        keys.close()

    asyncio.run(whole())


def test_the_command_line_does_what_the_api_does(tmp_path, capsys):
    with open_session(tmp_path, DEFINITIONS, Snapshotting()):
        pass
    fill(tmp_path, payment(1, customer="ada"), payment(2, customer="ada"), payment(3, customer="bob"))

    def cases(*words, code=0):
        capsys.readouterr()
        assert execute(["cases", *words, "--data", str(tmp_path)]) == code
        return capsys.readouterr().out

    assert "customer ada" in cases("list")
    assert json.loads(cases("queues", "--json"))[0]["ready"] == 2
    assert "C-1" in cases("next", "--author", "anna")
    assert "anna" in cases("show", "C-1")
    cases("note", "C-1", "asked her", "--author", "anna")
    cases("close", "C-1", "confirmed_fraud", "--author", "bob", code=1)
    cases("close", "C-1", "confirmed_fraud", "--author", "anna", "--version", "2", code=1)
    told = json.loads(
        cases("close", "C-1", "confirmed_fraud", "--author", "anna", "--payment", "t-1", "--json")
    )
    assert told["finding"]["by"] == "anna"
    cases("close", "C-2", "inconclusive")
    cases("reopen", "C-1", "--reason", "a chargeback came")
    cases("merge", "C-1", "C-99", code=2)
    with Store.open(tmp_path, read_only=True) as store:
        assert labels_in(store.log) == [("t-1", True, "case", "case C-1: confirmed fraud", "anna")]
    assert "ada" in cases("list", "--entity", "customer:ada", "--order", "amount")


def test_payments_that_were_split_off_are_about_whom_the_policy_of_the_project_says(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("cases.toml").write_text('subjects = ["card"]\n')
    data = tmp_path / "data"
    with open_session(data, DEFINITIONS, Snapshotting()):
        pass
    with Office(data, subjects=("card",)) as office:
        first = payment(1, customer="ada")
        second = msgspec.structs.replace(payment(2, customer="ada"), entities=first.entities)
        office.take(first, second)
    assert execute(["cases", "split", "C-1", "t-2", "--data", str(data)]) == 0
    capsys.readouterr()
    assert execute(["cases", "show", "C-2", "--data", str(data)]) == 0
    assert "About split payments, card k-1, in queue" in capsys.readouterr().out


def test_a_server_and_the_command_line_work_on_the_same_folder(tmp_path, capsys):
    """The server holds the log; the label waits in the file of cases until the server takes it."""
    fill(tmp_path, payment(1))

    async def whole():
        async with serving(tmp_path) as client:
            words = ["cases", "close", "C-1", "false_positive", "--author", "eve", "--data", str(tmp_path)]
            assert await asyncio.to_thread(execute, words) == 0
            await asyncio.to_thread(client.server.cases.deliver)
            return labels_in(client.server.session.store.log)

    [label] = asyncio.run(whole())
    assert label[:3] == ("t-1", False, "case")


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_delivered_twice_is_one_label(tmp_path, times):
    """Killed between the commit of the log and the mark: the label comes again under its id."""
    fill(tmp_path, payment(1))
    with open_session(tmp_path, DEFINITIONS, Snapshotting()) as session:
        book = SqliteCases(tmp_path)
        desk = session.case_desk(book)
        case = book.case("C-1")
        desk.act(
            "C-1",
            wire.Close(version=case.version, disposition=Disposition.CONFIRMED_FRAUD),
            Who("anna", 1_700_000_100_000),
        )
        waiting = book.outgoing()
        for _ in range(times):
            session.deliver(desk)
            with book.work() as work:
                work.connection.execute("UPDATE outgoing SET is_delivered = 0")
        assert len(waiting) == 1
        assert len(labels_in(session.store.log)) == 1
        book.close()


def test_a_report_is_for_compliance_alone_and_its_making_is_on_record(tmp_path, monkeypatch):
    """XML of what the case holds, whatever its notes contain; an admin is refused."""
    fill(tmp_path, payment(1), payment(2))

    async def whole():
        keys = ApiKeys(tmp_path)
        asks = {
            role: {"authorization": f"Bearer {keys.create(role, frozenset({role}), 0)}"}
            for role in (Role.ANALYST, Role.ADMIN, Role.COMPLIANCE)
        }
        async with serving(tmp_path, keys) as client:
            path, found = "/v1/cases/C-1/report", {"action": "close", "disposition": "confirmed_fraud"}
            early = await client.post(path, headers=asks[Role.COMPLIANCE])
            assert early.status_code == 409
            note = "a \x00 </reason><!DOCTYPE x> & \U0001f600 note"
            body = found | {"version": 2, "typology": "scam", "note": note}
            done = await client.post("/v1/cases/C-1", json=body, headers=asks[Role.ANALYST])
            assert done.status_code == 200, done.text
            for role in (Role.ANALYST, Role.ADMIN):
                assert (await client.post(path, headers=asks[role])).status_code == 403
            asked = {"params": {"form": "pdf"}, "headers": asks[Role.COMPLIANCE]}
            sees_all = {"headers": asks[Role.COMPLIANCE]}
            with monkeypatch.context() as without:
                without.setitem(sys.modules, "reportlab.lib", None)
                refused = await client.post(path, **asked)
            assert (refused.status_code, "ringfence[reports]" in refused.text) == (422, True)
            events = (await client.get("/v1/cases/C-1", **sees_all)).json()["events"]
            assert events[-1]["change"]["kind"] == "closed"
            answer = await client.post(path, headers=asks[Role.COMPLIANCE])
            assert answer.headers["content-type"].startswith("application/xml")
            root = ET.fromstring(answer.content)
            assert root.findtext("entity_reference") == "C-1"
            assert root.findtext("reporting_person/last_name") == "compliance"  # no key's id
            assert root.findtext("action").startswith("closed by analyst on ")
            assert "</reason><!DOCTYPE x> & \U0001f600 note" in root.findtext("reason")
            assert [one.findtext("transactionnumber") for one in root.findall("transaction")] == ["t-1"]
            assert "scam" in [one.text for one in root.iter("indicator")]
            as_pdf = await client.post(path, **asked)
            assert as_pdf.headers["content-type"] == "application/pdf"
            assert as_pdf.content.startswith(b"%PDF-")
            for role in (Role.ANALYST, Role.ADMIN):
                events = (await client.get("/v1/cases/C-1", headers=asks[role])).json()["events"]
                assert events[-1]["change"]["kind"] == "closed"
            view = await client.get("/v1/cases/C-1", **sees_all)
            assert view.json()["events"][-1]["change"]["kind"] == "reported"
        keys.close()

    asyncio.run(whole())


def test_a_case_is_opened_on_a_payment_that_nothing_stopped(tmp_path, capsys):
    """Over the API, on the command line; once, and of a payment that there is."""

    async def whole():
        async with serving(tmp_path) as client:
            for number in (1, 2, 3):
                sent_one = sent(number, customer_id=f"customer-{number}")
                assert (await client.post("/v1/decisions", json=sent_one)).json()["outcome"] == "approve"
            opened = await client.post("/v1/cases", json={"transaction_id": "t-1"})
            assert opened.status_code == 200, opened.text
            assert opened.json()["subjects"] == [{"entity_type": "customer", "entity_id": "customer-1"}]
            assert opened.json()["totals"]["amount"] == 100
            assert (await client.post("/v1/cases", json={"transaction_id": "t-1"})).status_code == 409
            assert (await client.post("/v1/cases", json={"transaction_id": "t-9"})).status_code == 404

    asyncio.run(whole())
    words = ["--data", str(tmp_path), "--json"]
    capsys.readouterr()
    assert execute(["cases", "open", "t-2", *words]) == 0
    case = json.loads(capsys.readouterr().out)
    assert case["totals"]["amount"] == 100
    assert case["totals"]["currency"] == "EUR"
    assert execute(["cases", "open", "t-2", *words]) == 1
    assert execute(["cases", "open", "t-9", *words]) == 2
