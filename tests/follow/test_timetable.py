"""Work by the clock: when it is due, through restarts, failures and clocks that are set back."""

import signal
import sys
import threading

import pytest

from ringfence.adapters.watchbook import WatchBook
from ringfence.errors import StoreFullError
from ringfence.follow.timetable import Due, Errand, ErrandEnd, Timetable
from ringfence.settings import period_ms

HOUR = 3_600_000


class Clock:
    ms = 1000 * HOUR

    def now_ms(self):
        return self.ms


def test_errands_come_round_by_the_clock_whatever_ends_in_between(tmp_path):
    clock, done = Clock(), []
    book = WatchBook(tmp_path)

    def table():
        watch, train = Errand("watch", ["a"], 24 * HOUR, HOUR), Errand("train", ["b"], 72 * HOUR, 72 * HOUR)
        run = lambda one: done.append((clock.ms // HOUR - 1000, one.name)) or 1  # noqa: E731 (each fails)
        return Timetable([watch, train], Due(book.due, book.set_due), clock.now_ms, run)

    for _ in range(80):
        table().look()  # as if started again each hour
        clock.ms += HOUR
    assert done == [(1, "watch"), (25, "watch"), (49, "watch"), (72, "train"), (73, "watch")]
    clock.ms -= 70 * HOUR  # set back: nothing waits longer than its own time
    later = len(done)
    for _ in range(25):
        table().look()
        clock.ms += HOUR
    assert [name for _, name in done[later:]] == ["watch"]


def test_what_failed_or_was_cut_off_may_come_round_sooner(tmp_path):
    """
    hour    0   1   2   3   4   5 … 27
    ends    1   9   0               0      exit codes; the first start is cut off before it has one
    """
    clock, done, codes = Clock(), [], iter([1, 9, 0, 0])
    book = WatchBook(tmp_path)

    def table(run):
        return Timetable(
            [Errand("back up", ["a"], 24 * HOUR, 0, HOUR)], Due(book.due, book.set_due), clock.now_ms, run
        )

    def cut_off(_one):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table(cut_off).look()
    for _ in range(30):
        clock.ms += HOUR
        table(lambda _one: done.append(clock.ms // HOUR - 1000) or next(codes)).look()
    assert done == [1, 2, 3, 27]


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [("1d", 24 * HOUR), ("10m", HOUR // 6), ("never", None), ("9m", "too often"), ("daily", "neither")],
)
def test_how_often_is_a_setting(setting, wanted):
    if isinstance(wanted, str):
        with pytest.raises(ValueError, match=wanted):
            period_ms(setting)
    else:
        assert period_ms(setting) == wanted


def test_a_command_runs_in_a_process_of_its_own(tmp_path):
    book = WatchBook(tmp_path)
    once = Errand("once", ["touch", str(tmp_path / "made")], HOUR, 0)
    assert Timetable([once], Due(book.due, book.set_due), Clock().now_ms).look() == ["once"]
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("command", "limit", "code", "said"),
    [
        ("echo once >&2; echo 'Error: no frauds' >&2; echo >&2; exit 3", 60, 3, "no frauds"),
        ("echo fine >&2", 60, 0, ""),
        ("sleep 600 & sleep 600", 0.2, -15, "it took longer than 0.2 seconds and was ended"),
        ("kill -9 $$", 60, -9, "it was killed: the machine ran out of memory, or somebody ended it"),
        ("yes | tr -d '\\n' | head -c 3000000 >&2; exit 4", 60, 4, "y" * 300),
    ],
    ids=["fails", "succeeds", "hangs, and its child too", "is killed", "says a lot"],
)
def test_how_an_errand_ended_is_kept(tmp_path, monkeypatch, command, limit, code, said):
    monkeypatch.setattr("ringfence.follow.timetable._STOP_SECONDS", 1.0)
    book = WatchBook(tmp_path)
    once = Errand("once", ["sh", "-c", command], HOUR, 0, most_seconds=limit)
    Timetable([once], Due(book.due, book.set_due), Clock().now_ms, tell=book.keep_outcome).look()
    assert book.outcomes() == {"once": ErrandEnd(Clock.ms, code, said)}


CLEARS_UP = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    time.sleep(600)
finally:
    pathlib.Path(sys.argv[1]).touch()
"""


def test_what_takes_too_long_may_clear_up_before_it_is_ended(tmp_path):
    """It inherits a SIGTERM that waits until there is somebody to hear it, however long its start takes."""
    book, cleared = WatchBook(tmp_path), tmp_path / "cleared"
    once = Errand("once", [sys.executable, "-c", CLEARS_UP, str(cleared)], HOUR, 0, most_seconds=0.1)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        Timetable([once], Due(book.due, book.set_due), Clock().now_ms, tell=book.keep_outcome).look()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert cleared.exists()
    assert book.outcomes()["once"].code != -signal.SIGKILL
    assert book.outcomes()["once"].said == "it took longer than 0.1 seconds and was ended"


def test_what_does_not_end_when_it_is_asked_to_is_killed(tmp_path, monkeypatch):
    """It inherits a SIGTERM that is ignored."""
    monkeypatch.setattr("ringfence.follow.timetable._GRACE_SECONDS", 0.2)
    book = WatchBook(tmp_path)
    once = Errand("once", ["sleep", "600"], HOUR, 0, most_seconds=0.1)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        Timetable([once], Due(book.due, book.set_due), Clock().now_ms, tell=book.keep_outcome).look()
    finally:
        signal.signal(signal.SIGTERM, before)
    said = "it took longer than 0.1 seconds and was ended"
    assert book.outcomes() == {"once": ErrandEnd(Clock.ms, -signal.SIGKILL, said)}


def test_what_cannot_be_started_or_kept_leaves_the_others_their_turn(tmp_path, caplog):
    """A program that is not there, a disk that takes no ending, and one that takes no date."""
    clock, told, writes = Clock(), [], []

    def tell(name, end):
        told.append((name, end))
        raise StoreFullError("no room is left")

    def write(due):
        writes.append(due)
        if len(writes) > 1:
            raise StoreFullError("no room is left for dates")

    errands = [
        Errand("back up", [str(tmp_path / "gone")], 24 * HOUR, 0, HOUR),
        Errand("copy", ["true"], 24 * HOUR, 0, HOUR),
        Errand("watch", ["sh", "-c", "exit 3"], 24 * HOUR, 0),
    ]
    table = Timetable(errands, Due(dict, write), clock.now_ms, tell=tell)
    assert table.look() == ["back up", "copy", "watch"]
    assert told == [
        ("back up", ErrandEnd(clock.ms, -1, "it could not be started (No such file or directory)")),
        ("copy", ErrandEnd(clock.ms, 0)),
        ("watch", ErrandEnd(clock.ms, 3)),
    ]
    assert caplog.text.count("how it ended cannot be kept: no room is left") == 3
    assert "copy: when it is due next cannot be kept: no room is left for dates" in caplog.text
    assert "back up ended with exit code -1 (it could not be started" in caplog.text
    assert "tried again in 60 minutes" in caplog.text


def test_an_errand_without_a_thread_or_a_command_that_can_be_keeps_no_other_waiting(monkeypatch):
    clock, told = Clock(), []
    errands = [
        Errand("back up", ["sleep", "600"], HOUR, 0),
        Errand("copy", ["echo", "a\0b"], HOUR, 0),
        Errand("watch", ["true"], HOUR, 0),
    ]
    table = Timetable(errands, Due(dict, lambda _due: None), clock.now_ms, tell=lambda *one: told.append(one))
    start, processes = threading.Thread.start, []

    def without_room(thread):
        if table._process.args[0] == "sleep":
            processes.append(table._process)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", without_room)
    assert table.look() == ["back up", "copy", "watch"]
    assert told == [
        ("back up", ErrandEnd(clock.ms, -1, "it could not be started (can't start new thread)")),
        ("copy", ErrandEnd(clock.ms, -1, "it could not be started (embedded null byte)")),
        ("watch", ErrandEnd(clock.ms, 0)),
    ]
    assert [one.poll() for one in processes] == [-9]


def test_whatever_goes_wrong_the_thread_looks_again(monkeypatch, caplog):
    monkeypatch.setattr("ringfence.follow.timetable._LOOK_SECONDS", 0.01)
    read, again = iter([ZeroDivisionError("odd"), KeyError("odd"), {}]), threading.Event()

    def due():
        found = next(read, {})
        if isinstance(found, Exception):
            raise found
        again.set()
        return found

    table = Timetable([Errand("once", ["a"], HOUR, HOUR)], Due(due, lambda _due: None), Clock().now_ms)
    table.start()
    assert again.wait(60)
    table.stop()
    assert caplog.text.count("the timetable waits") == 2
