"""Drafts of files in which no column can be the time of the payment: the reason stands in the message."""

import pytest
from tests.adapters.drafted import Drafted, written

from ringfence.errors import InputError


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (
            ["2026-05-01 10:00:00", "01/05/2026 10:01"],
            "date has times in 2 ways .2026-05-01 10:00:00 and 01/05",
        ),
        (["2026-05-01T10:00:00Z", "1777629600"], "date has times in 2 ways"),
        (["1.777629600E+09", "1.777629601E+09"], "a spreadsheet has shortened .1.777629600E"),
        (
            ["1965-05-01 10:00:00", "1965-05-02 10:00:00"],
            "date ends in 1965, and payments are taken from 2000",
        ),
        (["2126-05-01 10:00:00", "2126-05-02 10:00:00"], "date begins in 2126, which is still to come"),
    ],
)
def test_why_a_column_of_times_is_none_of_payments_is_told(tmp_path, times, said):
    """Only "no column seems to be the time of the payment" stood there."""
    lines = [f"i{at},{times[at % 2]},1{at}.50,c{at}" for at in range(12)]
    with pytest.raises(InputError, match=said):
        Drafted(written(tmp_path, "\n".join(["id,date,amount,card_id", *lines, ""])))
