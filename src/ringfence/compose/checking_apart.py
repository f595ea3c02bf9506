"""The process that checks rule books for a server.

`python -m ringfence.compose.checking_apart FOLDER SECONDS` reads a specification, then questions, from its
standard input, and answers each on its standard output within so many seconds. It ends when its input is
closed, whatever it is at: nobody would hear the answer.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

import msgspec

from ringfence.adapters.sqlite import Store
from ringfence.compose.checks import ChecksHere, Question, answered, received, send
from ringfence.features.spec import FeatureSpec

_NICE: Final = 10  # deciding comes first, also where there are few cores
_MOST_QUESTION: Final = 1 << 30  # bytes, with all lists
_FIRST_TO_GO: Final = "900"  # of at most 1,000, where the system's memory runs out


def main(folder: Path, seconds: float) -> None:
    """Answer until nobody asks any more. Another process writes to the store in `folder`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the other one ends this
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what anything prints here is for the server's log
        with suppress(OSError):  # Linux alone has it
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, "ascii")
        messages: SimpleQueue[bytes] = SimpleQueue()
        Thread(target=_hear, args=(messages,), daemon=True).start()
        spec = FeatureSpec.from_json(messages.get().decode())
        with Store.open(folder, read_only=True) as store:
            checks = ChecksHere(store.log, spec)
            os.nice(_NICE)
            send(answers, b"ready")
            while True:
                question = msgspec.msgpack.decode(messages.get(), type=Question)
                _bound(seconds)
                send(answers, msgspec.msgpack.encode(answered(question, checks)))


def _hear(messages: SimpleQueue[bytes]) -> None:
    """Take messages in until there are no more: then this process ends."""
    try:
        with open(os.dup(0), "rb") as asking:  # noqa: PTH123 (no path)
            while (message := received(asking, _MOST_QUESTION)) is not None:
                messages.put(message)
    finally:
        os._exit(0)


def _bound(seconds: float) -> None:
    """Have the system end this process should it work longer than all cores can in that time."""
    try:
        import resource  # noqa: PLC0415 (not on Windows)
    except ImportError:
        return
    most = math.ceil(time.process_time() + seconds * (os.cpu_count() or 1)) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
