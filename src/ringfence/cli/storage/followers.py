"""`ringfence followers`: what is made of the log, and how far each is."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.terminal.light_options import Data, Json, folder
from ringfence.cli.terminal.screen import say, show_json, show_table
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.store import has_roll, open_roll, open_store
from ringfence.compose.following.followers import followers_of
from ringfence.errors import InputError
from ringfence.follow.roll import Roll

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ringfence.follow import DeclaredFollower

app = typer.Typer(
    help="Followers of the log (tables, index, cases): list, pause, resume, rebuild.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="As `ringfence followers list` has it.", metavar="NAME")]
_SILENT_MS = 30_000


@app.command("list")
def list_followers(data: Data = None, json: Json = False) -> None:
    """List the followers: state, position in each topic, and lag.

    `running` takes what comes, `failing` is tried again by itself, `paused` waits for `resume`, and of a
    `silent` one nothing was heard: neither `ringfence serve` nor `ringfence follow` runs here. What a
    follower has not taken, `ringfence trim` leaves in the log.

    Example: ringfence followers list
    """
    where = folder(data)
    with open_store(where, read_only=True) as store:
        entries = _entries(where)
        rows = [
            (entry.name, _state(entry), topic, at, max(0, store.log.end_offset(topic) - at), entry.failures)
            for entry in entries
            for topic, at in entry.positions.items()
        ]
    columns = ["follower", "state", "topic", "offset", "lag", "restarts"]
    if json:
        problems = {entry.name: entry.problem for entry in entries}
        show_json([dict(zip(columns, row, strict=True)) | {"problem": problems[row[0]]} for row in rows])
        return
    show_table(columns, rows, ["offset", "lag", "restarts"])
    for entry in entries:
        if entry.problem:
            say(f"{entry.name}: {entry.problem}")
        if entry.rebuild:
            say(f"{entry.name} is made again as soon as it is at work.")


@app.command()
def pause(name: Name, data: Data = None) -> None:
    """Pause a follower; also while a server runs.

    It stays so over restarts. The log keeps what it has not taken: `trim` forgets nothing of it.

    Example: ringfence followers pause lake
    """
    with closing(_roll(data)) as roll:
        roll.pause(name)
    say(f"{name} stands still; `ringfence followers resume {name}` lets it go on.")


@app.command()
def resume(name: Name, data: Data = None) -> None:
    """Resume a paused follower where it stopped.

    Example: ringfence followers resume lake
    """
    with closing(_roll(data)) as roll:
        roll.resume(name)
    say(f"{name} goes on.")


@app.command()
def rebuild(name: Name, data: Data = None) -> None:
    """Rebuild what a follower made, from the start of the log; also while a server runs.

    What the log has forgotten (`trim`) does not come back. Pages and questions say so while they lack
    something.

    Example: ringfence followers rebuild index
    """
    with closing(_roll(data)) as roll:
        roll.rebuild(name)
        silent = _state(roll.entry(name)) == "silent"
    say(
        f"{name} is made again"
        + (
            " once `ringfence serve` or `ringfence follow` runs."
            if silent
            else "; `followers list` tells how far."
        )
    )


@app.command()
def forget(name: Name, data: Data = None) -> None:
    """Forget a follower that no setting names any more, so that `trim` keeps nothing for it.

    What it made, a database or a folder, stays as it is.

    Example: ringfence followers forget relational
    """
    with closing(_roll(data)) as roll, open_store(folder(data), read_only=True) as store:
        if any(one.name == name for one in followers_of(store)):
            raise InputError(
                f"{name} is at work here: take its setting out of ringfence.toml (or the environment) first, "
                f"or let it stand still with `ringfence followers pause {name}`"
            )
        roll.forget(name)
        store.log.forget_reader(name)
    say(f"{name} is forgotten; what it made is left as it is.")


def _roll(data: Path | None) -> Roll:
    """The roll of a store that is there."""
    where = folder(data)
    open_store(where, read_only=True).close()
    return open_roll(where)


def _entries(where: Path) -> Sequence[DeclaredFollower]:
    if not has_roll(where):
        return []
    with closing(open_roll(where)) as roll:
        return roll.entries()


def _state(entry: DeclaredFollower) -> str:
    if entry.paused:
        return "paused"
    if entry.failing:
        return "failing"
    return "silent" if now_ms() - entry.heard_ms > _SILENT_MS else "running"
