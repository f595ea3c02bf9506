"""The graph's questions as openCypher, for stores that others run: an embedded graph, Amazon Neptune.

A node has the kind of thing as its label and its id as `id`, so that accounts and merchants with the same
number are two things; a link has a type such as `account_uses_email`. Nodes and links are upserted by their
ids: what is written twice is there once. Every query that leads from an entity to others leaves out the
entity itself, which a store may otherwise find as its own neighbour.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from ringfence.errors import InputError
from ringfence.graph.rings import Node, entities_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ringfence.features.links import Graph, Link
    from ringfence.graph.rings import Pair

MOST_ROWS: Final = 10_000
MOST_CHARACTERS: Final = 10_000
_ROWS_AT_ONCE: Final = 500

_WRITES: Final = (
    *("CREATE", "MERGE", "SET", "DELETE", "DETACH", "REMOVE", "DROP", "ALTER", "COPY", "LOAD", "INSTALL"),
    *("CALL", "EXPORT", "IMPORT", "ATTACH", "USE", "BEGIN", "COMMIT", "ROLLBACK", "CHECKPOINT", "FOREACH"),
)
_NEPTUNE_LACKS: Final = {
    r"\b(all)?shortestPaths?\s*\(": "shortestPath: search with a bounded *1..n",
    r"\bMANDATORY\s+MATCH\b": "MANDATORY MATCH: check the rows that come",
    r"\bCALL\b.*\bYIELD\b": "CALL ... YIELD",
    r"\bCALL\s*\{[^}]*\b(CREATE|MERGE|SET|DELETE|REMOVE)\b": "writes within CALL {}",
    r"\b(any|all|none|single)\s*\(\s*\w+\s+IN\b": "any, all, none, single: compare the sizes of lists",
    r"\breduce\s*\(": "reduce: UNWIND and sum",
    r"\bLOAD\s+CSV\b": "LOAD CSV",
    r"\bCREATE\s+(INDEX|CONSTRAINT)\b": "indexes and constraints",
    r"\*\s*(\]|\.\.\s*\])": "paths without an end: give the most steps",
}
"""What Neptune's openCypher does not know, or what a test server takes and it refuses, and what to write."""


class PropertyGraph(Protocol):
    """A store that answers openCypher; one thread at a time, each call may block."""

    def declare(self, graph: Graph) -> None:
        """Make room for its kinds of things and types of links; again changes nothing."""
        ...

    def run(self, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of an answer; `InputError` where the store refuses the query."""
        ...


def type_of(link: Link) -> str:
    """Of a link in the store: two links of one title have one type."""
    return f"{link.source}_{'pays' if link.is_payment else 'uses'}_{link.name}"


def upserts(link: Link) -> tuple[str, str, str]:
    """Write rows `source`, `target`, `first_ms`, `last_ms`, `count`, `amount` over what is there, in order.

    Both ends come first: ladybug loses links of a statement that merges their ends, too.
    """
    return (
        f"UNWIND $rows AS r MERGE (a:{link.source} {{id: r.source}})",
        f"UNWIND $rows AS r MERGE (b:{link.target} {{id: r.target}})",
        (
            f"UNWIND $rows AS r MATCH (a:{link.source} {{id: r.source}}), (b:{link.target} {{id: r.target}}) "
            f"MERGE (a)-[l:{type_of(link)}]->(b) SET l.first_ms = r.first_ms, l.last_ms = r.last_ms, "
            "l.count = r.count, l.amount = r.amount"
        ),
    )


def fill(store: PropertyGraph, graph: Graph, pairs: Iterable[Pair]) -> int:
    """Upsert live pairs; how many. Amounts are in major units, ids as events have them: cards as tokens."""
    store.declare(graph)
    count = 0
    waiting: dict[int, list[dict[str, Any]]] = {number: [] for number in range(len(graph.links))}
    for pair in pairs:
        rows = waiting[pair.link]
        rows.append(
            {
                "source": pair.source.id,
                "target": pair.target.id,
                "first_ms": pair.first_ms,
                "last_ms": pair.last_ms,
                "count": pair.count,
                "amount": pair.amount / 1000,
            }
        )
        count += 1
        if len(rows) == _ROWS_AT_ONCE:
            _write(store, graph.links[pair.link], rows)
            rows.clear()
    for number, rows in waiting.items():
        if rows:
            _write(store, graph.links[number], rows)
    return count


def _write(store: PropertyGraph, link: Link, rows: list[dict[str, Any]]) -> None:
    for query in upserts(link):
        store.run(query, {"rows": rows})


def sharing(link: Link) -> str:
    """Entities that use an id of `$id`, too."""
    return (
        f"MATCH (a:{link.source} {{id: $id}})-[:{type_of(link)}]->(x:{link.target})<-[:{type_of(link)}]-"
        f"(b:{link.source}) WHERE id(b) <> id(a) RETURN DISTINCT b.id AS id ORDER BY id LIMIT {MOST_ROWS}"
    )


def sharers(link: Link) -> str:
    """How many entities use the id `$id`."""
    return (
        f"MATCH (x:{link.target} {{id: $id}})<-[:{type_of(link)}]-(b:{link.source}) "
        "RETURN count(DISTINCT b.id) AS n"
    )


def paid(link: Link) -> str:
    """Whom `$id` paid, and how much."""
    return (
        f"MATCH (a:{link.source} {{id: $id}})-[l:{type_of(link)}]->(b:{link.target}) WHERE id(b) <> id(a) "
        f"RETURN b.id AS id, l.count AS count, l.amount AS amount ORDER BY id LIMIT {MOST_ROWS}"
    )


def shipped(graph: Graph) -> Iterator[str]:
    """Every query that is sent to a store of this graph."""
    for link in graph.links:
        yield from upserts(link)
        yield sharing(link)
        yield sharers(link)
        if link.is_payment:
            yield paid(link)


def ring_in(store: PropertyGraph, graph: Graph, start: Node, most: int = 2000) -> list[Node]:
    """The entities of the ring around a node, asked step by step: hubs are not gone through.

    As `rings.ring_around` over the same links, but for who is open to all only by the declaration.
    """
    found, waiting = [start], [start]
    hubs: dict[tuple[int, str], bool] = {}
    while waiting and len(found) < most:
        node = waiting.pop(0)
        for number, link in enumerate(graph.links):
            if not link.cap or link.is_payment or node.kind != link.source:
                continue
            mine = (
                f"MATCH (a:{link.source} {{id: $id}})-[:{type_of(link)}]->(x:{link.target}) "
                f"RETURN DISTINCT x.id AS id ORDER BY id LIMIT {MOST_ROWS}"
            )
            for row in store.run(mine, {"id": node.id}):
                if _is_hub(store, hubs, number, link, row["id"]):
                    continue
                using = (
                    f"MATCH (x:{link.target} {{id: $id}})<-[:{type_of(link)}]-(b:{link.source}) "
                    f"RETURN DISTINCT b.id AS id ORDER BY id LIMIT {link.cap}"
                )
                for other in store.run(using, {"id": row["id"]}):
                    one = Node(link.source, other["id"])
                    if one not in found and len(found) < most:
                        found.append(one)
                        waiting.append(one)
    return [node for node in found if node.kind in entities_of(graph)]


def _is_hub(
    store: PropertyGraph, hubs: dict[tuple[int, str], bool], number: int, link: Link, identity: str
) -> bool:
    if (number, identity) not in hubs:
        [row] = store.run(sharers(link), {"id": identity})
        hubs[number, identity] = identity in link.open_to_all or row["n"] > link.cap
    return hubs[number, identity]


def lint(query: str) -> list[str]:
    """What of a query Neptune would refuse; empty for nothing that is known.

    >>> lint("MATCH p = shortestPath((a)-[*..5]-(b)) RETURN p")
    ['shortestPath: search with a bounded *1..n']
    """
    bare = _without_texts(query)
    return [said for form, said in _NEPTUNE_LACKS.items() if re.search(form, bare, re.IGNORECASE | re.DOTALL)]


def guarded(query: str, most: int = 1000) -> str:
    """A query that somebody typed, made safe to run: it reads only, and its answer ends at `most` rows.

    `InputError` where it would write, has several statements, is too long, or its paths have no end.

    >>> guarded("MATCH (a:account) RETURN a.id", 5)
    'MATCH (a:account) RETURN a.id LIMIT 5'
    """
    text = query.strip().rstrip(";").rstrip()
    bare = _without_texts(text)
    if len(query) > MOST_CHARACTERS:
        raise InputError(f"the query has {len(query):,} characters: at most {MOST_CHARACTERS:,}")
    if ";" in bare or "//" in bare or "/*" in bare:
        raise InputError("one statement without comments, please")
    written = re.search(rf"\b({'|'.join(_WRITES)})\b", bare, re.IGNORECASE)
    if written:
        raise InputError(f"{written[0].upper()} is refused: questions here only read (MATCH ... RETURN ...)")
    if re.search(r"\*\s*(\d+\s*\.\.)?\s*\]", bare):
        raise InputError("a path without an end is refused: give the most steps, such as *1..4")
    if any(int(steps) > _MOST_STEPS for steps in re.findall(r"\*\s*\d*\s*\.\.\s*(\d+)", bare)):
        raise InputError(f"a path has at most {_MOST_STEPS} steps")
    limit = re.search(r"\bLIMIT\s+(\d+)\s*$", bare, re.IGNORECASE)
    if limit is None:
        return f"{text} LIMIT {most}"
    if int(limit[1]) > most:
        raise InputError(f"LIMIT {limit[1]} is too many rows: at most {most:,}")
    return text


_MOST_STEPS: Final = 6


def _without_texts(query: str) -> str:
    """With texts and quoted names emptied, in which anything may stand."""
    return re.sub(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`[^`]*`", "''", query)


def rows_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows with names."""
    return [dict(zip(columns, row, strict=True)) for row in rows]
