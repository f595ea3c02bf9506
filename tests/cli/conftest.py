import json
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from ringfence.cli import execute


@dataclass
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def json_lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A folder of its own to work in, with nothing set from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("RINGFENCE_DATA_DIR", "RINGFENCE_MAPPING", "RINGFENCE_FEATURES", "RINGFENCE_RULES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def ringfence(project, capsys):
    """Runs one command line in the project's folder."""

    def command(*arguments: str) -> Ended:
        capsys.readouterr()
        code = execute([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return command


@pytest.fixture
def terminal(monkeypatch):
    """Has somebody type an answer at a terminal, on which the question stands."""
    ours, theirs = os.openpty()
    with ExitStack() as files:
        reads = files.enter_context(os.fdopen(theirs))
        writes = files.enter_context(os.fdopen(os.dup(theirs), "w"))
        files.callback(os.close, ours)

        def types(answer):
            os.write(ours, f"{answer}\n".encode())
            monkeypatch.setattr(sys, "stdin", reads)
            monkeypatch.setattr(sys, "stderr", writes)
            return lambda: os.read(ours, 65_536).decode()

        yield types


def payment(number: int, **more) -> dict:
    """One payment a minute from noon on."""
    minute = f"{12 + number // 60:02}:{number % 60:02}"
    return {
        "transaction_id": f"p{number}",
        "event_time": f"2024-05-01T{minute}:00Z",
        "amount": 20.0,
        "currency": "EUR",
        "card_id": "card-1",
        "merchant_id": "shop",
        **more,
    }


def write_ndjson(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def payments(project) -> Path:
    """Eight payments of one card in eight minutes; the last six are of 2 EUR, which is card testing."""
    return write_ndjson(
        project / "payments.ndjson", [payment(n, amount=20.0 if n < 2 else 2.0) for n in range(8)]
    )
