"""Whose step comes next, where single payments and a batch both wait."""

from ringfence.api.hot.waiting import RightOfWay


def order(turns, seconds_of_large, seconds_of_small, steps):
    """The steps in turn, while both kinds always wait."""
    found = []
    for _ in range(steps):
        if turns.large_is_due:
            found.append("L")
            turns.took_large(seconds_of_large)
        else:
            found.append("s")
            turns.took_small(seconds_of_small)
    return "".join(found)


def test_single_payments_go_on_until_they_have_had_as_long_as_the_large_step_before():
    assert order(RightOfWay(), 0.012, 0.004, 9) == "LsssLsssL"


def test_a_large_step_is_followed_by_one_of_single_payments_however_short_it_was():
    assert order(RightOfWay(), 0.0, 0.004, 6) == "LsLsLs"


def test_a_batch_goes_on_however_long_one_of_its_steps_took():
    turns = RightOfWay()
    assert order(turns, 30.0, 0.05, 4) == "LssL"
