"""`ringfence follow`: the followers of a data folder at work."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from ringfence.cli.terminal.light_options import Data, folder
from ringfence.cli.terminal.screen import say
from ringfence.compose.followers import following

_NICE = 10  # deciding comes first, also where there are few cores
_SWITCH_SECONDS = 0.0005  # a message under way waits so long for a thread that computes, at each step


def follow(
    data: Data = None,
    beside: Annotated[
        bool,
        typer.Option("--beside", hidden=True, help="Stop when standard input is closed."),
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
    os.nice(_NICE)
    sys.setswitchinterval(_SWITCH_SECONDS)
    with following(folder(data)):
        if not beside:
            say("Following the log (Ctrl-C ends it).")
        stop.wait()


def _await_end(stop: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stop.set()
