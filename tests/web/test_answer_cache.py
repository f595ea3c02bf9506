"""Answers worked out behind pages: once each, in turns among those who ask, and never without bound."""

import threading
import time

import httpx
import pytest

from ringfence.api.http.problems import Refusal
from ringfence.errors import CatchingUpError, InputError
from ringfence.web.answer_cache import MOST_OF_CALLER, MOST_WAITING, PATIENCE_SECONDS, AnswerCache


def until(what):
    deadline = time.monotonic() + 60
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


class Busy:
    """A cache whose worker is held up at its first question until `go` is set; `done` is what came after."""

    def __init__(self):
        self.moment, self.go, self.done = 0.0, threading.Event(), []
        self.kept = AnswerCache(lambda: self.moment)
        held = threading.Event()

        def work():
            held.set()
            assert self.go.wait(60)

        self.kept.ask("first", 1, work, "somebody")
        assert held.wait(60)

    def ask(self, question, caller="ada", state=1):
        return self.kept.ask(question, state, lambda: self.done.append((question, state)), caller)

    def finish(self, count):
        self.go.set()
        until(lambda: len(self.done) >= count)
        self.kept.stop()


def test_an_answer_is_worked_out_once_and_again_when_things_have_changed():
    moment, asked = [0.0], []
    kept = AnswerCache(lambda: moment[0])

    def work():
        asked.append(moment[0])
        return len(asked)

    def wait(question, state):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = kept.ask(question, state, work, "ada")
            if found is not None and found.state == state:
                return found
            time.sleep(0.01)
        raise AssertionError

    assert kept.ask("q", 1, work, "ada") is None
    assert wait("q", 1).value == 1
    moment[0] = 100.0
    assert kept.ask("q", 1, work, "ada").value == 1
    assert kept.ask("q", 2, work, "ada").value == 1  # the old one, while the new one is worked out
    assert wait("q", 2).value == 2
    assert asked == [0.0, 100.0]
    kept.stop()


def test_a_problem_is_told_in_place_of_an_answer(caplog):
    kept = AnswerCache(time.monotonic)

    def refuse():
        raise InputError("there is nothing to compare with: train it again")

    def fail():
        raise ZeroDivisionError("of a program")

    told = until(lambda: kept.ask("q", 1, refuse, "ada"))
    assert told.problem == "there is nothing to compare with: train it again"
    told = until(lambda: kept.ask("other", 1, fail, "ada"))
    assert "the server's log" in told.problem
    assert "ZeroDivisionError: of a program" in caplog.text
    kept.stop()


def test_what_was_asked_too_early_is_asked_again_and_is_no_answer_meanwhile():
    """The log need not grow until the tables have caught up: a kept problem would stay on the page."""
    kept, behind = AnswerCache(time.monotonic), [True]

    def work():
        if behind.pop():
            behind.append(False)
            raise CatchingUpError("the analysis tables are behind")
        return "figures"

    told = until(lambda: kept.ask("q", 1, work, "ada"))
    assert (told.value, told.problem) == ("figures", "")
    kept.stop()


def test_no_more_than_so_many_questions_wait_and_one_that_is_refused_says_so():
    busy = Busy()
    for number in range(MOST_WAITING):
        busy.ask(number, caller=f"caller {number % 8}")
    with pytest.raises(Refusal, match="figures wait") as refused:
        busy.ask("one more", caller="new")
    assert refused.value.status == 503
    busy.ask(0)  # of those that wait: another who wants to know it costs nothing
    busy.finish(MOST_WAITING)
    assert len(busy.done) == MOST_WAITING


def test_one_caller_has_a_share_and_others_their_turn_between_its_questions():
    busy = Busy()
    for number in range(3 * MOST_OF_CALLER):
        assert busy.ask(number, caller="eve") is None
    for number in ("x", "y"):
        busy.ask(number, caller="ada")
    busy.finish(MOST_OF_CALLER + 2)
    assert len(busy.done) == MOST_OF_CALLER + 2
    assert {question for question, _ in busy.done[:4]} >= {"x", "y"}


def test_what_nobody_asks_again_is_dropped_and_what_is_asked_again_is_of_the_newest_state():
    busy = Busy()
    busy.ask("left")
    busy.ask("wanted")
    busy.moment += PATIENCE_SECONDS
    busy.ask("wanted", state=2)
    busy.moment += 1
    busy.finish(1)
    assert busy.done == [("wanted", 2)]


def test_figures_of_a_rule_that_there_is_none_are_not_worked_out(site):
    asked = site.dashboard.cache._turn
    with httpx.Client(base_url=site.url, timeout=30) as client:
        found = client.get("/rule/no_such_rule/figures")
    assert (found.status_code, "no_such_rule" in found.text) == (404, True)
    assert site.dashboard.cache._turn == asked
