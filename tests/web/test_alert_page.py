"""Alerts on the dashboard: muted and raised again from where they stand."""

import re

import httpx
import pytest
from tests.api.conftest import payment
from tests.web.conftest import serving
from tests.web.test_bus_page import csrf, signed_in

from ringfence.access.principal import Role
from ringfence.adapters.outbox import AlertBook, Bus, OutboxFollower
from ringfence.alerts.policy import OUTCOMES, AlertPolicy
from ringfence.follow import catch_up

pytestmark = pytest.mark.slow


def alerted(site, identity):
    """What there are alerts on after a payment that comes now, whatever became of it."""
    store, key = site.dashboard.store, {"authorization": f"Bearer {site.key(Role.DECIDE)}"}
    with httpx.Client(base_url=site.url, headers=key) as till:
        till.post("/v1/decisions", json=payment(identity)).raise_for_status()
    policy = AlertPolicy(outcomes=OUTCOMES, window="1ms")
    follower = OutboxFollower(store.log, store.folder, store.meta.store_id, site.server.clock.now_ms, policy)
    catch_up(store.log, follower)
    follower.close()
    bus = Bus(store.folder)
    found = AlertBook(bus.database).alerts()
    bus.close()
    return found


def test_an_analyst_mutes_what_an_alert_is_about_and_raises_it_again(tmp_path):
    with serving(tmp_path / "data", with_keys=True) as site:
        (alert,) = alerted(site, "m1")
        with signed_in(site, Role.ANALYST) as analyst:
            form = {"csrf": csrf(analyst.get("/alerts")), "alert_id": alert.id, "hours": 168}
            assert analyst.post("/alerts/mute", data=form | {"hours": 10_000}).status_code == 422
            assert analyst.post("/alerts/mute", data=form | {"alert_id": "alert-77"}).status_code == 422
            page = analyst.post("/alerts/mute", data=form)
            assert page.status_code == 200
            assert f"from {alert.id}" in page.text
            assert '<a href="#Muted">Muted: 1</a>' in page.text
            before = len(alerted(site, "m1b"))
            with signed_in(site, Role.VIEWER) as viewer:
                page = viewer.get("/alerts").text
                assert f"from {alert.id}" in page
                assert not re.search("(un)?mute", re.sub(r"Muted", "", page))
                refused = viewer.post("/alerts/mute", data=form | {"csrf": csrf(viewer.get("/alerts"))})
                assert refused.status_code == 403
            muted = {"csrf": form["csrf"], "typology": alert.typology, "entity_id": alert.entity_id}
            with signed_in(site, Role.SUPERVISOR) as supervisor:
                theirs = form | {"csrf": csrf(supervisor.get("/alerts"))}
                assert supervisor.post("/alerts/mute", data=theirs).status_code == 200
                for path, data in (("/alerts/unmute", muted), ("/alerts/mute", form)):
                    page = analyst.post(path, data=data)
                    assert page.status_code == 403
                    assert "Nothing was changed: " in page.text
                    assert "with the right to approve" in page.text
                page = supervisor.post("/alerts/unmute", data=muted | {"csrf": theirs["csrf"]})
                assert f"from {alert.id}" not in page.text
            analyst.post("/alerts/mute", data=form)
            page = analyst.post("/alerts/unmute", data=muted)
            assert f"from {alert.id}" not in page.text
            assert before == 1
            assert sum(one.count for one in alerted(site, "m1c")) == 2, "and not what came meanwhile"
        acts = [one.act for one in site.server.trail.records(action="alert")]
        done = [one for one in acts if one.outcome == "done" and one.action.endswith("muted")]
        assert [one.action.removeprefix("alert.") for one in done] == ["muted", *2 * ["muted", "unmuted"]]
        assert {one.object for one in done} == {f"{alert.typology} {alert.entity_id}"}
        assert f"from {alert.id}" in done[1].details["before"]


def test_alerts_of_a_severity_are_those_that_a_digest_counts(tmp_path):
    with serving(tmp_path / "data", with_keys=True) as site:
        (alert,) = alerted(site, "s1")
        other = "critical" if alert.severity != "critical" else "medium"
        headers = {"authorization": f"Bearer {site.key(Role.VIEWER)}"}
        with httpx.Client(base_url=site.url, headers=headers) as viewer:
            for severity, count in ((alert.severity, 1), (other, 0)):
                found = viewer.get("/v1/alerts", params={"severity": severity})
                assert len(found.json()["alerts"]) == count
            assert viewer.get("/v1/alerts", params={"severity": "grave"}).status_code == 422
        with signed_in(site, Role.VIEWER) as viewer:
            for severity, count in ((alert.severity, 1), (other, 0)):
                page = viewer.get("/alerts", params={"severity": severity}).text
                assert page.count(f"/decisions/{alert.payments[-1]}") == count
                assert f'<a href="/alerts?state=all&amp;severity={severity}">all</a>' in page
            assert viewer.get("/alerts?severity=grave").status_code == 422


def test_the_page_and_the_api_list_what_a_digest_counts(tmp_path):
    with serving(tmp_path / "data", with_keys=True) as site:
        (alert,) = alerted(site, "s1")
        name = "digest-high-1-9f31c2ab"
        with site.server.outboxes.bus.database.transaction() as connection:
            connection.execute("INSERT INTO capped_alert VALUES ('high console:', 1, 1, ?)", (alert.id,))
            for told, until in ((name, 1), (f"{name}-none", 0)):
                connection.execute(
                    "INSERT INTO digest_span VALUES (?, 'high console:', 1, 1, ?)", (told, until)
                )
        headers = {"authorization": f"Bearer {site.key(Role.VIEWER)}"}
        with httpx.Client(base_url=site.url, headers=headers) as viewer:
            found = viewer.get("/v1/alerts", params={"digest": name}).json()
            assert ([one["id"] for one in found["alerts"]], found["open"]) == ([alert.id], 1)
            assert viewer.get("/v1/alerts", params={"digest": f"{name}-none"}).json()["alerts"] == []
            refused = viewer.get("/v1/alerts", params={"digest": "digest-low-7"})
            assert (refused.status_code, "its message names it" in refused.text) == (422, True)
        with signed_in(site, Role.VIEWER) as viewer:
            page = viewer.get("/alerts", params={"digest": name}).text
            assert page.count(f"/decisions/{alert.payments[-1]}") == 1
            assert f"those that {name} counts" in page
            assert f"severity=high&amp;digest={name}" in page
            assert f"/decisions/{alert.payments[-1]}" not in viewer.get(f"/alerts?digest={name}-none").text
            assert viewer.get("/alerts?digest=digest-low-7").status_code == 422
            assert viewer.get("/alerts?digest=x").status_code == 422


def test_a_form_that_cannot_be_done_comes_again_with_the_alerts(tmp_path):
    with serving(tmp_path / "data", with_keys=True) as site:
        (alert,) = alerted(site, "s1")
        with signed_in(site, Role.ANALYST) as analyst:
            token = {"csrf": csrf(analyst.get("/alerts"))}
            for path, fields, said in (
                ("acknowledge", {"alert_id": "alert-999"}, "there is no alert"),
                ("acknowledge", {}, "alert_id: This is missing."),
                ("mute", {"alert_id": alert.id, "hours": "soon"}, "Nothing was changed: hours: "),
                (
                    "mute",
                    {"alert_id": alert.id, "hours": "9999"},
                    "hours: Input should be less than or equal to 744",
                ),
                ("unmute", {"typology": alert.typology}, "entity_id: This is missing."),
            ):
                page = analyst.post(f"/alerts/{path}", data=token | fields)
                assert page.status_code == 422
                assert said in page.text
                assert 'role="alert"' in page.text
                assert f"/decisions/{alert.payments[-1]}" in page.text


def test_the_list_below_a_refused_form_is_on_record(tmp_path):
    with serving(tmp_path / "data", with_keys=True) as site:
        alerted(site, "s1")
        with signed_in(site, Role.ANALYST) as analyst:
            token = {"csrf": csrf(analyst.get("/cases"))}
            page = analyst.post("/alerts/acknowledge", data=token | {"alert_id": "alert-999"})
        assert page.status_code == 422
        acts = [one.act for one in site.server.trail.records(action="alert")]
        assert sorted((one.action, one.outcome) for one in acts) == [
            ("alert.acknowledged", "refused"),
            ("alert.listed", "done"),
        ]
        assert len({one.actor for one in acts}) == 1
