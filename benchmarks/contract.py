"""Thousands of requests drawn from the OpenAPI document: no 500, nothing that the document does not promise.

python -m benchmarks.contract --examples 300
python -m benchmarks.contract --examples 3 --role viewer   # with a key of this role, or of `each` in turn
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.serving import Process
from ringfence.access.roles import Role
from ringfence.adapters.access.keys import ApiKeys

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


def run(
    folder: Path, examples: int, seed: int = 1, phases: str = EVERY_PHASE, role: Role | None = None
) -> tuple[int, str, int]:
    """Exit code and report of schemathesis on a fresh server, and the server's own exit code.

    With a role every request has a key of it, and 403 is an answer to all that it may not.
    """
    key = None if role is None else _key(folder, role)
    process = Process(folder, **STREAM_SECONDS)
    tool = str(Path(sys.executable).with_name("schemathesis"))
    options = ["--max-examples", str(examples), "--seed", str(seed), "--phases", phases, "--no-color"]
    options += ["--request-timeout", str(_PATIENCE_SECONDS)]
    settings = folder / "schemathesis.toml"
    told = [_EVERYWHERE] if key else [_leaving_out(one, "positive_data_acceptance") for one in UNTOLD]
    settings.write_text(_TOO_LONG + "".join(told))
    if key is not None:
        options += ["--header", f"Authorization: Bearer {key}"]
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


_EVERYWHERE = """
[checks.positive_data_acceptance]
enabled = false
"""
"""What a role may not is refused, whatever is sent."""


def _key(folder: Path, role: Role) -> str:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(ApiKeys(folder)) as keys:
        return keys.create(role, frozenset({role}), 0)


def _leaving_out(operation: str, check: str) -> str:
    return f"""
[[operations]]
include-name = "{operation}"
[operations.checks.{check}]
enabled = false
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--role", choices=[*Role, "each"])
    options = parser.parse_args()
    roles = list(Role) if options.role == "each" else [options.role and Role(options.role)]
    worst = 0
    for role in roles:
        with tempfile.TemporaryDirectory() as scratch:
            code, report, served = run(Path(scratch), options.examples, options.seed, role=role)
        print(f"with a key of {role}:" if role else "", report, sep="\n", flush=True)
        worst = max(worst, code, served)
    sys.exit(worst)


if __name__ == "__main__":
    main()
