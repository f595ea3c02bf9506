"""`ringfence accept-loss`: go on without a file that nobody has a copy of."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from ringfence.cli.audited import record_first, tell_record
from ringfence.cli.terminal import options, screen
from ringfence.compose.folder.store import open_store
from ringfence.compose.following.followers import undisturbed
from ringfence.compose.upkeep.beginning_anew import begin_anew, check_can_begin
from ringfence.errors import InputError
from ringfence.features.durations import parse_duration_ms
from ringfence.store import BUS, CASES, TRAIL

_LOST: Final = {
    BUS: "subscriptions with their secrets, messages that wait, and what was said of alerts",
    CASES: "every case, with its history, notes and files. The labels of closed cases are in the log",
    TRAIL: "who did or saw what before now",
}
_NEXT: Final = {
    BUS: " Alerts are sent for payments {since}. Subscribers subscribe again: `ringfence bus subscribe`.",
    CASES: " Cases are opened for payments {since}.",
    TRAIL: "",
}
_ACTION: Final = "data.loss_accepted"


def accept_loss(
    name: Annotated[str, typer.Argument(help="bus.db, cases.db or audit.db.", metavar="FILE")],
    data: options.Data = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Have alerts sent and cases opened once more for the payments of so long, counted back from "
            "the newest event: 2h, 3d. Without it, only for those that come from now on."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first; programs have to say so.")] = False,
) -> None:
    """Accept that a file of the data folder is lost for good, and begin it anew.

    Only for a file that is missing or empty and of which no copy is left; look for one first, as
    `ringfence restore` or the file itself brings back all of it. Neither a server nor `ringfence
    follow` may run on the folder meanwhile. The audit trail keeps who accepted the loss.

    Example: ringfence accept-loss bus.db --since 2h
    """
    since_ms = None if since is None else parse_duration_ms(since)
    with open_store(options.folder(data)) as store, undisturbed(store.folder):
        check_can_begin(store, name)
        if name == TRAIL and since is not None:
            raise InputError("--since is about alerts and cases: nothing brings back the audit trail")
        screen.say(f"Lost for good with {store.folder / name}: {_LOST[name]}.")
        if not yes:
            if not screen.asks():
                raise InputError(
                    "nothing was begun anew: there is no terminal to ask at. Give --yes once you are sure "
                    "that there is no copy"
                )
            if not typer.confirm("Begin it anew?", err=True):
                screen.say("Nothing was begun anew.")
                raise typer.Exit(1)
        details = {} if since is None else {"since": since}
        if name != TRAIL:
            record_first(data, _ACTION, name, **details)
        begin_anew(store, name, since_ms)
    if name == TRAIL:
        tell_record(name)
    when = "from now on" if since is None else f"of the last {since} and from now on"
    screen.show(f"{name} is begun anew.{_NEXT[name].format(since=when)}")
