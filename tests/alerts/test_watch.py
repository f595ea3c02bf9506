"""What the clock makes of alerts: escalation and digests, each once and after its time."""

import msgspec
import pytest
from tests.alerts.test_alerting import HOUR, event, ids, take
from tests.lakes import fill

from ringfence.adapters.outbox import AlertBook, BusPersons, OutboxFollower, Watch
from ringfence.adapters.outbox.alert_book import put
from ringfence.alerts import model
from ringfence.alerts.events import Wording
from ringfence.alerts.policy import AlertPolicy
from ringfence.desks.person_search import NOBODY
from ringfence.errors import InputError
from ringfence.follow import catch_up


def test_an_alert_that_gets_worse_is_escalated_after_its_time_as_a_worse_one():
    policy = AlertPolicy(escalate_from="high")
    alert = model.opened(7, event(20, 1000), policy)
    alert, _ = model.grown(alert, event(20, 2000), policy)
    assert (alert.decided_ms, alert.raised_ms) == (1000, 1000)
    alert, _ = model.grown(alert, event(70, 3000), policy)
    assert (alert.decided_ms, alert.raised_ms) == (1000, 3000)
    worst, raised = model.grown(alert, event(95, 4000), policy)
    assert raised
    assert worst.raised_ms == 3000  # it was to be escalated before: it waits no longer than it would have


def test_escalation_goes_by_when_the_alert_became_severe(bus):
    policy = AlertPolicy(escalate_to=("console:",), escalate_after="10m")
    alert = model.opened(7, event(20, 0), policy)
    with bus.database.transaction() as connection:
        put(connection, [alert])
    alert, _ = model.grown(alert, event(70, 20 * 60_000), policy)
    with bus.database.transaction() as connection:
        put(connection, [alert])
    watch = Watch(bus, policy, "log")
    assert watch.look(21 * 60_000) == 0
    assert watch.look(30 * 60_000) == 1


def test_what_is_held_back_after_the_digest_is_told_once_a_period(store, bus):
    policy = AlertPolicy(team=("slack:#team",), most=1, window="1s")
    watch, counts = Watch(bus, policy, "log"), []

    def told(now_ms):
        made = watch.look(now_ms)
        counts.extend(msgspec.json.decode(one.event)["data"]["count"] for one in bus.letters(limit=made))
        return made

    fill(store, batches=2)
    take(store, policy)
    assert told(HOUR + 1) == 1
    fill(store, 2, 2)  # late: decided within the hour that has ended
    take(store, policy)
    assert told(HOUR + 2) == 0
    assert told(2 * HOUR) == 1
    assert told(3 * HOUR) == 0
    assert sum(counts) == sum(AlertBook(bus.database).counts().values()) - 1
    assert len(set(ids(bus))) == 3


def test_what_the_clock_has_made_stays_when_the_outbox_is_made_again(store, bus):
    policy = AlertPolicy(team=("slack:#team",), most=1, window="1s", escalate_to=("console:",))
    fill(store, batches=2)
    take(store, policy)
    watch = Watch(bus, policy, "log")
    assert watch.look(HOUR + 1) > 1
    before = states(bus)
    follower = OutboxFollower(store.log, store.folder, "log", lambda: HOUR, policy)
    follower.reset()
    catch_up(store.log, follower)
    follower.close()
    assert watch.look(HOUR + 2) == 0
    assert states(bus) == before


def counted(bus, digest):
    """Alerts that a digest's message says it counts, some at a time, as a page lists them."""
    book, found = AlertBook(bus.database), []
    while some := book.alerts(digest=digest, limit=3, before=(found and int(found[-1].id[6:])) or None):
        found += some
    assert len(found) == sum(book.counts(digest).values())
    return {one.id for one in found}


def test_a_digest_lists_what_it_counts_and_no_alert_of_another_hour_or_team(store, bus):
    policy = AlertPolicy(team=("slack:#team", "console:"), most=2, window="1s")
    watch, book = Watch(bus, policy, "log"), AlertBook(bus.database)
    fill(store, batches=2)
    take(store, policy)
    assert watch.look(HOUR + 1) == 2
    first = {one.id for one in book.alerts(limit=1000)}
    fill(store, 2, 2)  # late: decided within the hour that has ended
    take(store, policy)
    assert watch.look(2 * HOUR) == 2
    every = [msgspec.json.decode(one.event) for one in bus.letters(limit=1000)]
    digests = [one["data"] for one in every if one["type"].endswith("digest.v1")]
    alone = {one["data"]["alert"]["id"] for one in every if "alert" in one["data"]}
    assert len({one["digest"] for one in digests}) == 4
    assert [len(counted(bus, one["digest"])) for one in digests] == [one["count"] for one in digests]
    late, early = counted(bus, digests[0]["digest"]), counted(bus, digests[-1]["digest"])
    assert (early, late) == (first - alone, {one.id for one in book.alerts(limit=1000)} - first)
    with pytest.raises(InputError, match="there is no digest 'digest-high-1-0'"):
        book.alerts(digest="digest-high-1-0")
    follower = OutboxFollower(store.log, store.folder, "log", lambda: HOUR, policy)
    follower.reset()
    catch_up(store.log, follower)
    follower.close()
    assert counted(bus, digests[0]["digest"]) == late, "made again, it is the same"


def test_a_digest_of_an_outbox_that_was_made_again_lists_what_it_counts(store, bus):
    """By another policy, other alerts are held back: those of before are in no list."""
    policy = AlertPolicy(team=("slack:#team",), most=2, window="1s")
    fill(store, batches=2)
    take(store, policy)
    fewer = msgspec.structs.replace(policy, most=1)
    follower = OutboxFollower(store.log, store.folder, "log", lambda: HOUR, fewer)
    follower.reset()
    catch_up(store.log, follower)
    follower.close()
    assert Watch(bus, fewer, "log").look(HOUR + 1) == 1
    *alone, digest = sorted(
        (msgspec.json.decode(one.event)["data"] for one in bus.letters(limit=1000)),
        key=lambda one: "count" in one,
    )
    every = {one.id for one in AlertBook(bus.database).alerts(limit=1000)}
    assert counted(bus, digest["digest"]) == every - {one["alert"]["id"] for one in alone}


def test_alerts_that_have_expired_are_in_no_digest_and_an_empty_digest_is_gone(store, bus):
    policy = AlertPolicy(team=("slack:#team",), most=2, window="1s")
    fill(store, batches=2)
    take(store, policy)
    assert Watch(bus, policy, "log").look(HOUR + 1) == 1
    name = msgspec.json.decode(bus.letters(limit=1)[0].event)["data"]["digest"]
    (first, *_) = sorted(one.raised_ms for one in AlertBook(bus.database).alerts(digest=name, limit=1000))
    persons = BusPersons(bus.database, store.log)
    before = len(counted(bus, name))
    assert persons.expire_alerts(first + 1, NOBODY) > 0
    assert len(counted(bus, name)) < before
    assert persons.expire_alerts(10**15, NOBODY) > 0
    with pytest.raises(InputError, match="there is no digest"):
        counted(bus, name)
    for table in ("capped_alert", "digest_span"):
        assert bus.database.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def states(bus):
    return sorted((one.id, one.state) for one in bus.letters(limit=1000))


def test_a_storm_that_nobody_acknowledges_is_a_few_escalations_and_a_digest(store, bus):
    """Each card an alert; two messages an hour, and an hour later what the rest came to."""
    lead = "mailto:lead@bank.example"
    policy = AlertPolicy(most=2, window="1s", escalate_to=(lead,), escalate_after="20s")
    fill(store, batches=10)
    take(store, policy)
    count = sum(AlertBook(bus.database).counts().values())
    assert count > 10
    watch = Watch(bus, policy, "log")
    assert watch.look(HOUR // 2) == 2
    assert watch.look(HOUR // 2 + 1) == 0
    follower = OutboxFollower(store.log, store.folder, "log", lambda: HOUR, policy)
    follower.reset()  # what the clock has counted stays
    catch_up(store.log, follower)
    follower.close()
    assert watch.look(HOUR + 1) == 1
    assert watch.look(HOUR + 2) == 0
    digest, *told = [msgspec.json.decode(one.event) for one in bus.letters(destination=lead)]
    name = digest["data"].pop("digest")
    assert digest["data"] == {
        "count": count - 2,
        "severity": "high",
        "severities": f"{count - 2:,} escalated high",
    }
    assert f"alerts list --digest {name}`" in Wording(policy, {})(digest | {"data": {"digest": name}}).text
    alone = {one["data"]["alert"]["id"] for one in told}
    every = {one.id for one in AlertBook(bus.database).alerts(limit=1000)}
    assert counted(bus, name) == every - alone
    words = Wording(policy, {})
    assert all("for 1 minute" in words(one).title for one in told)
    notices = AlertBook(bus.database).notices(0, 1000)
    assert len([one for _, one in notices if b"alert.escalated" in one]) == count


NIGHT = AlertPolicy(
    team=("slack:#team",), most=2, window="1s", quiet="22:00-06:30", quiet_below="critical",
    escalate_from="medium", escalate_after="10m", escalate_to=("mailto:lead@bank.example",),
)  # fmt: skip
MORNING = round(6.5 * HOUR)


def test_a_night_is_capped_as_the_morning_that_it_is_told_in(store, bus):
    r"""night             06:30        07:00            08:00
    alerts ~~~~~~~~~~~~~~~~~~| 2 messages |   the digest's hour ends at 07:00
    """
    fill(store, batches=10)
    take(store, NIGHT)
    watch = Watch(bus, msgspec.structs.replace(NIGHT, escalate_to=()), "log")
    held = sum(AlertBook(bus.database).counts().values()) - 2
    assert [one.due_ms for one in bus.letters()] == [MORNING] * 2
    assert watch.look(6 * HOUR) == 0, "no digest in the night of what the morning tells"
    assert watch.look(7 * HOUR) == 1
    assert msgspec.json.decode(bus.letters()[0].event)["data"]["count"] == held


def test_a_digest_waits_until_quiet_hours_end(store, bus):
    day = msgspec.structs.replace(NIGHT, quiet="01:00-06:30", escalate_to=())  # alerts come before one
    fill(store, batches=10)
    take(store, day)
    assert Watch(bus, day, "log").look(HOUR) == 1
    assert bus.letters()[0].due_ms == MORNING


def test_nobody_is_told_at_night_that_the_team_which_sleeps_has_not_answered(store, bus):
    fill(store, batches=1)
    take(store, NIGHT)
    watch = Watch(bus, msgspec.structs.replace(NIGHT, most=100), "log")
    alerts = sum(AlertBook(bus.database).counts().values())
    assert watch.look(HOUR) == 0
    assert watch.look(MORNING + 9 * 60_000) == 0
    assert watch.look(MORNING + 10 * 60_000) == alerts


def test_escalations_that_wait_for_the_morning_share_its_cap(bus):
    """Raised just before the night, and in it: both go out in the hour that begins at 06:00."""
    policy = msgspec.structs.replace(NIGHT, quiet="01:00-06:30", escalate_after="20m")
    watch = Watch(bus, policy, "log")

    def escalated(offset, raised_ms, now_ms):
        alerts = [model.opened(offset + n, event(20, raised_ms), policy) for n in range(3)]
        with bus.database.transaction() as connection:
            put(connection, alerts)
        return watch.look(now_ms)

    assert escalated(0, 50 * 60_000, 70 * 60_000) == 2
    assert [one.due_ms for one in bus.letters()] == [MORNING] * 2
    assert escalated(10, 3 * HOUR, MORNING + 20 * 60_000) == 0
    assert watch.look(7 * HOUR) == 1
    assert msgspec.json.decode(bus.letters()[0].event)["data"]["count"] == 4


def test_escalations_of_lesser_alerts_hold_back_no_critical_one(bus):
    """A night of medium alerts used up the cap, and the critical one came in the digest."""
    policy = AlertPolicy(most=2, escalate_from="medium", escalate_after="1m", escalate_to=("console:",))
    medium = [model.opened(n, event(20, HOUR), policy) for n in range(5)]
    critical = model.opened(9, event(95, HOUR + 1), policy)
    with bus.database.transaction() as connection:
        put(connection, [*medium, critical])
    assert Watch(bus, policy, "log").look(HOUR + 120_000) == 3
    told = [msgspec.json.decode(one.event)["data"]["alert"]["id"] for one in bus.letters()]
    assert critical.id in told
    assert Watch(bus, policy, "log").look(3 * HOUR) == 1
    digest = msgspec.json.decode(bus.letters()[0].event)
    assert digest["data"].pop("digest").startswith("digest-escalated-medium-")
    assert digest["data"] == {"count": 3, "severity": "medium", "severities": "3 escalated medium"}
    assert "3 eskaliert mittel" in Wording(msgspec.structs.replace(policy, language="de"), {})(digest).text


def test_what_an_earlier_version_held_back_is_still_told(bus):
    policy = AlertPolicy(escalate_to=("console:",))
    with bus.database.transaction() as connection:
        held = '{"escalated": 4}'
        connection.execute("INSERT INTO clock_cap VALUES ('escalated console:', 1, 20, ?)", (held,))
    assert Watch(bus, policy, "log").look(2 * HOUR) == 1
    told = msgspec.json.decode(bus.letters()[0].event)["data"]
    assert told == {"count": 4, "severity": policy.escalate_from, "severities": "4 escalated"}
