"""Thousands of requests drawn from the OpenAPI document: no 500, nothing that the document does not promise.

python -m benchmarks.contract --examples 300
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.serving import Process

UNTOLD = {
    "GET /v1/decisions": "entity goes with entity_id",
    "GET /v1/stream": "entity goes with entity_id",
    "GET /v1/events": "what the text of a pattern says",
    "POST /v1/decisions": "an amount is given once, with the digits of its currency; cards have check digits",
    "POST /v1/events": "as for decisions",
    "GET /v1/events/stream": "what a pattern says",
    "POST /v1/alerts/mutes": "which names there are, and when a year from now is",
    "POST /v1/bus/test": "what a pattern says",
    "POST /v1/bus/subscriptions": "what a pattern says, and where an address leads",
    "POST /v1/outbox/retry": "ids, or all",
    "POST /v1/outbox/purge": "ids, or all",
    "POST /v1/quarantine/replay": "ids or a reason, not both",
    "POST /v1/cases/{case_id}/files": "what kinds of file there are",
    "POST /v1/drift": "JSON Schema calls 3.0 an integer",
    "POST /v1/lists/entries": "JSON Schema calls 3.0 an integer",
    "POST /v1/lists/removals": "JSON Schema calls 3.0 an integer",
    "POST /v1/lists/import": "what the text of a CSV file says",
    "POST /v1/models/{version}/promotion": "a share goes with a rollout",
    "POST /v1/rules/backtest": "a version or a text; what the text of a rule book says",
    "POST /v1/rules/impact": "one change of several; what the text of a rule book says",
    "POST /v1/rules/versions": "what the text of a rule book says",
}
"""Where the document admits what the route refuses, for it cannot say why: elsewhere all of it is taken."""

STREAM_SECONDS = {"RINGFENCE_SERVE_STREAM_SECONDS": "0.05"}  # a case ends when its stream does


_PATIENCE_SECONDS = 120  # a busy machine breaks no promise of the document
EVERY_PHASE = "examples,coverage,fuzzing"


def run(folder: Path, examples: int, seed: int = 1, phases: str = EVERY_PHASE) -> tuple[int, str, int]:
    """Exit code and report of schemathesis on a fresh server, and the server's own exit code."""
    process = Process(folder, **STREAM_SECONDS)
    tool = str(Path(sys.executable).with_name("schemathesis"))
    options = ["--max-examples", str(examples), "--seed", str(seed), "--phases", phases, "--no-color"]
    options += ["--request-timeout", str(_PATIENCE_SECONDS)]
    settings = folder / "schemathesis.toml"
    settings.write_text(_TOO_LONG + "".join(map(_leaving_out, UNTOLD)))
    try:
        ran = subprocess.run(
            [tool, "--config-file", str(settings), "run", f"{process.url}/openapi.json", *options],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        code = process.end()
    return ran.returncode, ran.stdout + ran.stderr, code


_TOO_LONG = """[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 415, 422, 428, 429, 431, "5xx"]
"""
"""An address that breaks the limit of a field may break that of the whole head first."""


def _leaving_out(operation: str) -> str:
    return f"""
[[operations]]
include-name = "{operation}"
[operations.checks.positive_data_acceptance]
enabled = false
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        code, report, served = run(Path(scratch), options.examples, options.seed)
    print(report)
    sys.exit(code or served)


if __name__ == "__main__":
    main()
