"""`ringfence store`: payments, decisions and labels as tables of PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.terminal.light_options import Data, Json, folder
from ringfence.cli.terminal.screen import progress, say, show_json
from ringfence.compose.folder.store import open_store
from ringfence.compose.following.followers import check_restored, relational_store
from ringfence.compose.following.relational import (
    check_schema,
    compare_with_log,
    drop_schema,
    shown_address,
    upgrade_schema,
)
from ringfence.follow.pump import advance
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(
    help="The relational store (PostgreSQL): make, bring up to date, load, check, remove.",
    no_args_is_help=True,
)
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        help="postgresql://USER@HOST:5432/DATABASE; the password belongs into PGPASSWORD or ~/.pgpass. "
        "[default: store_url of ringfence.toml]",
        envvar="RINGFENCE_STORE_URL",
        metavar="URL",
        show_default=False,
        show_envvar=False,
    ),
]
_DIFFERENCES = 20
EXIT_DIFFERENT = 1


@app.command()
def init(to: To = None) -> None:
    """Make the schema `ringfence` in a database that is there, with tables, views and the role that may read.

    The role that connects must be allowed to create a schema. With SUPERUSER, or GRANT SET ON PARAMETER
    session_replication_role (PostgreSQL 15), loading is several times as fast: what a payment refers to is
    put in before it, so that foreign keys need not be checked row by row.

    Example: ringfence store init --to postgresql://ringfence@db.example/fraud
    """
    _upgrade(to, "The store is made")


@app.command()
def migrate(to: To = None) -> None:
    """Bring the schema of a store to this version of Ringfence; rows stay.

    Example: ringfence store migrate
    """
    _upgrade(to, "The store is of this version")


@app.command()
def load(data: Data = None, to: To = None) -> None:
    """Take in what the log has gained, once; `ringfence serve` and `ringfence follow` keep doing it.

    Example: ringfence store load
    """
    _load(data, to, anew=False)


@app.command()
def rebuild(data: Data = None, to: To = None) -> None:
    """Empty all tables and load the whole log again.

    Example: ringfence store rebuild
    """
    _load(data, to, anew=True)


@app.command()
def check(data: Data = None, to: To = None, json: Json = False) -> None:
    """Compare counts and sums with the log, day by day, and rollups with the payments they count.

    Exit codes: 0 all is equal, 1 something differs.

    Example: ringfence store check
    """
    check_schema(to)  # what is wrong with it is told first
    with open_store(folder(data), read_only=True) as store, progress("reading the log") as tell:
        found = compare_with_log(to, store.log, lambda done, total: tell(done, total, ""))
    if json:
        show_json(
            {
                "days": found.days,
                "payments": found.payments,
                "differences": found.differences,
                "behind": found.behind,
            }
        )
    else:
        count = len(found.differences)
        say(f"{found.payments:,} payments on {found.days:,} days compared: {count:,} differences.")
        for line in found.differences[:_DIFFERENCES]:
            say(f"  {line}")
        behind = {topic: count for topic, count in found.behind.items() if count}
        for topic, count in behind.items():
            say(f"{count:,} records of {topic} are not in the store yet: `ringfence store load` takes them.")
        if found.differences:
            say("`ringfence store rebuild` makes the store again from the log.")
    if found.differences:
        raise typer.Exit(EXIT_DIFFERENT)


@app.command()
def drop(
    to: To = None, yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False
) -> None:
    """Remove the schema `ringfence` with everything in it; the log stays, and loads it again.

    Example: ringfence store drop --yes
    """
    shown = shown_address(to)
    if not yes and not typer.confirm(f"Remove the schema ringfence of {shown}?", err=True):
        raise typer.Exit(1)
    drop_schema(to)
    say(f"The store is gone from {shown}.")


def _upgrade(to: str | None, done: str) -> None:
    remarks, newest = upgrade_schema(to)
    for remark in remarks:
        say(f"Note: {remark}")
    say(f"{done}: schema ringfence of {shown_address(to)}, version {newest}.")


def _load(data: Path | None, to: str | None, *, anew: bool) -> None:
    check_schema(to)
    with (
        open_store(folder(data), read_only=True) as store,
        closing(relational_store(store, to)) as target,
        progress("loading the relational store") as tell,
    ):
        if anew:
            target.reset()
        check_restored(store.folder, target)
        total = sum(store.log.end_offset(topic) for topic in target.topics)
        for topic in target.topics:
            while advance(store.log, target, topic, 1):
                tell(sum(target.positions().values()), total, "")
        ends = target.positions()
    say(f"The store holds {ends.get(EVENTS, 0):,} events and {ends.get(DECISIONS, 0):,} decisions.")
