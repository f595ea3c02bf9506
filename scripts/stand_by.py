"""A process of Ringfence that has loaded what it needs when its turn comes: `stand_by.py [--warm] MODULE...`.

It says "0" on standard output when it is ready. Then it runs commands, a JSON list of words in a line of
standard input each, and says their exit codes. What the commands themselves say goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module


def main(names: list[str]) -> None:
    """Until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    if "--warm" in names:
        import_module("warm_up").main()
    for name in names:
        if not name.startswith("--"):
            import_module(name)
    execute = import_module("ringfence.cli").execute
    answers.write("0\n")
    for line in sys.stdin:
        sys.argv = ["ringfence", *json.loads(line)]
        answers.write(f"{execute(sys.argv[1:])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
