"""`ringfence dynamodb`: the audit item of each decision, by account and transaction."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringfence.cli.terminal import screen
from ringfence.cli.terminal.light_options import Data, Json, folder
from ringfence.compose.following.followers import (
    audit_table,
    check_restored,
    create_audit_table,
    table_name,
)
from ringfence.follow import catch_up
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from pathlib import Path


app = typer.Typer(
    help="Audit items in DynamoDB: make the table, look items up.",
    no_args_is_help=True,
)
Table = Annotated[
    str | None,
    typer.Option(
        help="Name of the table. [default: dynamodb_table of ringfence.toml]",
        envvar="RINGFENCE_DYNAMODB_TABLE",
        metavar="NAME",
        show_default=False,
        show_envvar=False,
    ),
]


@app.command()
def create(table: Table = None) -> None:
    """Make the table, on demand and encrypted, with expiry, unless it is there already.

    Region and credentials are those of AWS's own environment and files. Then name the table in
    ringfence.toml: the follower `dynamodb` fills it from the log's start.

    Example: ringfence dynamodb create --table ringfence-audit
    """
    name = table_name(table)
    made = create_audit_table(name)
    screen.show(f"Table {name} is made." if made else f"Table {name} is there already.")


@app.command()
def load(table: Table = None, data: Data = None) -> None:
    """Bring the table up to the end of the log, as the follower `dynamodb` does while a server runs.

    Example: ringfence dynamodb load --data ringfence-data
    """
    from ringfence.compose.folder.store import open_store  # noqa: PLC0415 (not to make `create` wait for it)

    with open_store(folder(data), read_only=True) as store, closing(audit_table(store, table)) as follower:
        check_restored(store.folder, follower)
        catch_up(store.log, follower, all_of_it=True)
        end = follower.positions()[DECISIONS]
    screen.show(f"Table {follower.table} holds the decisions up to {end:,}.")


@app.command()
def get(
    account: Annotated[str, typer.Argument(help="Account; where a payment has none, its customer or card.")],
    transaction: Annotated[str | None, typer.Argument(help="Transaction. [default: all]")] = None,
    table: Table = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Items at most.")] = 100,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show the audit items of an account, or the one of a transaction.

    Example: ringfence dynamodb get acc-1 --limit 20
    """
    found = _items(data, table, account, transaction, limit)
    if json:
        for item in found:
            screen.show_json(item)
        return
    columns = ("transaction_id", "event_time_ms", "outcome", "score", "amount", "currency", "reasons")
    rows = [
        [", ".join(item.get(name, ())) if name == "reasons" else item.get(name) for name in columns]
        for item in found
    ]
    screen.show_table(list(columns), rows, ["event_time_ms", "score", "amount"])


def _items(
    data: Path | None, table: str | None, account: str, transaction: str | None, limit: int
) -> list[dict[str, Any]]:
    from ringfence.compose.folder.store import open_store  # noqa: PLC0415 (not to make `create` wait for it)

    with open_store(folder(data), read_only=True) as store:
        return audit_table(store, table).find(account, transaction, limit)
