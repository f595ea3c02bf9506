"""What the pages show works: commands run, programs run, and print what stands there."""

import contextlib
import io
import shlex

import pytest
from tests.postgres import database

from ringfence.cli import execute

from .pages import PAGES, ROOT, blocks, name_of

pytestmark = pytest.mark.slow

FINE = {0, 4}  # 4: some records are in quarantine, which is what one page is about


@pytest.fixture
def sample(tmp_path, monkeypatch):
    """A folder as a reader of the pages has it: payments, two bad records among them, and a rule book."""
    monkeypatch.chdir(tmp_path)
    assert execute(["simulate", "payments.ndjson", "--days", "6", "--customers", "600"]) == 0
    with (tmp_path / "payments.ndjson").open("a") as file:
        file.write('{"transaction_id": "x", "event_time": "today", "amount": 1}\nno record\n')
    (tmp_path / "rules.yaml").write_text(
        "extends: shipped\nrules: [{id: a, title: A, when: amount > 9, points: 5, reason: A, analyst: A.}]"
    )
    return tmp_path


WITH_COMMANDS = [page for page in PAGES if any(block.language == "console" for block in blocks(page))]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_every_command_on_a_page_runs(page, sample, capsys, monkeypatch):
    """In order, from a folder where the sample has been run once."""
    if page.stem == "postgresql":
        monkeypatch.setenv("RINGFENCE_STORE_URL", database())
    assert execute(["run", "payments.ndjson"]) in FINE
    for language, info, text in blocks(page):
        if info.startswith("file="):
            (sample / info.removeprefix("file=")).write_text(text)
        for line in text.splitlines() if language == "console" else ():
            words = shlex.split(line.removeprefix("$ "))
            if words[0] == "make":
                assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text()
            elif words[0] == "python":
                assert (ROOT / words[1]).is_file()
            else:
                assert words[0] == "ringfence", line
                capsys.readouterr()
                code = execute(words[1:])
                assert code in FINE, f"{line}: {capsys.readouterr().err}"


PROGRAMS = [
    pytest.param(block.text, id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
    if block.language == "python" and "import ringfence" in block.text and ">>>" not in block.text
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_on_a_page_runs(program):
    exec(compile(program, "page", "exec"), {})


def test_the_readmes_program_prints_what_stands_below_it():
    found = blocks(ROOT / "README.md")
    at = next(number for number, block in enumerate(found) if block.language == "python")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(found[at].text, "README", "exec"), {})
    assert said.getvalue() == found[at + 1].text
