"""Who may be connected and for how long, beat by beat: no sockets, no clock."""

import pytest

from ringfence.api.http import connections
from ringfence.api.http.connections import ANSWER, BODY, CLOSING, HEAD, IDLE, ConnectionLimits, Connections
from ringfence.api.http.problems import Refusal


class Line:
    """A connection that notes what becomes of it."""

    def __init__(self, address="10.0.0.1", stage=IDLE):
        self.address, self.stage, self.since = address, stage, 0
        self.received = self.seen = self.held = 0
        self.unread_since = None
        self.paused = self.closing = False
        self.fate = None

    def is_paused(self):
        return self.paused

    def is_closing(self):
        return self.closing

    def turn_away(self, refusal):
        assert isinstance(refusal, Refusal)
        self.fate = refusal.status, refusal.problem.code

    def hang_up(self):
        self.fate = "hung up"


def among(*lines, **limits):
    counted = []
    made = Connections(ConnectionLimits(**limits), counted.append)
    made.counted = counted
    for line in lines:
        assert made.admit(line)
    return made


def beats(made, count):
    for _ in range(count):
        made.look()


@pytest.mark.parametrize(
    ("stage", "seconds", "fate"),
    [
        (IDLE, 10, "hung up"),
        (HEAD, 10, (408, "slow_head")),
        (BODY, 10, (408, "slow_body")),
        (CLOSING, 2, "hung up"),
    ],
)
def test_each_stage_has_its_time_and_not_a_beat_less(stage, seconds, fate):
    line = Line(stage=stage)
    made = among(line, head_seconds=10, stalled_seconds=10)
    beats(made, seconds)
    assert line.fate is None
    beats(made, 1)
    assert line.fate == fate


def test_somebody_known_may_be_idle_for_longer_than_a_stranger():
    known, stranger = Line(), Line()
    made = among(known, stranger, head_seconds=10, idle_seconds=75)
    made.know(known)
    beats(made, 75)
    assert (known.fate, stranger.fate) == (None, "hung up")
    beats(made, 1)
    assert known.fate == "hung up"


def test_an_answer_that_takes_long_is_no_fault_of_the_peer():
    line = Line(stage=ANSWER)
    made = among(line)
    beats(made, 1000)
    assert line.fate is None


def test_a_body_must_make_progress_in_every_ten_seconds_not_only_on_the_whole():
    line = Line(stage=BODY)
    made = among(line, least_rate=100, stalled_seconds=10)
    line.received = 1_000_000  # at once, and then nothing
    beats(made, 1)
    beats(made, 10)
    assert line.fate is None
    beats(made, 1)
    assert line.fate == (408, "slow_body")


def test_a_body_at_the_least_rate_and_one_that_we_do_not_read_go_on():
    quick, paused = Line(stage=BODY), Line(stage=BODY)
    paused.paused = True
    made = among(quick, paused, least_rate=100)
    for _ in range(100):
        quick.received += 100
        made.look()
    assert (quick.fate, paused.fate) == (None, None)


@pytest.mark.parametrize("stage", [IDLE, ANSWER])
def test_an_answer_that_nobody_reads_ends_the_connection(stage):
    line = Line(stage=stage)
    made = among(line, stalled_seconds=10, idle_seconds=1000)
    line.unread_since = made.beat
    beats(made, 10)
    assert line.fate is None
    beats(made, 1)
    assert line.fate == "hung up"
    assert made.counted == ["unread_answer"]


def test_a_closed_connection_whose_last_words_are_not_read_does_not_stay():
    line = Line(stage=ANSWER)
    line.closing = True
    made = among(line, stalled_seconds=10)
    beats(made, 12)
    assert line.fate == "hung up"


def test_beyond_the_most_of_an_address_its_oldest_stranger_makes_room():
    lines = [Line() for _ in range(3)]
    other = Line("10.0.0.2")
    made = among(*lines, other, most_of_address=3)
    made.know(lines[0])
    assert made.admit(Line())
    assert [line.fate for line in (*lines, other)] == [None, "hung up", None, None]
    assert len(made) == 4


def test_where_all_of_an_address_are_known_the_next_one_is_refused():
    lines = [Line() for _ in range(3)]
    made = among(*lines, most_of_address=3)
    for line in lines:
        made.know(line)
    assert not made.admit(Line())
    assert made.admit(Line("10.0.0.2"))
    made.lose(lines[0])
    assert made.admit(Line())


def test_an_address_that_comes_for_many_is_limited_by_the_whole_only():
    made = among(most=5, most_of_address=2, unlimited="10.0.0.9".__eq__)
    lines = [Line("10.0.0.9") for _ in range(5)]
    for line in lines:
        assert made.admit(line)
        made.know(line)
    assert not made.admit(Line("10.0.0.9"))


def test_beyond_the_most_in_all_the_oldest_stranger_of_whatever_address_makes_room():
    lines = [Line(f"10.0.0.{n}") for n in range(4)]
    made = among(*lines, most=4)
    made.know(lines[0])
    assert made.admit(Line("10.0.1.1"))
    assert [line.fate for line in lines] == [None, "hung up", None, None]


def test_many_large_bodies_at_once_cost_the_largest_its_place(monkeypatch):
    monkeypatch.setattr(connections, "HELD_BYTES", 1000)
    large, small = Line(stage=BODY), Line(stage=BODY)
    made = among(large, small)
    made.hold(large, 900)
    made.hold(small, 90)
    made.hold(small, 90)
    assert (large.fate, small.fate) == ((503, "too_many_bodies"), None)
    assert made.held == 180
    made.lose(small)
    assert made.held == 0


def test_what_is_closed_twice_is_counted_once():
    line = Line()
    made = among(line, most=1)
    made.lose(line)
    made.lose(line)
    assert len(made) == 0
    assert made.admit(Line())
