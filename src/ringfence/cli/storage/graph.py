"""`ringfence graph`: the live links of the entity graph, looked at and exported."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from ringfence.cli.terminal import options, screen
from ringfence.compose.folder.cypher import embedded_graph, neptune_graph
from ringfence.compose.folder.links import links_in
from ringfence.compose.folder.store import open_store, tokenizer_of
from ringfence.compose.following.followers import bring_links_up
from ringfence.errors import InputError
from ringfence.events.model import ID_FIELDS
from ringfence.graph.cypher import MOST_ROWS, fill, guarded
from ringfence.graph.drawing import csv_of, graphml_of
from ringfence.graph.rings import MOST_NODES, LinkBook, Node, path_between, why
from ringfence.graph.shapes import ring_and_shapes
from ringfence.graph.wire import NodeView, neighbours_of, pair_of, ring_of, rings_of
from ringfence.store import DataFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.features.links import Graph
    from ringfence.graph.rings import Pair

app = typer.Typer(no_args_is_help=True, help="The entity graph: who shares what, rings, paths, exports.")

Entity = Annotated[
    str, typer.Argument(help="A kind and an id, such as account=1234 or phone=+15550100.", metavar="KIND=ID")
]
Most = Annotated[int, typer.Option("--most", help="Stop at so many members.", min=2, max=100_000)]
_MORE_MEMBERS = "There are more members: --most looks for more than {:,}"
_FIELDS = {name.removesuffix("_id"): name for name in ID_FIELDS}


@app.command()
def neighbours(
    entity: Entity,
    limit: Annotated[int, typer.Option(help="At most so many of each kind of link.", min=1, max=10_000)] = 50,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Show what an entity is linked to now, newest first.

    Example: ringfence graph neighbours account=1234-5678-25
    """
    with _book(data) as (store, book):
        node = _node(store, book, entity)
        found = neighbours_of(node, book, limit)
    for title in found.cut:
        screen.say(f"{title}: only the newest {limit:,} are shown; --limit shows more")
    if json:
        screen.show_json(found)
        return
    rows = [
        (
            pair.type,
            _said(pair.target if found.node == pair.source else pair.source),
            pair.count,
            screen.format_time(pair.first_ms),
            screen.format_time(pair.last_ms),
        )
        for pair in found.links
    ]
    screen.show_table(["link", "neighbour", "payments", "first", "last"], rows, ["payments"])


@app.command()
def ring(
    entity: Entity,
    most: Most = MOST_NODES,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Show the ring around an entity: its members, why they belong together, and what joined nobody.

    Example: ringfence graph ring account=1234-5678-25
    """
    with _book(data) as (store, book):
        found = ring_and_shapes(book, _node(store, book, entity), most)
        stopped = book.stopped(found.nodes)
    if json:
        screen.show_json(ring_of(found, book.graph, stopped))
        return
    for kind in book.graph.types:
        members = found.of_kind(kind)
        if members:
            screen.show(f"{len(members):,} {kind}{'s' if len(members) > 1 else ''}", "bold")
            screen.show(f"  {', '.join(members[:50])}{' ...' if len(members) > 50 else ''}")
    for sentence in why(found, book.graph):
        screen.show(f"· {sentence}")
    for node, count in found.frauds.items():
        screen.show(f"· {_said(node)} had {count} confirmed fraud{'s' if count > 1 else ''}")
    for hub, reason in found.hubs.items():
        screen.show(f"· {_said(hub)} joins nobody: {reason}")
    if found.cut:
        screen.say(_MORE_MEMBERS.format(most))


@app.command()
def rings(
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 50,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """List the rings around payments that were reviewed or declined, the highest score first.

    Example: ringfence graph rings
    """
    with _book(data) as (_, book):
        found = book.rings(limit)
    if json:
        screen.show_json(rings_of(found))
        return
    if not found:
        screen.show("No ring has been found: one is looked for when a payment is reviewed or declined.")
        return
    rows = [(one.number, one.score, one.size, _said(one.start), "; ".join(one.reasons)) for one in found]
    screen.show_table(["ring", "score", "members", "around", "why"], rows, ["ring", "score", "members"])


@app.command()
def path(
    start: Entity,
    end: Annotated[str, typer.Argument(help="Entity at the other end.", metavar="KIND=ID")],
    most: Most = 20_000,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Show a shortest way from one entity to another over links of any kind.

    Example: ringfence graph path account=1234-5678-20 account=1234-5678-30
    """
    with _book(data) as (store, book):
        first, last = (_node(store, book, text) for text in (start, end))
        if first == last:
            raise InputError(f"both ends are {_said(first)}: name two different entities")
        way, cut = path_between(book, first, last, most)
    if json:
        screen.show_json({"path": [pair_of(pair, book.graph) for pair in way], "cut": cut})
        return
    at = first
    for pair in way:
        verb = book.graph.links[pair.link].title.split()[1]
        line = f"{_said(pair.source)} {verb} {_said(pair.target)}"
        screen.show(f"{line}, {pair.count:,} times, last {screen.format_time(pair.last_ms)}")
        at = pair.target if at == pair.source else pair.source
    if not way:
        screen.show(
            f"no way found within {most:,} nodes: --most looks further" if cut else "nothing connects them"
        )


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File to write.", metavar="FILE")],
    around: Annotated[
        str | None,
        typer.Option("--ring", help="Only the ring around this entity.", metavar="KIND=ID"),
    ] = None,
    fmt: Annotated[
        Literal["graphml", "csv", "json"] | None,
        typer.Option("--format", help="Format of the file. [default: by its name]"),
    ] = None,
    most: Most = MOST_NODES,
    data: options.Data = None,
) -> None:
    """Write the live links, or one ring, as GraphML (Gephi, yEd, NetworkX), CSV or JSON lines.

    Example: ringfence graph export --out ring.graphml --ring account=1234-5678-25
    """
    form = fmt or out.suffix.removeprefix(".").lower()
    writers = {"graphml": graphml_of, "csv": csv_of, "json": None}
    if form not in writers:
        raise InputError(f"{out} has no known ending: name it .graphml, .csv or .json, or give --format")
    cut = False
    with _book(data) as (store, book):
        pairs: Iterator[Pair] | list[Pair]
        if around is None:
            pairs = book.every()
        else:
            found = ring_and_shapes(book, _node(store, book, around), most)
            pairs = [*found.pairs, *(one for one in found.payments if one not in found.pairs)]
            cut = found.cut
        written = _write(out, form, pairs, book)
    screen.show(f"{written:,} links written to {out}")
    if cut:
        screen.say(_MORE_MEMBERS.format(most))


@app.command()
def cypher(
    query: Annotated[str, typer.Argument(help="Cypher: MATCH ... RETURN ...", metavar="QUERY")],
    limit: Annotated[int, typer.Option(help="At most so many rows.", min=1, max=MOST_ROWS)] = 1000,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Ask the live links in openCypher: kinds of things are labels, account_uses_email is a type of link.

    Example: ringfence graph cypher "MATCH (a:account)-[:account_uses_phone]->(p) RETURN p.id, count(a) AS n"
    """
    guarded(query, limit)  # refuses a limit of the query's own beyond this one
    asked = guarded(query, limit + 1)  # where it has none: a row more tells that there are more
    with _book(data) as (_, book), embedded_graph() as store:
        fill(store, book.graph, book.every())
        rows = store.run(asked, {})
    cut, rows = len(rows) > limit, rows[:limit]
    if cut:
        more = f"; --limit shows up to {MOST_ROWS:,}" if limit < MOST_ROWS else ""
        screen.say(f"There are more rows: only {limit:,} are shown{more}")
    if json:
        screen.show_json({"rows": rows, "cut": cut})
        return
    names = list(rows[0]) if rows else []
    screen.show_table(names, [tuple(row.values()) for row in rows], [])


@app.command()
def push(
    endpoint: Annotated[str, typer.Argument(help="Such as https://my-cluster:8182", metavar="ENDPOINT")],
    data: options.Data = None,
) -> None:
    """Write the live links to an Amazon Neptune cluster; again changes nothing.

    Example: ringfence graph push https://my-cluster.eu-central-1.neptune.amazonaws.com:8182
    """
    store = neptune_graph(endpoint)
    with _book(data) as (_, book):
        written = fill(store, book.graph, book.every())
    screen.show(f"{written:,} links written to {endpoint}")


def _write(out: Path, form: str, pairs: Iterator[Pair] | list[Pair], book: LinkBook) -> int:
    count = 0

    def counted() -> Iterator[Pair]:
        nonlocal count
        for count, pair in enumerate(pairs, 1):  # noqa: B007 (what is counted stays)
            yield pair

    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            for line in {"graphml": graphml_of, "csv": csv_of}.get(form, _lines)(counted(), book.graph):
                file.write(line)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from error
    return count


def _lines(pairs: Iterator[Pair], graph: Graph) -> Iterator[str]:
    return (msgspec.json.encode(pair_of(pair, graph)).decode() + "\n" for pair in pairs)


def _said(node: Node | NodeView) -> str:
    return f"{node.kind} {node.id}"


@contextmanager
def _book(data: Path | None) -> Iterator[tuple[DataFolder, LinkBook]]:
    """The links of a store, brought up to the end of its log where no other process does that."""
    folder = options.folder(data)
    with open_store(folder, read_only=True) as store:
        bring_links_up(store)
        with links_in(folder) as book:
            yield store, book


def _node(store: DataFolder, book: LinkBook, text: str) -> Node:
    kind, sign, identity = text.partition("=")
    if not sign or not identity:
        raise InputError(f"{text!r} is no entity: write KIND=ID, such as account=1234")
    if kind not in book.graph.types:
        raise InputError(f"the graph knows no {kind!r}: {', '.join(book.graph.types)}")
    kept = tokenizer_of(store).as_kept(_FIELDS.get(kind, kind), identity)
    found = book.find(kind, kept)
    if found is None:
        raise InputError(f"{kind} {identity!r} has no live link")
    return found
