"""The process that checks rule books for a server: `python -m ringfence.compose.checking_apart FOLDER`.

It reads a specification, then questions, from its standard input until that is closed, and answers each.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import msgspec

from ringfence.adapters.sqlite import Store
from ringfence.compose.checks import ChecksHere, Question, answered, received, send
from ringfence.features.spec import FeatureSpec

_NICE = 10  # deciding comes first, also where there are few cores


def main(folder: Path) -> None:
    """Answer until nobody asks any more. Another process writes to the store in `folder`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the other one ends this
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    spec = received(questions)
    if spec is None:
        return
    with Store.open(folder, read_only=True) as store:
        checks = ChecksHere(store.log, FeatureSpec.from_json(spec.decode()))
        os.nice(_NICE)
        send(answers, b"ready")
        while (asked := received(questions)) is not None:
            answer = answered(msgspec.msgpack.decode(asked, type=Question), checks)
            send(answers, msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
