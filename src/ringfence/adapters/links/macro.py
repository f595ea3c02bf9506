"""The macro analysis: a payment that was stopped has the ring around whoever made it looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ringfence.adapters.links.book import StoredLinks
from ringfence.adapters.links.communities import dense_part
from ringfence.adapters.links.news import tell, untold
from ringfence.graph.rings import Node, RingNews, entities_of, score_of
from ringfence.graph.shapes import ring_and_shapes

if TYPE_CHECKING:
    import sqlite3

    from ringfence.graph.rings import Ring

_MOST_MEMBERS: Final = 500
_TOLD_FROM: Final = 40.0
"""Score from which a ring is told: its members are flagged, and it has a case."""

_AT_ONCE: Final = 50  # payments, and flagged accounts, a transaction: others write to the file, too
_STOPPED: Final = """
CASE WHEN stopped < 0 THEN stopped WHEN EXISTS (
  SELECT 1 FROM told WHERE name = subject AND kind = ?
  AND since_ms < came_ms AND until_ms > came_ms) THEN 2 ELSE 1 END
"""


def look_around(connection: sqlite3.Connection, done: set[Node]) -> bool:
    """Look at what is around payments that were stopped and whose links are known, within a transaction.

    A few at once: whether there is more. `done` are those who have been looked at meanwhile.

    A payment is no sign that was stopped while a flag of ours held, or that has been called good since.
    """
    book = StoredLinks(connection)
    subject = book.graph.subject
    asked = f"SELECT id, subject, {_STOPPED} FROM pending JOIN payment USING (id) LIMIT ?"  # noqa: S608 (ours)
    waiting = connection.execute(asked, (subject, _AT_ONCE)).fetchall()
    due = [
        name for (name,) in connection.execute("SELECT id FROM suspect WHERE due = 1 LIMIT ?", (_AT_ONCE,))
    ]
    if not (waiting or due):
        return False
    connection.executemany(
        "UPDATE payment SET stopped = ? WHERE id = ? AND stopped = 0", [(how, one) for one, _, how in waiting]
    )
    connection.executemany("DELETE FROM pending WHERE id = ?", [(one,) for one, _, _ in waiting])
    connection.executemany("UPDATE suspect SET due = 0 WHERE id = ?", [(one,) for one in due])
    linked = [name for name in due if book.find(subject, name) is not None]
    connection.executemany("DELETE FROM suspect WHERE id = ?", [(one,) for one in linked])
    for name in dict.fromkeys([*(who for _, who, how in waiting if who and how == 1), *linked]):
        start = Node(subject, name)
        if start not in done:
            ring = dense_part(ring_and_shapes(book, start, _MOST_MEMBERS))
            done |= set(ring.nodes)
            _keep(connection, book, ring)
    return len(waiting) == _AT_ONCE or len(due) == _AT_ONCE


def _keep(connection: sqlite3.Connection, book: StoredLinks, ring: Ring) -> None:
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
        _tell(connection, book, ring, number, (score, reasons))


def _tell(
    connection: sqlite3.Connection,
    book: StoredLinks,
    ring: Ring,
    number: int,
    found: tuple[float, list[str]],
) -> None:
    """News for the service, once for each member, and again before its flag ends.

    What only changes a score is no news. A member by a shape alone is flagged if there is a second sign.
    """
    score, reasons = found
    members = [node for node in ring.nodes if node.kind == book.graph.subject]
    flagged = [node for node in members if _signs(book, ring, node) > 1]
    joined = untold(connection, flagged, book.now_ms + book.graph.memory_ms // 2)
    if not joined:
        return
    title = f"Ring of {len(members)} {book.graph.subject}s, score {score:.0f} of 100: {'; '.join(reasons)}"
    until_ms = book.now_ms + book.graph.memory_ms
    alert = f"ring-{number}"
    tell(connection, RingNews(0, alert, title, score, tuple(members), joined, book.now_ms, until_ms))


def _signs(book: StoredLinks, ring: Ring, node: Node) -> int:
    """How much speaks for a member: whoever shares ids with the others is one, whatever else there is."""
    if node not in ring.by_shape:
        return 2
    return ring.by_shape[node] + (node in ring.frauds) + book.stopped([node])
