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

LEFT_OUT = "positive_data_acceptance"
"""JSON Schema calls 3.0 an integer and cannot say that `entity` goes with `entity_id`; all others are on."""

STREAM_SECONDS = {"RINGFENCE_SERVE_STREAM_SECONDS": "0.05"}  # a case ends when its stream does


EVERY_PHASE = "examples,coverage,fuzzing"


def run(folder: Path, examples: int, seed: int = 1, phases: str = EVERY_PHASE) -> tuple[int, str, int]:
    """Exit code and report of schemathesis on a fresh server, and the server's own exit code."""
    process = Process(folder, **STREAM_SECONDS)
    tool = str(Path(sys.executable).with_name("schemathesis"))
    options = ["--max-examples", str(examples), "--exclude-checks", LEFT_OUT, "--seed", str(seed)]
    options += ["--phases", phases, "--no-color"]
    try:
        ran = subprocess.run(
            [tool, "run", f"{process.url}/openapi.json", *options],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        code = process.end()
    return ran.returncode, ran.stdout, code


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
