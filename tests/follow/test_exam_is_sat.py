"""No follower goes without its exam."""

import importlib
import pkgutil
from pathlib import Path

import ringfence.adapters
from ringfence.follow import Follower

TESTS = Path(__file__).parents[1]
PROMISES = [name for name, told in vars(Follower).items() if callable(told) and not name.startswith("_")]
EXAMS = "\n".join(
    text for path in TESTS.rglob("*.py") if "(FollowerExam)" in (text := path.read_text("utf-8"))
)


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


def test_every_follower_or_what_it_is_made_of_sits_the_exam():
    absent = {
        one.__name__
        for one in followers()
        if not one.__subclasses__() and not any(base.__name__ in EXAMS for base in one.__mro__[:-1])
    }
    assert PROMISES == ["positions", "take", "reset", "close"]
    assert len(followers()) >= 12
    assert absent == set()
