"""No follower goes without its exam."""

import ast
import importlib
import pkgutil
from pathlib import Path

import ringfence.adapters
from ringfence.follow import Follower
from ringfence.testing.exams.follower import FollowerExam

TESTS = Path(__file__).parents[1]
EXAM = FollowerExam.__name__
PROMISES = [name for name, told in vars(Follower).items() if callable(told) and not name.startswith("_")]


def followers():
    """Every class of an adapter that can do all that a follower promises."""
    found = set()
    for module in pkgutil.walk_packages(ringfence.adapters.__path__, "ringfence.adapters."):
        if ".migrations" in module.name:
            continue
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and one.__module__ == module.name:
                found |= {one} if all(hasattr(one, name) for name in PROMISES) else set()
    return found


def examined(text):
    """Names that the `place` of each exam in a file of tests uses, by way of what that file defines."""
    defined = {
        one.name: one for one in ast.parse(text).body if isinstance(one, ast.ClassDef | ast.FunctionDef)
    }
    exams = [one for one in defined.values() if EXAM in map(ast.unparse, getattr(one, "bases", ()))]
    ahead = [one for exam in exams for one in exam.body if getattr(one, "name", "") == "place"]
    found = set()
    while ahead:
        inside = list(ast.walk(ahead.pop()))
        said = {one.id for one in inside if isinstance(one, ast.Name)}
        said |= {one.arg for one in inside if isinstance(one, ast.arg)}  # other fixtures
        ahead += [defined[name] for name in said - found if name in defined]
        found |= said
    return found


def test_every_follower_or_what_it_is_made_of_sits_the_exam():
    texts = [path.read_text("utf-8") for path in TESTS.rglob("*.py")]
    sat = set().union(*(examined(text) for text in texts if f"({EXAM})" in text))
    every = followers()
    absent = {
        one.__name__
        for one in every
        if not one.__subclasses__() and not any(base.__name__ in sat for base in every & {*one.__mro__})
    }
    assert PROMISES == ["positions", "take", "reset", "close"]
    assert len(every) >= 12
    assert absent == set()
