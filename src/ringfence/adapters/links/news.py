"""What the macro analysis has found, on its way to the log and to the cases of a running service."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ringfence.adapters.links.schema import FILE_NAME, opened
from ringfence.adapters.sqlite.problems import explain
from ringfence.events.decoding.draft import Draft
from ringfence.events.model import Kind
from ringfence.graph.rings import Node, RingNews

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer

_PREFIX: Final = "ring-flag-"
_AT_ONCE: Final = 20
_TOLD: Final = """
INSERT INTO told (kind, name, since_ms, until_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  since_ms = coalesce(since_ms, excluded.since_ms), until_ms = excluded.until_ms
"""


def is_ours(event_id: str | None) -> bool:
    """Whether a flag is one that a ring has made."""
    return event_id is not None and event_id.startswith(_PREFIX)


def tell(connection: sqlite3.Connection, news: RingNews) -> None:
    """Keep a piece of news until somebody has delivered it, within a transaction; it gets its number."""
    connection.executemany(_TOLD, [(*one, news.at_ms, news.until_ms) for one in news.joined])
    body = {name: getattr(news, name) for name in RingNews.__slots__ if name != "number"}
    connection.execute("INSERT INTO news (body) VALUES (?)", (json.dumps(body),))


def untold(connection: sqlite3.Connection, members: Iterable[Node], until_ms: int) -> tuple[Node, ...]:
    """Those whom no flag of ours holds until then."""
    asked = "SELECT 1 FROM told WHERE kind = ? AND name = ? AND until_ms > ?"
    return tuple(one for one in members if connection.execute(asked, (*one, until_ms)).fetchone() is None)


def news_stamp(folder: Path) -> tuple[tuple[int, int], ...]:
    """Changes with everything that is written: as long as it is the same, nothing is new."""
    found = []
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        try:
            state = (folder / name).stat()
        except OSError:
            continue
        found.append((state.st_mtime_ns, state.st_size))
    return tuple(found)


def undelivered(folder: Path, after: int = 0) -> list[RingNews]:
    """What waits behind a number, oldest first, a few at once; nothing where no links are kept.

    `StoreError` where the file cannot be read now.
    """
    if not (folder / FILE_NAME).exists():
        return []
    try:
        with closing(opened(folder, read_only=True)) as connection:
            asked = "SELECT number, body FROM news WHERE number > ? ORDER BY number LIMIT ?"
            rows = connection.execute(asked, (after, _AT_ONCE))
            return [_read(number, body) for number, body in rows]
    except sqlite3.Error as error:
        if "no such table" in str(error):  # of an earlier version: nothing was found by it
            return []
        raise explain(error, folder / FILE_NAME) from error


def delivered(folder: Path, numbers: Iterable[int]) -> None:
    """These wait no longer. `StoreError` where the file cannot be written."""
    try:
        with closing(opened(folder)) as connection:
            connection.executemany("DELETE FROM news WHERE number = ?", [(one,) for one in numbers])
    except (sqlite3.Error, OSError) as error:
        raise explain(error, folder / FILE_NAME) from error


def _read(number: int, body: str) -> RingNews:
    fields = json.loads(body)
    for name in ("members", "joined"):
        fields[name] = tuple(Node(*one) for one in fields[name])
    return RingNews(number, **fields)


def flags_of(news: RingNews, tokenizer: Tokenizer) -> EventBatch:
    """A flag for each member that joined, from the moment in which it was known on."""
    draft = Draft(Kind.FLAG, len(news.joined), tokenizer, news.at_ms)
    ids = [
        f"{_PREFIX}{tokenizer.seed(f'{kind} {name} {news.at_ms}'):032x}" for kind, name in news.joined
    ]  # that nobody can send before: the later one of two would be refused
    texts = {
        "entity_type": [kind for kind, _ in news.joined],
        "entity_id": [name for _, name in news.joined],
        "event_id": ids,
        "note": [news.title] * len(news.joined),
    }
    for name, values in texts.items():
        draft.text(name, pa.array(values, pa.string()))
    times = {"event_time_ms": news.at_ms, "effective_at_ms": news.at_ms, "expires_at_ms": news.until_ms}
    for name, moment in times.items():
        draft.time(name, pa.array([moment] * len(news.joined), pa.int64()), "epoch_ms")
    events, _ = draft.finish()
    return events
