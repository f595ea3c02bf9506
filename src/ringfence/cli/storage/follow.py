"""`ringfence follow`: the followers of a data folder at work."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.terminal.light_options import Data, folder
from ringfence.cli.terminal.screen import say
from ringfence.compose.lean_start import lean

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

_NICE = 10  # deciding comes first, also where there are few cores
_NICE_FOR_MESSAGES = 5  # somebody waits for them, and for what else follows nobody does
_END_SECONDS = 8.0  # after which nobody waits for what is under way; less than the process that waits for us
_SWITCH_SECONDS = 0.0005  # a message under way waits so long for a thread that computes, at each step


def follow(
    data: Data = None,
    beside: Annotated[
        bool,
        typer.Option("--beside", hidden=True, help="Stop when standard input is closed."),
    ] = False,
    messages: Annotated[
        bool,
        typer.Option("--messages", hidden=True, help="Make and deliver messages, and nothing else."),
    ] = False,
) -> None:
    """Keep the analysis tables and the dashboard's index up with the log, and deliver messages, until Ctrl-C.

    `ringfence serve` starts this beside itself. Run it alone where it shall be watched apart: then start the
    server with RINGFENCE_SERVE_FOLLOW=false. One process follows a data folder at a time; it may end at any
    moment, and the next one goes on where it was. `ringfence followers` tells how far each is.

    Example: ringfence follow --data ringfence-data
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if beside:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the other one ends this
        threading.Thread(target=_await_end, args=(stop,), daemon=True).start()
    if messages:
        os.nice(_NICE_FOR_MESSAGES)
    sys.setswitchinterval(_SWITCH_SECONDS)
    with _at_work(folder(data), messages):
        gc.collect()
        gc.freeze()  # a full collection would look at all that was imported, and hold up messages meanwhile
        if not beside:
            say("Following the log (Ctrl-C ends it).")
        stop.wait()
        gc.unfreeze()


def _at_work(where: Path, messages: bool) -> AbstractContextManager[None]:
    """What delivers messages loads half of what the others need: each is imported where it is wanted.

    The command line has loaded its commands by then, so what that leaves out has to be left out again.
    """
    if messages:
        with lean():
            from ringfence.compose.messaging.messages import delivering  # noqa: PLC0415 (see above)

        return delivering(where)
    with lean():
        from ringfence.compose.following.followers import following  # noqa: PLC0415 (see above)

    return following(where, _warn, lambda: os.nice(_NICE))


def _warn(problem: str) -> None:
    say(f"Warning: {problem}")


def _await_end(stop: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stop.set()
    time.sleep(_END_SECONDS)
    os._exit(0)  # a receiver takes its time: it gets the message again
