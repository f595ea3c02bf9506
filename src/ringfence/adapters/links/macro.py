"""The macro analysis: a payment that was stopped has the ring around whoever made it looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ringfence.adapters.links.book import LinkBook
from ringfence.adapters.links.news import tell, untold
from ringfence.graph.rings import Node, RingNews, entities_of, score_of
from ringfence.graph.shapes import ring_and_shapes

if TYPE_CHECKING:
    import sqlite3

    from ringfence.graph.rings import Ring

_MOST_MEMBERS: Final = 500
_TOLD_FROM: Final = 40.0
"""Score from which a ring is told: its members are flagged, and it has a case."""


def look_around(connection: sqlite3.Connection) -> None:
    """Look at what is around payments that were stopped and whose links are known, within a transaction."""
    waiting = connection.execute("SELECT id, subject FROM pending JOIN payment USING (id)").fetchall()
    suspects = [name for (name,) in connection.execute("SELECT id FROM suspect")]
    if not (waiting or suspects):
        return
    connection.execute("DELETE FROM suspect")
    stopped = [(one,) for one, _ in waiting]
    connection.executemany("UPDATE payment SET stopped = 1 WHERE id = ?", stopped)
    connection.executemany("DELETE FROM pending WHERE id = ?", stopped)
    book = LinkBook(connection)
    done: set[Node] = set()
    for subject in dict.fromkeys([*(subject for _, subject in waiting if subject), *suspects]):
        start = Node(book.graph.subject, subject)
        if start not in done:
            ring = ring_and_shapes(book, start, _MOST_MEMBERS)
            done |= set(ring.nodes)
            _keep(connection, book, ring)


def _keep(connection: sqlite3.Connection, book: LinkBook, ring: Ring) -> None:
    """One ring a group: it grows with what is found, and rings that turn out to be one are merged."""
    members = [node for node in ring.nodes if node.kind in entities_of(book.graph)]
    score, reasons = score_of(ring, book.graph, book.stopped(members))
    if score == 0:
        return
    asked = "SELECT ring FROM member WHERE kind = ? AND name = ?"
    rows = [connection.execute(asked, node).fetchone() for node in members]
    known = sorted({int(row[0]) for row in rows if row is not None})
    facts = (score, len(members), json.dumps(reasons), json.dumps(ring.start), book.now_ms)
    if known:
        number = known[0]
        connection.execute(
            "UPDATE ring SET score = ?, size = ?, reasons = ?, start = ?, changed_ms = ? WHERE id = ?",
            (*facts, number),
        )
        for other in known[1:]:
            connection.execute("UPDATE ring SET merged_into = ? WHERE id = ?", (number, other))
            connection.execute("UPDATE member SET ring = ? WHERE ring = ?", (number, other))
    else:
        columns = "score, size, reasons, start, changed_ms, found_ms"
        made = f"INSERT INTO ring ({columns}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 (names of ours)
        number = connection.execute(made, (*facts, book.now_ms)).lastrowid or 0
    connection.executemany(
        "INSERT OR REPLACE INTO member VALUES (?, ?, ?)", [(*node, number) for node in members]
    )
    if score >= _TOLD_FROM:
        _tell(connection, book, [node for node in members if node.kind == book.graph.subject], score, reasons)


def _tell(
    connection: sqlite3.Connection, book: LinkBook, members: list[Node], score: float, reasons: list[str]
) -> None:
    """News for the service, once for each member: what only changes a score is no news."""
    joined = untold(connection, members)
    if not joined:
        return
    title = f"Ring of {len(members)} {book.graph.subject}s, score {score:.0f} of 100: {'; '.join(reasons)}"
    until_ms = book.now_ms + book.graph.memory_ms
    alert = f"ring-{min(members).id}"
    tell(connection, RingNews(0, alert, title, score, tuple(members), joined, book.now_ms, until_ms))
