"""What reads much of the log for one answer: patterns that are tried, and what is held on somebody."""

import asyncio
import os
import signal
import threading
from contextlib import closing

import pytest
from msgspec import msgpack
from msgspec.json import encode
from tests.api.conftest import payment, running, session_in

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.adapters.sqlite import Store
from ringfence.adapters.vault import SqliteVault
from ringfence.bus.paging import page_of_log
from ringfence.bus.pattern import wanted
from ringfence.compose.folder.inquiries import (
    InquiriesBeside,
    InquiriesHere,
    Inquiry,
    InquiryAnswer,
    answered,
)
from ringfence.compose.folder.privacy import begin_vault
from ringfence.compose.worker_process import TooLateError
from ringfence.desks.bus import appraise
from ringfence.errors import InputError

ALL = '{"data": {"score": [{"exists": true}]}}'


@pytest.fixture
def vault(tmp_path, monkeypatch):
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "vault")
    monkeypatch.setenv("RINGFENCE_VAULT_KEY", str(tmp_path / "keys.json"))
    with Store.open(tmp_path / "data") as store:
        begin_vault(store)
    return tmp_path / "data"


@pytest.fixture
def serve(vault):
    """Runs a coroutine with a client of a server that keeps tokens, and headers by role."""
    keys = ApiKeys(vault)
    headers = {
        role: {"authorization": f"Bearer {keys.create(role.value, frozenset({role}), 0)}"} for role in Role
    }

    async def whole(talk):
        with session_in(vault, patient=False) as session:
            async with running(session, authoriser=Authoriser(keys)) as client:
                return await talk(client, headers, session)

    yield lambda talk: asyncio.run(whole(talk))
    keys.close()


async def _paid(client, of, count=5):
    for number in range(count):
        sent = payment(number, customer_id="C-1", email="ada@mail.example")
        assert (await client.post("/v1/decisions", json=sent, headers=of[Role.DECIDE])).status_code == 200


@pytest.mark.slow  # starts two processes
def test_processes_beside_the_server_say_what_it_would_say_itself(serve, vault, monkeypatch):
    for bound in ("PATTERN_SECONDS", "PERSON_SECONDS", "START_SECONDS"):  # they are of low priority
        monkeypatch.setattr(f"ringfence.compose.folder.inquiries.{bound}", 300.0)

    async def talk(client, of, session):
        await _paid(client, of)
        await asyncio.to_thread(session.originals.close)  # each is kept
        return await asyncio.to_thread(compare, session)

    def compare(session):
        here = InquiriesHere(session.store)
        with closing(InquiriesBeside(vault)) as beside:
            assert beside.appraise(ALL) == here.appraise(ALL)
            assert here.appraise(ALL).matched == 5
            assert beside.page("decisions", 1, 2, ALL) == here.page("decisions", 1, 2, ALL)
            assert beside.who("C-1", 300.0) == here.who("C-1", 30.0)
            found = beside.find("C-1", 10, 300.0)
            assert encode(found) == encode(here.find("C-1", 10, 30.0))  # NaN is unlike itself
            assert (len(found.events), {one.value for one in found.originals}) == (
                5,
                {"C-1", "ada@mail.example"},
            )
            for asked in (beside, here):
                with pytest.raises(InputError, match="JSON"):
                    asked.appraise("{")
                with pytest.raises(InputError, match="nothing is held"):
                    asked.who("nobody", 30.0)
                with pytest.raises(InputError, match="more than 2 events"):
                    asked.find("C-1", 2, 30.0)
                with pytest.raises(TooLateError, match="`ringfence privacy`"):
                    asked.find("C-1", 10, -1.0)
            os.kill(beside._persons._process.pid, signal.SIGKILL)
            beside._persons._process.wait(30)
            assert beside.who("C-1", 300.0) == here.who("C-1", 30.0)  # another one

    serve(talk)


def test_a_pattern_is_tried_piece_by_piece_and_says_where_that_was_not_the_whole_day(serve, monkeypatch):
    """All records of the day were in memory at once, up to a million of them."""

    async def talk(client, of, session):
        await _paid(client, of)
        log, source = session.store.log, "/x"
        whole = appraise(log, ALL, source)
        monkeypatch.setattr("ringfence.desks.bus._PIECE", 2)
        return whole, appraise(log, ALL, source), appraise(log, ALL, source, lambda: True)

    whole, pieces, late = serve(talk)
    assert pieces == whole
    assert [one["data"]["transaction_id"] for one in whole.examples] == ["2", "3", "4"]
    assert late.matched < whole.matched
    assert late.examples[-1] == whole.examples[-1]
    assert any("only the newest events of decisions were tried" in one for one in late.remarks)


def test_long_patterns_of_a_page_are_left_to_the_inquiries(serve, monkeypatch):
    monkeypatch.setattr("ringfence.api.routes.bus._LONG", 10)

    async def talk(client, of, _session):
        await _paid(client, of)
        asked = {"topic": "decisions", "limit": 2, "pattern": ALL}
        page = await client.get("/v1/events", params=asked, headers=of[Role.ANALYST])
        wrong = await client.get("/v1/events", params=asked | {"pattern": "{" * 20}, headers=of[Role.ANALYST])
        return page.json(), wrong

    page, wrong = serve(talk)
    assert (len(page["events"]), page["after"], page["end"]) == (2, 2, 5)
    assert wrong.status_code == 422


def test_a_page_ends_where_its_time_is_up_and_the_next_one_goes_on(serve):
    """A pattern that takes long got nothing but refusals, however few events were asked for."""

    async def talk(client, of, session):
        await _paid(client, of)
        log, after, pages = session.store.log, 0, []
        for _ in range(5):
            pages.append(page_of_log(log, "/x", "decisions", after, 10, wanted(ALL), lambda: True))
            after = pages[-1].after
        return pages

    pages = serve(talk)
    assert [(len(one.events), one.after, one.end) for one in pages] == [(1, n, 5) for n in range(1, 6)]


def test_an_error_that_nobody_foresaw_is_answered_by_its_class_alone(serve):
    """It ended the process, its words went into the server's log, and asking again met it again."""
    wrong = msgpack.encode(Inquiry(errand="find", asked="C-1", most=-5, seconds=30.0))

    async def talk(client, of, session):
        await _paid(client, of)
        await asyncio.to_thread(session.originals.close)  # each is kept
        said = await asyncio.to_thread(answered, wrong, InquiriesHere(session.store))
        return msgpack.decode(said, type=InquiryAnswer)

    said = serve(talk)
    assert (said.error, "(ValueError): `ringfence doctor`" in said.problem) == ("StoreError", True)


def test_the_time_of_a_search_begins_once_those_before_it_have_ended(serve, monkeypatch):
    """The second of two was refused as too long for the API."""
    now = [0.0]
    monkeypatch.setattr("ringfence.api.routes.privacy.monotonic", lambda: now[0])
    asked = {"customer": "C-1", "reason": "her request"}

    async def talk(client, of, session):
        await _paid(client, of)
        await asyncio.to_thread(session.originals.close)  # each is kept
        gate, pool = threading.Event(), client.server.pools.personal
        held = asyncio.ensure_future(pool.run(gate.wait))
        try:
            await asyncio.sleep(0)
            find = client.post("/v1/privacy/find", json=asked, headers=of[Role.ADMIN])
            found = asyncio.ensure_future(find)
            while pool.busy < 2 and not found.done():
                await asyncio.sleep(0.01)
            now[0] = 3600.0
        finally:
            gate.set()
        await held
        return await found

    found = serve(talk)
    assert (found.status_code, found.json().get("held", {}).get("events")) == (200, 5)


def test_an_original_is_shown_while_searches_take_their_time(serve):
    """It waited for them, on the one thread that they have."""

    async def talk(client, of, session):
        await _paid(client, of)
        gate, pool = threading.Event(), client.server.pools.personal
        await asyncio.to_thread(session.originals.close)  # each is kept
        held = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(4)]
        try:
            await asyncio.sleep(0)
            token = session.tokenizer.as_kept("email", "ada@mail.example")
            asked = {"token": token, "reason": "call back"}
            return await client.post("/v1/privacy/reveal", json=asked, headers=of[Role.ADMIN])
        finally:
            gate.set()
            await asyncio.gather(*held)

    shown = serve(talk)
    assert (shown.status_code, shown.json()["value"]) == (200, "ada@mail.example")


def test_a_late_erasure_says_that_it_may_still_take_effect_and_asking_again_changes_nothing(
    serve, monkeypatch
):
    """It said to ask for less; with four eyes, asking again would have taken another approval."""
    asked = {"customer": "C-1", "reason": "her request"}
    gate, destroy = threading.Event(), SqliteVault.destroy

    def slow(*given, **named):
        gate.wait()
        return destroy(*given, **named)

    async def talk(client, of, session):
        await _paid(client, of)
        await asyncio.to_thread(session.originals.close)  # each is kept
        await client.post("/v1/privacy/find", json=asked, headers=of[Role.ADMIN])  # the process has started
        monkeypatch.setattr(SqliteVault, "destroy", slow)
        client.server.pools.personal._seconds = 5.0
        try:
            late = await client.post("/v1/privacy/erase", json=asked, headers=of[Role.ADMIN])
        finally:
            gate.set()
        client.server.pools.personal._seconds = 60.0
        found = await client.post("/v1/privacy/find", json=asked, headers=of[Role.ADMIN])  # behind it
        monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["erasure"]')
        again = await client.post("/v1/privacy/erase", json=asked, headers=of[Role.ADMIN])
        read = await client.get("/v1/audit", headers=of[Role.ADMIN])
        acts = [one["act"] for one in read.json()["records"]]
        return late, found.json(), again, [one for one in acts if one["action"] == "person.erased"]

    late, found, again, acts = serve(talk)
    assert [(one["object"], one["outcome"], one["details"]) for one in acts] == [
        (found["person"], "failed", {"reason": "her request", "state": "may still take effect"}),
        (found["person"], "done", {"reason": "her request", "state": "ended"}),
        (found["person"], "done", {"reason": "her request"}),
    ]
    assert (late.status_code, late.json()["code"]) == (503, "timed_out")
    assert "may still take effect: ask again" in late.json()["detail"]
    assert (found["originals"], len(found["erased"])) == ([], 1)
    assert (again.status_code, again.json()["originals"], again.json()["elsewhere"]) == (200, 0, {})


def test_an_erasure_that_never_began_is_on_record_as_such(serve):
    """It was said to take effect perhaps, and no record of its end could follow."""
    gate = threading.Event()

    async def talk(client, of, session):
        await _paid(client, of)
        personal = client.server.pools.personal
        before = asyncio.create_task(personal.run(gate.wait))
        while not personal._threads._work_queue.empty() or not personal._threads._threads:
            await asyncio.sleep(0.01)
        personal._seconds = 0.5
        try:
            asked = {"customer": "C-1", "reason": "her request"}
            late = await client.post("/v1/privacy/erase", json=asked, headers=of[Role.ADMIN])
        finally:
            gate.set()
        await before
        read = await client.get("/v1/audit", headers=of[Role.ADMIN])
        acts = [one["act"] for one in read.json()["records"]]
        return late, [one for one in acts if one["action"] == "person.erased"]

    late, acts = serve(talk)
    assert late.status_code == 503
    assert [(one["outcome"], one["details"]["state"]) for one in acts] == [("failed", "had not begun")]


@pytest.mark.parametrize(("ran", "status", "code"), [(1.0, 503, "overloaded"), (59.0, 413, "too_costly")])
def test_a_search_that_is_late_for_want_of_a_processor_is_to_be_asked_again(
    serve, monkeypatch, ran, status, code
):
    """A starved machine said that the log is too long for the API, which no later try could have mended."""
    module = "ringfence.compose.folder.inquiries"

    async def talk(client, of, session):
        await _paid(client, of)
        await asyncio.to_thread(session.originals.close)  # each is kept
        monkeypatch.setattr(f"{module}.late_after", lambda _seconds: lambda: True)
        seconds = iter([0.0, ran])
        monkeypatch.setattr(f"{module}.cpu_seconds", lambda _pid: next(seconds), raising=False)
        asked = {"customer": "C-1", "reason": "her request"}
        return await client.post("/v1/privacy/find", json=asked, headers=of[Role.ADMIN])

    refused = serve(talk)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert ("retry-after" in refused.headers) == (status == 503)
    assert "`ringfence privacy` where the store is" in refused.json()["detail"]
