"""Events to pull and replay, and alerts, over HTTP."""

import asyncio

import pytest
from tests.api.conftest import NOW_MS, payment, running, session_in

from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.cases import CaseFollower
from ringfence.adapters.outbox import AlertBook, Bus, OutboxFollower
from ringfence.alerts.policy import OUTCOMES, AlertPolicy
from ringfence.bus.subscription import EVERYTHING, Subscription
from ringfence.cases.policy import CasePolicy
from ringfence.follow import catch_up


def test_events_are_pulled_page_by_page_and_again(api):
    async def talk(client):
        for number in range(5):
            await client.post("/v1/decisions", json=payment(f"t{number}", amount=str(10 + number)))
        pages, after = [], 0
        while True:
            page = (await client.get("/v1/events", params={"after": after, "limit": 2})).json()
            pages.append(page["events"])
            after = page["after"]
            if after >= page["end"]:
                break
        big = {"pattern": '{"data": {"transaction": {"amount": [{"numeric": [">=", 13]}]}}}'}
        return pages, (await client.get("/v1/events", params=big)).json(), after

    pages, big, after = api(talk)
    found = [event for page in pages for event in page]
    assert [event["data"]["transaction_id"] for event in found] == [f"t{n}" for n in range(5)]
    assert max(map(len, pages)) == 2
    assert after == 5
    assert [event["subject"] for event in big["events"]] == ["t3", "t4"]
    assert "4111111111111111" not in str(found)


def test_a_place_in_another_log_is_refused(api):
    """The same offset names other events there: nothing is skipped or told twice in silence."""

    async def talk(client):
        for number in range(3):
            await client.post("/v1/decisions", json=payment(f"t{number}"))
        first = (await client.get("/v1/decisions", params={"limit": 2})).json()
        place, _, log = first["next_cursor"].rpartition("-")
        page = (await client.get("/v1/events")).json()
        return first, log, page, [
            await client.get("/v1/decisions", params={"limit": 2, "cursor": first["next_cursor"]}),
            await client.get("/v1/decisions", params={"cursor": f"{place}-elsewhere"}),
            await client.get("/v1/events", params={"after": 1, "log": page["log"]}),
            await client.get("/v1/events", params={"after": 1, "log": "elsewhere"}),
            await client.get("/v1/events/stream", headers={"last-event-id": "1.0.0.0.0.0-elsewhere"}),
        ]  # fmt: skip

    first, log, page, (second, strange, events, *others) = api(talk)
    told = [one["decision"]["transaction_id"] for one in first["decisions"] + second.json()["decisions"]]
    assert sorted(told) == ["t0", "t1", "t2"]
    assert page["log"] == log
    assert len(events.json()["events"]) == 2
    for refused in (strange, *others):
        assert refused.status_code == 422
        assert "elsewhere" in refused.json()["detail"]


def test_what_is_no_pattern_is_refused_at_its_place(api):
    async def talk(client):
        bad = await client.get("/v1/events", params={"pattern": '{"data": {"a": [{"prefx": "x"}]}}'})
        return bad, await client.get("/v1/events", params={"topic": "nothing"})

    bad, unknown = api(talk)
    assert bad.status_code == 422
    assert "did you mean 'prefix'?" in bad.json()["detail"]
    assert unknown.status_code == 422


def test_alerts_are_listed_and_acknowledged(api, tmp_path):
    folder = tmp_path / "data"

    async def talk(client):
        empty = (await client.get("/v1/alerts")).json()
        await client.post("/v1/decisions", json=payment("t1"))
        log = client._transport.app.services.store.log
        policy = AlertPolicy(outcomes=OUTCOMES)
        follower = OutboxFollower(log, folder, "log", lambda: 1, policy)
        catch_up(log, follower)
        follower.close()
        listed = (await client.get("/v1/alerts", params={"state": "open"})).json()
        one = listed["alerts"][0]["id"]
        seen = await client.post(f"/v1/alerts/{one}/acknowledge")
        gone = await client.post("/v1/alerts/alert-99/acknowledge")
        bus = (await client.get("/v1/bus")).json()
        metrics = (await client.get("/metrics")).text
        return empty, listed, seen, gone, (await client.get("/v1/alerts")).json(), bus, metrics

    empty, listed, seen, gone, after, bus, metrics = api(talk)
    assert empty == {"alerts": [], "open": 0, "in_case": 0, "acknowledged": 0}
    assert (listed["open"], listed["alerts"][0]["payments"]) == (1, ["t1"])
    assert seen.json()["state"] == "acknowledged"
    assert gone.status_code == 404
    assert (after["open"], after["acknowledged"]) == (0, 1)
    assert bus == {"subscriptions": [], "destinations": []}
    assert "ringfence_http_requests" in metrics
    made = Bus(folder)
    assert AlertBook(made.database).alerts(state="open") == []
    made.close()


def test_alerts_and_cases_are_pulled_page_by_page_and_streamed(api, tmp_path):
    folder, policy = tmp_path / "data", AlertPolicy(outcomes=OUTCOMES)

    async def talk(client):
        store = client._transport.app.services.store
        for number in range(3):
            one = payment(f"t{number}", customer_id=f"c{number}")
            del one["card_number"]
            assert (await client.post("/v1/decisions", json=one)).status_code == 200
        outbox = OutboxFollower(store.log, folder, store.meta.store_id, lambda: NOW_MS, policy)
        cases = CaseFollower(store.log, folder, CasePolicy(open_on=OUTCOMES))
        for follower in (outbox, cases):
            catch_up(store.log, follower)
        outbox.reset()
        catch_up(store.log, outbox)
        for follower in (outbox, cases):
            follower.close()
        pages = {}
        for topic in ("alerts", "cases"):
            pages[topic], after = [], 0
            while True:
                asked = {"topic": topic, "after": after, "limit": 2, "pattern": "type like '%.opened.%'"}
                page = (await client.get("/v1/events", params=asked)).json()
                pages[topic] += [page["events"]]
                after = page["after"]
                if after >= page["end"]:
                    break
        stream = await client.get("/v1/events/stream", params={"begin": "beginning"})
        return pages, stream.text

    pages, stream = api(talk, stream_seconds=1.0)
    for topic, key in (("alerts", "alert"), ("cases", "case_id")):
        found = [event for page in pages[topic] for event in page]
        assert [len(page) for page in pages[topic]][:1] == [2]
        assert len(found) == len({event["id"] for event in found}) == 3
        assert all(key in event["data"] for event in found)
        assert all(f'"id":"{event["id"]}"' in stream for event in found)


@pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")  # a plugin of Apprise
def test_secrets_in_addresses_are_shown_to_nobody(api, tmp_path):
    made = Bus(tmp_path / "data")
    for name, to in (("a", "apprise:tgram://s3cret/1"), ("b", "https://example.com/hook?token=s3cret")):
        made.subscribe(Subscription(name=name, pattern=EVERYTHING, to=to))
    made.close()

    asked = ["apprise:tgram://s3cret/1", "https://example.com/hook?t=s3cret", " apprise:tgram://s3cret/1"]
    asked += ["tgram://s3cret/1", "APPRISE:tgram://s3cret/1", "https://s3cret@/"]

    async def talk(client):
        for number, to in enumerate(asked):
            await client.post("/v1/bus/subscriptions", json={"name": f"n{number}", "to": to})
        return await client.get("/v1/bus")

    found = api(talk)
    trail = SqliteTrail(tmp_path / "data")
    kept = [one.act.details["to"] for one in trail.records(action="bus.changed")]
    assert not [one for one in trail.records() if "s3cret" in str(one)]
    trail.close()
    assert len(kept) == 6
    assert {"apprise:tgram://…", "https://example.com/hook?…", "tgram:…"} <= set(kept)
    assert "s3cret" not in found.text
    assert {one["to"] for one in found.json()["subscriptions"]} == {
        "apprise:tgram://…",
        "https://example.com/hook?…",
    }
    assert {one["address"] for one in found.json()["destinations"]} == {
        "apprise:tgram://…",
        "https://example.com/hook?…",
    }


@pytest.mark.parametrize("how", ["missing", "empty", "damaged"])
def test_without_its_messages_a_server_decides_and_tells_of_the_loss(tmp_path, how):
    """A damaged file left payments alone, and a missing one kept the server from starting."""
    folder = tmp_path / "data"
    with session_in(folder):
        bus = Bus(folder)
        bus.subscribe(Subscription(name="all", pattern=EVERYTHING, to="console:"))
        bus.close()
    with session_in(folder):
        pass
    for path in folder.glob("bus.db*"):
        path.unlink()
    if how != "missing":
        (folder / "bus.db").write_bytes(b"" if how == "empty" else b"no database" * 1000)

    async def talk():
        with session_in(folder) as session:
            async with running(session, raise_app_exceptions=False) as client:
                decided = await client.post("/v1/decisions", json=payment("t1"))
                alerts = await client.get("/v1/alerts")
                return decided, alerts, (await client.get("/readyz")).json(), list(session.warnings)

    decided, alerts, ready, said = asyncio.run(talk())
    assert decided.status_code == 200
    assert alerts.status_code == 503
    if how != "damaged":
        for told in (ready["warnings"], said):
            assert any("bus.db is missing or empty" in one and "ringfence restore" in one for one in told)
        assert not (folder / "bus.db").exists() or not (folder / "bus.db").stat().st_size
