"""How late reports of fraud come, as drafts tell it."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.adapters.drafted import Drafted, written


def labelled(folder, when, waited, name="reported_at"):
    """200 payments, an hour apart; every tenth is fraud, reported after the hours that `waited` says."""
    begin = datetime(2025, 3, 1, tzinfo=UTC)
    lines = [f"id,paid_at,amount,is_fraud,{name}"]
    for n in range(200):
        paid = begin + timedelta(hours=n)
        fraud = n % 10 == 3
        known = (paid + timedelta(hours=waited(n))).strftime(when) if fraud else ""
        lines.append(f"t{n},{paid.strftime(when)},9.{n % 90 + 10},{int(fraud)},{known}")
    return written(folder, "\n".join(lines))


@pytest.mark.parametrize("when", ["%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M"])
@pytest.mark.parametrize("name", ["reported_at", "chargeback_date"])
def test_how_long_reports_take_is_told_by_when_they_came(tmp_path, when, name):
    found = Drafted(labelled(tmp_path, when, lambda n: 24 * 19 + n % 24, name))
    assert found.label["delay"] == "20d"
    assert f"{name} says when fraud was reported: 95 of 100 reports came within 20d" in found.said
    assert name not in found.attributes


def test_where_nothing_tells_how_long_reports_take_that_is_said(tmp_path):
    early = Drafted(labelled(tmp_path, "%Y-%m-%dT%H:%M:%SZ", lambda _: -24 * 90))
    assert early.label["delay"] == "7d"
    assert "no column says when fraud was reported: is_fraud is taken as known 7d after the" in early.said


def test_reports_are_held_against_a_day_and_a_time_in_two_columns(tmp_path):
    begin = datetime(2025, 3, 1, tzinfo=UTC)
    lines = ["id,date,time,amount,chargeback,chargeback_date"]
    for n in range(200):
        paid, fraud = begin + timedelta(hours=n), n % 10 == 3
        known = f"{paid + timedelta(days=19):%Y-%m-%d}" if fraud else ""
        lines.append(f"t{n},{paid:%Y-%m-%d},{paid:%H:%M:%S},9.{n % 90 + 10},{int(fraud)},{known}")
    found = Drafted(written(tmp_path, "\n".join(lines)))
    assert found.fields["event_time"]["join"] == ["date", "time"]
    assert found.label["delay"] == "19d"
    assert "event_time" not in found.questions
