"""Times of other calendars and beginnings: named, asked for, or read; never wrong without a word."""

import pytest
from tests.adapters.drafted import Drafted, written

from ringfence.errors import InputError


def dated(folder, times, name="date"):
    rows = [f"t{at},{time},1{at}.50,c{at}\n" for at, time in enumerate(times)]
    return written(folder, f"id,{name},amount,card\n" + "".join(rows))


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (("R8.05.01 10:00", "R8.05.02 11:00"), "Japanese era Reiwa, R8 for 2026"),
        (("令和8年5月1日", "令和8年5月13日"), "Japanese era Reiwa, 令和8 for 2026"),
        (("令和元年5月1日", "令和元年12月13日"), "令和元 for 2019"),
        (("H31/4/1", "H31/4/13"), "Japanese era Heisei, H31 for 2019"),
        (("S63-05-01", "S63-05-13"), "Japanese era Showa, S63 for 1988"),
        (("1405/02/11 10:00", "1405/02/31 10:00"), "Persian calendar, 1405 for 2026"),
        (("\u06f1\u06f4\u06f0\u06f5/\u06f0\u06f2/\u06f1\u06f1",), "Persian calendar, 1405 for 2026"),
        (("14050211", "14050213"), "Persian calendar, 1405 for 2026"),
        (("1447-11-14 10:00:00", "1447-11-30 10:00:00"), "Islamic calendar (Hijri), 1447 for 2026"),
        (("14/11/1447", "30/11/1447"), "Islamic calendar (Hijri), 1447 for 2026"),
        (("01/05/2569 10:00", "13/05/2569 10:00"), "Buddhist calendar of Thailand, 2569 for 2026"),
        (("01/05/69", "13/05/69"), "Buddhist calendar of Thailand, 69 for 2026"),
        (("1 พ.ค. 69", "13 พ.ค. 69"), "Buddhist calendar of Thailand, 69 for 2026"),
        (("115/05/01", "115/05/13"), "Taiwan's calendar, 115 for 2026"),
    ],
)
def test_years_of_other_calendars_are_named_with_the_remedy(tmp_path, times, said):
    """Digits alone were seconds since 2020; of the others nothing was said."""
    with pytest.raises(InputError) as error:
        Drafted(dated(tmp_path, times))
    assert said in str(error.value)
    assert "export the file with Gregorian years" in str(error.value)


def test_a_short_year_stands_first_where_that_puts_the_rows_together(tmp_path):
    """It was 2001 to 2013, and only day and month were asked for."""
    file = dated(tmp_path, ("26/05/01 10:00:00", "26/05/02 10:00:00", "26/05/13 10:00:00"))
    found = Drafted(file)
    assert found.times[0] == "2026-05-01T10:00:00"
    assert found.questions["year_place"].answers == ("first", "last")
    assert "26/05/01 10:00:00 can be 2026-05-01 or 2001-05-26" in found.questions["year_place"].text
    assert Drafted(file, year_place="last").times[0] == "2001-05-26T10:00:00"


def test_a_short_year_last_is_not_asked_for_where_the_other_reading_is_long_past(tmp_path):
    found = Drafted(dated(tmp_path, ("05/06/26", "05/06/26")))
    assert "year_place" not in found.questions
    assert found.times[0] == "2026-06-05T00:00:00"


def test_a_short_year_that_may_be_one_of_reiwa_is_told(tmp_path):
    found = Drafted(dated(tmp_path, ("08/05/01", "08/05/02", "08/05/13")))
    assert "08 may be a year of the era Reiwa" in found.questions["year_place"].text


def test_days_of_a_spreadsheet_that_would_be_recent_since_1904_are_asked_for(tmp_path):
    """They were four years too early without a word."""
    file = dated(tmp_path, ("44681.4375", "44682.5"))
    assert "days_since" in Drafted(file).questions
    assert Drafted(file, days_since="1904").times[0] == "2026-05-01T10:30:00"


def test_recent_days_of_a_spreadsheet_are_not_asked_for(tmp_path):
    assert "days_since" not in Drafted(dated(tmp_path, ("46143.4375", "46144.5"))).questions


def test_digits_of_a_year_and_its_day_are_read_and_asked_for_where_they_may_be_days_since_1970(tmp_path):
    """Both were seconds since 2020."""
    assert Drafted(dated(tmp_path, ("26121", "26133"))).times[0] == "2026-05-01T00:00:00"
    both = dated(tmp_path, ("20121", "20133"))
    assert Drafted(both).questions["digits"].answers == ("days", "years")
    assert Drafted(both).times[0] == "2025-02-02T00:00:00"
    assert Drafted(both, digits="years").times[0] == "2020-04-30T00:00:00"


def test_days_since_1970_are_no_seconds_since_2020(tmp_path):
    assert Drafted(dated(tmp_path, ("20574", "20575"))).times[0] == "2026-05-01T00:00:00"


def test_a_clock_stands_behind_a_year_and_its_day_and_not_behind_days_since_1970(tmp_path):
    """Each row was refused: days since 1970 were the first answer, and the clock was joined to them."""
    rows = "".join(f"t{at},2012{at},14:33:0{at},1{at}.50,c{at}\n" for at in (1, 2))
    file = written(tmp_path, f"id,date,time,amount,card\n{rows}")
    found = Drafted(file)
    assert (found.refused, found.times[0]) == (0, "2020-04-30T14:33:01")
    assert found.questions["digits"].answers == ("years", "days")
    days = Drafted(file, digits="days")
    assert (days.refused, days.times[0]) == (0, "2025-02-02T00:00:00")


def test_a_word_among_five_digits_goes_to_the_quarantine(tmp_path):
    """It was a traceback in place of a draft, wherever the word was not among the rows that tell the form."""
    times = ["20121"] * 1_000
    times[1] = "pending"
    found = Drafted(dated(tmp_path, times))
    assert "digits" in found.questions
    assert found.refused == 1


def test_numbers_of_dates_that_begin_far_from_zero_are_no_times(tmp_path):
    """Days of MATLAB were nine days of January 2020."""
    with pytest.raises(InputError, match="event_time is missing"):
        Drafted(dated(tmp_path, ("740103.4", "740104.5", "740105.25")))


def test_weeks_of_a_year_without_marks_are_read(tmp_path):
    assert Drafted(dated(tmp_path, ("2026W185", "2026W191"))).times[0] == "2026-05-01T00:00:00"


def test_a_korean_date_is_read(tmp_path):
    assert Drafted(dated(tmp_path, ("2026년 5월 1일 10:00", "2026년 5월 13일 10:00"))).times[0] == (
        "2026-05-01T10:00:00"
    )


def test_times_without_a_zone_among_others_are_told(tmp_path):
    times = [f"2026-05-0{day}T10:00:00Z" for day in range(1, 6)] + ["2026-05-06T10:00:00"]
    assert "1 of the first times of date name no time zone" in Drafted(dated(tmp_path, times)).said


def test_the_only_time_is_the_payments_although_its_name_tells_of_a_later_step(tmp_path):
    file = dated(tmp_path, ("2026-05-01T10:00:00Z", "2026-05-02T10:00:00Z"), "Processed On")
    found = Drafted(file)
    assert found.times[0] == "2026-05-01T10:00:00"
    assert "Processed On is the only time" in found.said
