"""Budgets, windows and alarms, by a clock that the test moves."""

import msgspec
import pytest

from ringfence.objectives import (
    ALARMS,
    BURNING,
    LEAST_BAD,
    OBJECTIVES,
    PAGE,
    RECOVERED,
    TICKET,
    Budget,
    BurnWatch,
    KeptBudget,
    still_raised,
)

MINUTE = 60_000
LATENCY = OBJECTIVES[0]


def fed(watch, minutes, bad, every=100, start=0, name="latency"):
    """News of these minutes, so many of each minute's requests bad."""
    told = []
    for minute in range(start, start + minutes):
        watch.budgets[name].add(every - bad, every, minute * MINUTE)
        told += watch.look(minute * MINUTE)
    return [(one.news, one.severity) for one in told]


def test_a_budget_forgets_what_is_older_than_its_longest_window():
    budget = Budget(LATENCY)
    budget.add(1, 2, 0)
    budget.add(3, 3, 4 * MINUTE)
    assert budget.counts(5) == (4.0, 5.0)
    assert budget.counts(4) == (3.0, 3.0)
    budget.add(1, 1, 0)  # a clock that goes back
    assert budget.counts(1) == (4.0, 4.0)
    budget.add(0, 0, 4324 * MINUTE)
    assert budget.counts(4320) == (0.0, 0.0)
    budget.add(1, 1, 10**6 * MINUTE)
    assert budget.counts(4320) == (1.0, 1.0)


def test_what_keeps_its_promise_raises_nothing():
    assert fed(BurnWatch(), 5000, 0.9) == []


def test_an_outage_pages_at_once_and_is_over_once_the_short_windows_are():
    watch = BurnWatch()
    assert fed(watch, 600, 0) == []
    assert fed(watch, 10, 100, start=600) == [(BURNING, TICKET), (BURNING, PAGE)]
    assert [(one.objective, one.severity) for one in watch.raised] == [("latency", PAGE), ("latency", TICKET)]
    assert fed(watch, 120, 0, start=610) == [(RECOVERED, PAGE)]
    assert fed(watch, 600, 0, start=730) == [(RECOVERED, TICKET)]
    assert watch.raised == []


@pytest.mark.parametrize("alarm", ALARMS, ids=str)
def test_each_alarm_fires_by_itself_above_its_rate_and_not_below(alarm):
    share = 100 * (1 - LATENCY.target) * alarm.factor
    above = set(fed(BurnWatch(), alarm.long_minutes, share * 1.05))
    assert (BURNING, alarm.severity) in above
    slower = [one.factor for one in ALARMS if one.severity == alarm.severity and one.factor < alarm.factor]
    if not slower:
        assert (BURNING, alarm.severity) not in fed(BurnWatch(), alarm.long_minutes, share * 0.95)


def test_few_failures_are_no_alarm_however_large_their_share():
    assert fed(BurnWatch(), LEAST_BAD - 1, 1, 1) == []
    assert (BURNING, PAGE) in fed(BurnWatch(), LEAST_BAD, 1, 1)


def test_a_short_burst_of_before_is_no_alarm_now():
    watch = BurnWatch()
    fed(watch, 3, 100, start=0)
    assert [one.severity for one in watch.raised] == [PAGE]
    fed(watch, 55, 0, start=3)  # the long window is still over its rate
    assert PAGE not in [one.severity for one in watch.raised]


def inherited(*severities):
    """What is watched after a restart, with these alarms on latency raised."""
    row = {"news": BURNING, "objective": "latency", "since_ms": 1, "burn_rate": 20.0, "window_minutes": 60}
    return BurnWatch(raised=still_raised([row | {"severity": severity} for severity in severities]))


def test_a_restart_amid_an_outage_is_no_recovery():
    watch = inherited(PAGE, TICKET)
    assert fed(watch, 10, 100) == []
    assert [one.severity for one in watch.raised] == [PAGE, TICKET]


@pytest.mark.parametrize(("severity", "minutes"), [(PAGE, 30), (TICKET, 360)])
def test_an_alarm_of_before_a_restart_is_over_once_its_short_windows_were_seen_whole(severity, minutes):
    watch = inherited(severity)
    assert fed(watch, minutes, 0) == []
    assert fed(watch, 1, 0, start=minutes) == [(RECOVERED, severity)]
    assert watch.raised == []


def test_a_ticket_waits_until_its_short_window_has_been_watched():
    watch = BurnWatch()
    assert fed(watch, 360, 2) == []
    assert fed(watch, 1, 2, start=360) == [(BURNING, TICKET)]


def test_a_slow_start_is_no_page_but_an_outage_is():
    assert fed(BurnWatch(), 30, 8) == []
    assert fed(BurnWatch(), 31, 8)[-1] == (BURNING, PAGE)
    assert fed(BurnWatch(), 1, 100) == [(BURNING, PAGE)]


def test_a_budget_goes_on_where_the_server_before_left_it():
    watch, later = BurnWatch(), BurnWatch()
    fed(watch, 359, 2)
    kept = msgspec.json.decode(msgspec.json.encode(watch.budgets["latency"].kept()), type=KeptBudget)
    later.budgets["latency"].restore(kept, 5000 * MINUTE)
    assert later.budgets["latency"].counts(4320) == (0.0, 0.0)  # it was down for long
    assert later.budgets["latency"].watched_minutes == 0
    later = BurnWatch()
    later.budgets["latency"].restore(kept, 370 * MINUTE)
    assert later.budgets["latency"].counts(4320) == watch.budgets["latency"].counts(4320)
    assert later.budgets["latency"].kept() == KeptBudget(kept.since_minute, 370, kept.counts)
    assert fed(later, 1, 2, start=371) == [(BURNING, TICKET)]


def test_counts_of_minutes_to_come_are_passed_over():
    budget = Budget(LATENCY)
    budget.restore(KeptBudget(10**9, 10**9, {10**9: (0.0, 5.0), -3: (0.0, 5.0), 7: (1.0, 2.0)}), 8 * MINUTE)
    assert budget.counts(4320) == (1.0, 2.0)
    budget.add(1, 1, 9 * MINUTE)
    assert (budget.counts(1), budget.watched_minutes) == ((1.0, 1.0), 1)


def test_where_nothing_was_asked_since_a_restart_nobody_knows_that_it_is_over():
    watch = inherited(PAGE)
    assert fed(watch, 100, 0, every=0) == []
    assert fed(watch, 1, 0, start=100) == [(RECOVERED, PAGE)]


def test_alarms_of_before_a_restart_are_those_that_no_news_has_ended():
    rows = [
        {"news": BURNING, "objective": "latency", "severity": PAGE, "since_ms": 1, "burn_rate": 20.0,
         "window_minutes": 60},
        {"news": BURNING, "objective": "gone", "severity": PAGE, "since_ms": 1, "burn_rate": 20.0,
         "window_minutes": 60},
        {"news": BURNING, "objective": "decided", "severity": PAGE, "since_ms": 2, "burn_rate": 20.0,
         "window_minutes": 60},
        {"news": RECOVERED, "objective": "decided", "severity": PAGE, "since_ms": 2, "burn_rate": 20.0,
         "window_minutes": 60},
    ]  # fmt: skip
    watch = BurnWatch(raised=still_raised(rows))
    assert [one.objective for one in watch.raised] == ["latency"]
