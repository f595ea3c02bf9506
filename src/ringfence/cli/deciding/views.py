"""`ringfence views`: saved queries of the SQL page, and saved views of other pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import msgspec
import pyarrow as pa
import typer

from ringfence.access.views import NewView
from ringfence.cli.audited import tell_record
from ringfence.cli.backends import desks
from ringfence.cli.backends.server_keys import KEY_VARIABLE
from ringfence.cli.backends.view_desks import found, working
from ringfence.cli.deciding.decisions import FormatOption, answer_to, check_format, show_answer
from ringfence.cli.terminal import options, screen
from ringfence.compose.folder.index import open_index
from ringfence.compose.folder.store import open_store, tokenizer_of
from ringfence.decisions.filters import DecisionFilter
from ringfence.decisions.period import Period
from ringfence.errors import InputError
from ringfence.features.spec import ENTITY_KEYS

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.access.views import SavedView

app = typer.Typer(
    no_args_is_help=True,
    help="Saved queries of the SQL page, and saved views of other pages: list, run, save, remove.\n\n"
    "On a data folder you see the views of whoever opens its dashboard without a key, and shared ones. Where "
    "people sign in, give --server and your key: you see your own and shared ones.",
)

ViewName = Annotated[str, typer.Argument(help="Id of a view, such as V-3, or its name.", metavar="VIEW")]
Page = Annotated[str | None, typer.Option("--page", help="Only views of one page.", metavar="/PATH")]

ViewServer = Annotated[
    str | None,
    typer.Option(
        "--server",
        help=f"Server that keeps the view; its key is in {KEY_VARIABLE}. The rows come from the data folder.",
        envvar="RINGFENCE_SERVER",
        metavar="URL",
    ),
]

_SQL: Final = "/sql"
_DECISIONS: Final = "/decisions"
_COLUMNS: Final = (
    "transaction_id", "event_time", "outcome", "score", "amount", "currency", "card_id", "customer_id",
    "merchant_id", "reasons",
)  # fmt: skip


@app.command("list")
def list_views(
    page: Page = None, server: desks.Server = None, data: options.Data = None, json: options.Json = False
) -> None:
    """List your own views and those that others share, by page and name.

    Example: ringfence views list --page /sql
    """
    with working(server, data) as desk:
        views = desk.list(page).views
    if json:
        screen.show_json(views)
        return
    if not views:
        screen.say(
            "No views are saved: `ringfence views save NAME --sql STATEMENT` saves a query, as pages do."
        )
        return
    rows = [
        (one.id, one.name, one.path, "shared" if one.shared else "", one.by_name or one.by,
         screen.format_time(one.saved_ms))
        for one in views
    ]  # fmt: skip
    screen.show_table(["view", "name", "page", "shared", "by", "saved"], rows)


@app.command()
def show(
    view: ViewName, server: desks.Server = None, data: options.Data = None, json: options.Json = False
) -> None:
    """Show one view: its statement or its filters, and the address that opens it in the dashboard.

    Example: ringfence views show V-3
    """
    with working(server, data) as desk:
        one = found(desk, view)
    if json:
        screen.show_json(one)
        return
    screen.show(f"{one.id}  {one.name}", "bold")
    shared = ", shared with everybody" if one.shared else ""
    screen.show(f"saved by {one.by_name or one.by}, {screen.format_time(one.saved_ms)} UTC{shared}")
    screen.show(f"address: {one.path}{one.query}")
    screen.show()
    if one.path == _SQL:
        for line in _statement(one).splitlines():
            screen.show(line)
        return
    for name, value in parse_qsl(one.query.removeprefix("?")):
        screen.show(f"{name}: {value}")


@app.command()
def run(
    view: ViewName,
    limit: Annotated[
        int, typer.Option(help="Maximum number of payments; a query has its own LIMIT.", min=1)
    ] = 1000,
    fmt: FormatOption = "table",
    server: ViewServer = None,
    data: options.Data = None,
) -> None:
    """Run a saved query, or list the payments that a view of the page Payments shows.

    The data folder answers, as with `ringfence sql` and its formats, also where --server names the server
    that keeps the view. The range of a view ends with the newest payment; times are shown in UTC. Views of
    other pages have no rows of their own: `show` gives the address that opens them.

    Example: ringfence views run "Outcomes by day" --format csv > outcomes.csv
    """
    check_format(fmt)
    with working(server, data) as desk:
        one = found(desk, view)
    tell_record(one.id, path=one.path)
    if one.path == _SQL:
        show_answer(answer_to(_statement(one), data), fmt)
    elif one.path == _DECISIONS:
        show_answer(_payments(one, limit, data), fmt)
    else:
        raise InputError(
            f"{one.id} is a view of the page {one.path}, which has no rows to run: open "
            f"{one.path}{one.query} in the dashboard"
        )


@app.command()
def save(
    name: Annotated[str, typer.Argument(help="Name; a view of yours with it is replaced.", metavar="NAME")],
    sql: Annotated[
        str | None, typer.Option("--sql", help="A statement for the SQL page.", metavar="STATEMENT")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", help="Path and query of another page.", metavar="/PATH?QUERY"),
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Show it to everybody.")] = False,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Save a query or a view under a name. It stands among the views of its page at once.

    Example: ringfence views save "Outcomes" --sql "SELECT outcome, count(*) FROM decisions GROUP BY outcome"
    """
    if (sql is None) == (address is None):
        raise InputError("give either --sql with a statement or --address with a path such as /decisions")
    if sql is not None:
        path, query = _SQL, urlencode({"statement": sql}, quote_via=quote)
    else:
        parts = urlsplit(address or "")
        if parts.scheme or parts.netloc or not parts.path.startswith("/"):
            raise InputError("--address is path and query without a host: /decisions?outcome=decline")
        path, query = parts.path, parts.query
    try:
        view = msgspec.convert({"name": name, "path": path, "query": query, "shared": shared}, NewView)
    except msgspec.ValidationError as error:
        raise InputError(f"this cannot be saved: {error}") from None
    with working(server, data) as desk:
        kept = desk.save(view)
    tell_record(kept.id, path=kept.path, shared=str(kept.shared).lower())
    if json:
        screen.show_json(kept)
        return
    screen.say(f"{kept.id} is saved: {kept.name}, of the page {kept.path}.")
    if kept.query.removeprefix("?") != query:
        screen.say("It keeps tokens for personal data in its address.")


@app.command()
def remove(
    view: ViewName, server: desks.Server = None, data: options.Data = None, json: options.Json = False
) -> None:
    """Remove a view: your own or, with the role supervisor or admin, one that is shared.

    Example: ringfence views remove V-3
    """
    with working(server, data) as desk:
        one = found(desk, view)
        gone = desk.remove(one.id)
    if gone is None:
        raise InputError(f"{one.id} is {one.by_name or one.by}'s: a supervisor or admin can remove it")
    tell_record(gone.id, path=gone.path)
    if json:
        screen.show_json(gone)
        return
    screen.say(f"{gone.id} is removed: {gone.name}, of the page {gone.path}.")


def _statement(view: SavedView) -> str:
    """The statement of a saved query; `InputError` where it has none."""
    found_in = parse_qs(view.query.removeprefix("?")).get("statement", [""])
    if not found_in[-1].strip():
        raise InputError(f"{view.id} has no statement: `ringfence views remove {view.id}`")
    return found_in[-1]


def _payments(view: SavedView, limit: int, data: Path | None) -> pa.Table:
    """The payments that a view of decisions shows, newest first."""
    query = view.query.removeprefix("?")
    pairs = parse_qsl(query)
    outcomes = [value for name, value in pairs if name == "outcome"]
    asked = DecisionFilter.of(dict(pairs), outcomes, Period.of(query))
    with open_store(options.folder(data), read_only=True) as store:
        tokenizer, index = tokenizer_of(store), open_index(store)
        span = index.span_ms()
        last_ms = span[1] if span else 0
        wanted = asked.wanted(lambda kind, name: tokenizer.as_kept(ENTITY_KEYS[kind], name), last_ms)
        if asked.problems:
            raise InputError(f"{view.id} cannot be run: {'; '.join(sorted(asked.problems.values()))}")
        rows: list[dict[str, Any]] = index.find(wanted, limit).rows
    columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in _COLUMNS}
    columns |= {
        "event_time": pa.array([row["event_time_ms"] for row in rows], pa.timestamp("ms")),
        "score": [round(row["score"], 1) for row in rows],
        "reasons": [", ".join(row["reasons"] or ()) for row in rows],
    }
    return pa.table(columns)
