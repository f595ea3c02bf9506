"""House rules that a machine can check."""

import ast
import itertools
import re
import runpy
import tomllib
from collections import defaultdict

import pytest

import ringfence
from ringfence.cli import execute

from .pages import ROOT, name_of

REFERENCE = runpy.run_path(str(ROOT / "scripts" / "reference.py"))
SOURCES = sorted((ROOT / "src").rglob("*.py"))
OURS = [
    path
    for folder in ("src", "tests", "docs", "scripts", "benchmarks", "examples")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".md", ".toml", ".yaml", ".sql", ".c", ".h"}
    and "reference" not in path.parts[-2:-1]
    and "node_modules" not in path.parts
]
LONG: dict[str, str] = {}
"""Files of more than 400 lines, each with its reason."""

MOST_SHARED_NAMES = 9
"""Class names that more than one module has; 96 once. Only ever lower it."""


@pytest.mark.parametrize("name", list(REFERENCE["pages"]()))
def test_a_page_made_from_code_is_current(name):
    """Otherwise: .venv/bin/python scripts/reference.py"""
    assert (ROOT / "docs" / name).read_text("utf-8") == REFERENCE["pages"]()[name]


@pytest.mark.parametrize("words", REFERENCE["commands"](), ids=" ".join)
def test_every_command_teaches_with_an_example(words, capsys):
    assert execute([*words, "--help"]) == 0
    told = capsys.readouterr().out
    assert f"Example: ringfence {' '.join(words)}" in " ".join(told.split())
    assert all(line.lstrip().startswith("Example: ") for line in told.splitlines() if "Example: " in line)


@pytest.mark.parametrize("path", REFERENCE["records"](), ids=name_of)
def test_a_decision_record_says_its_number_its_title_and_its_status(path):
    """`# 0123 Title`, then `Accepted, 2026-01-31.` or `Replaced by [0124](0124-title.md), 2026-01-31.`

    A record of which some still holds is `Replaced in part by …`.
    """
    told = REFERENCE["RECORD"].match(path.read_text("utf-8"))
    assert told, f"{path.name} does not begin as a record does"
    assert told["number"] == path.name[:4]
    for other in re.findall(r"\(([\w-]+\.md)\)", told["status"]):
        assert f"]({path.name})" in (path.parent / other).read_text("utf-8"), f"{other} does not name it"


def wrapped(text):
    """Lines that go on a paragraph or a point of a list."""
    beside = re.sub(r"^```.*?^```$", "```", text, flags=re.MULTILINE | re.DOTALL).splitlines()
    marks = re.compile(r"\s*([-*+] |\d+\. |[#|><`])|    |$")
    return [
        line
        for before, line in itertools.pairwise(beside)
        if before.strip() and before[0] not in "#|<`" and not marks.match(line)
    ]


@pytest.mark.parametrize("path", REFERENCE["records"](), ids=name_of)
def test_a_paragraph_of_a_record_is_one_line(path):
    """So that a change of a sentence is a change of its paragraph, in each record alike."""
    assert wrapped(path.read_text("utf-8")) == []


def test_no_file_is_longer_than_400_lines_without_a_reason():
    long = {name_of(path): n for path in OURS if (n := len(path.read_text("utf-8").splitlines())) > 400}
    assert set(long) == set(LONG), long


def test_no_more_class_names_are_used_twice():
    """A name that stands for two things is looked up twice: give a new class a name of its own."""
    where = defaultdict(list)
    for path in SOURCES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(name_of(path))
    shared = {name: paths for name, paths in where.items() if len(paths) > 1}
    assert len(shared) <= MOST_SHARED_NAMES, shared


def test_nothing_is_left_to_be_done_later():
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    assert [name_of(path) for path in OURS if marks.search(path.read_text("utf-8"))] == []


def test_every_module_says_what_it_is():
    silent = [
        path for path in SOURCES if path.read_text() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert [name_of(path) for path in silent] == []


def test_every_public_class_and_function_says_what_it_is():
    silent = []
    for path in SOURCES:
        if "kernel" in path.parts or path.name == "operations.py":
            continue  # inner loops, and operations whose names are what they do
        for node in ast.parse(path.read_text()).body:
            named = isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
            is_overload = named and any(ast.unparse(one) == "overload" for one in node.decorator_list)
            if named and not is_overload and not ast.get_docstring(node):
                silent.append(f"{name_of(path)}: {node.name}")
    assert silent == []


KNOW_THE_MACHINE = {
    **dict.fromkeys(("adapters", "api", "cli", "client", "compose", "library", "web"), "edges"),
    **dict.fromkeys(("fetching", "settings"), "ask for addresses and for what is set"),
    "access": "sessions and tokens have a time and a secret",
    "compiling": "asks where machine code can be kept",
    "follow": "supervises processes",
    "learning": "counts the processor time of a training, and has its threads sleep",
    "simulate": "made for people to run",
    "testing": "exams",
}
"""Rooms that the contracts of the core leave out, and why."""

SPEAK_TO_DATABASES = {"adapters", "compose", "testing"}


def test_each_room_stands_in_the_contracts_or_says_why_it_does_not():
    """A room that is added and forgotten there could import a clock or a database."""
    rooms = {path.stem for path in (ROOT / "src" / "ringfence").iterdir() if path.suffix in ("", ".py")}
    rooms = {room for room in rooms if not room.startswith("_")}
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    assert not [one for one in linter["contracts"] if "ignore_imports" in one]
    forbidden = {
        frozenset(one["forbidden_modules"]): {
            name.removeprefix("ringfence.") for name in one["source_modules"]
        }
        for one in linter["contracts"]
        if one["type"] == "forbidden"
    }
    of_core = next(rooms for modules, rooms in forbidden.items() if "time" in modules)
    of_data = next(rooms for modules, rooms in forbidden.items() if "boto3" in modules)
    assert of_core == rooms - KNOW_THE_MACHINE.keys()
    assert of_data == rooms - SPEAK_TO_DATABASES


def test_the_documented_names_are_the_public_ones():
    text = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
    assert re.findall(r"^## rf\.(\w+)$", text, re.MULTILINE) == ringfence.__all__
