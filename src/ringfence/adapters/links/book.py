"""The live links, for questions: `ringfence.graph.rings.Links` over the follower's file."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.adapters.links.schema import FILE_NAME, opened
from ringfence.errors import InputError
from ringfence.events.clock import StreamClock
from ringfence.features.links import Graph
from ringfence.graph.rings import FoundRing, Node, Pair

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator
    from pathlib import Path

_COLUMNS = "link, source, target, first_ms, last_ms, count, amount"
_IN_ONE = 500  # ids that one statement names


class StoredLinks:
    """Reads what a `LinkFollower` keeps, as of one moment; one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """`looking` opens one."""
        self._connection = connection
        meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
        if "graph" not in meta:
            raise InputError(
                "there are no links yet: `ringfence run` or `ringfence serve` with a features.py that "
                "declares a graph makes them"
            )
        self.graph = Graph.from_data(json.loads(meta["graph"]))
        clock = meta.get("clock")
        self.now_ms = 0 if clock is None else StreamClock.from_array(np.array(json.loads(clock))).now_ms or 0
        self._live = [self.now_ms - link.ttl_ms for link in self.graph.links]

    @classmethod
    @contextmanager
    def looking(cls, folder: Path) -> Iterator[StoredLinks]:
        """The book of a data folder; `InputError` where nothing keeps links there."""
        if not (folder / FILE_NAME).exists():
            raise InputError(
                f"{folder} keeps no links: declare a graph in features.py (see docs/howto/graph.md), then "
                "`ringfence run` or `ringfence serve`"
            )
        connection = opened(folder, read_only=True)
        try:
            connection.execute("BEGIN")  # one moment for all questions
            yield cls(connection)
        finally:
            connection.close()

    def find(self, kind: str, identity: str) -> Node | None:
        """The node, None where it has no live link."""
        node = Node(kind, identity)
        return node if self.pairs(node, 1) else None

    def pairs(self, node: Node, limit: int) -> list[Pair]:
        """See `Links.pairs`."""
        found = []
        for number, link in enumerate(self.graph.links):
            for end, kind in (("source", link.source), ("target", link.target)):
                if kind == node.kind:
                    found += self._ask(f"link = ? AND {end} = ?", (number, node.id), number, limit)
        return sorted(found, key=lambda pair: -pair.last_ms)

    def sharers(self, link: int, target: str, limit: int) -> int:
        """See `Links.sharers`."""
        return len(self._ask("link = ? AND target = ?", (link, target), link, limit))

    def among(self, nodes: Collection[Node]) -> list[Pair]:
        """See `Links.among`."""
        members, found = set(nodes), []
        for number, link in enumerate(self.graph.links):
            if not link.is_payment:
                continue
            for node in members:
                if node.kind == link.source:
                    pairs = self._ask("link = ? AND source = ?", (number, node.id), number, 1000)
                    found += [pair for pair in pairs if pair.target in members]
        return found

    def frauds(self, nodes: Collection[Node]) -> dict[Node, int]:
        """See `Links.frauds`."""
        names = [node.id for node in nodes if node.kind == self.graph.subject]
        counts: dict[str, int] = {}
        for begin in range(0, len(names), _IN_ONE):
            part = names[begin : begin + _IN_ONE]
            marks = ",".join("?" * len(part))
            for end in ("subject", "payee"):
                asked = (
                    f"SELECT {end}, count(*) FROM payment WHERE fraud = 1 AND {end} IN ({marks}) GROUP BY 1"  # noqa: S608
                )
                for name, count in self._connection.execute(asked, part):
                    counts[name] = counts.get(name, 0) + count
        return {Node(self.graph.subject, name): count for name, count in counts.items()}

    def stopped(self, nodes: Collection[Node]) -> int:
        """How many of these nodes made a payment that was reviewed or declined."""
        asked = "SELECT 1 FROM payment WHERE stopped = 1 AND subject = ? LIMIT 1"
        mine = [node for node in nodes if node.kind == self.graph.subject]
        return sum(self._connection.execute(asked, (node.id,)).fetchone() is not None for node in mine)

    def rings(self, limit: int) -> list[FoundRing]:
        """Rings that the macro analysis has found, the highest score first."""
        rows = self._connection.execute(
            "SELECT id, score, size, reasons, start, found_ms, changed_ms FROM ring "
            "WHERE merged_into IS NULL ORDER BY score DESC, id LIMIT ?",
            (limit,),
        )
        return [
            FoundRing(number, score, size, tuple(json.loads(reasons)), Node(*json.loads(start)), *times)
            for number, score, size, reasons, start, *times in rows
        ]

    def every(self) -> Iterator[Pair]:
        """All live pairs."""
        for number in range(len(self.graph.links)):
            asked = f"SELECT {_COLUMNS} FROM pair WHERE link = ? AND last_ms > ?"  # noqa: S608 (names of ours)
            for row in self._connection.execute(asked, (number, self._live[number])):
                yield self._pair(row)

    def _ask(self, where: str, arguments: tuple[Any, ...], link: int, limit: int) -> list[Pair]:
        asked = f"SELECT {_COLUMNS} FROM pair WHERE {where} AND last_ms > ? ORDER BY last_ms DESC LIMIT ?"  # noqa: S608
        rows = self._connection.execute(asked, (*arguments, self._live[link], limit))
        return [self._pair(row) for row in rows]

    def _pair(self, row: tuple[Any, ...]) -> Pair:
        number, source, target, *facts = row
        link = self.graph.links[number]
        return Pair(number, Node(link.source, source), Node(link.target, target), *facts)
