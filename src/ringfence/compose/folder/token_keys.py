"""The token keys of a data folder: another one is made, and takes effect without anybody being forgotten.

A key waits until the writer of the log, between two steps, has it take effect: every token that stands in the
log by then is known and stays. Replay makes no tokens, so it gives the same before and after.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ringfence.adapters.snapshots import Snapshots, layout
from ringfence.adapters.vault import KnownTokens, SqliteTokenKeys
from ringfence.errors import CorruptError, StoreError
from ringfence.events import codec
from ringfence.events.privacy.token_keys import TokenKeys, mark, marks_in
from ringfence.ports import EVENTS
from ringfence.store import TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.ports.token_keys import TokenKey
    from ringfence.store import DataFolder

TokenKeyFile = SqliteTokenKeys
"""For those who know no adapter."""

_IN_FORCE: Final = "token_key_in_force"
"""Under which a store remembers the newest key that has made its tokens."""

_PARTS: Final = 256  # of marks, before they are put together
_RECORDS: Final = 1000  # of the quarantine at once
_COMMIT_SECONDS: Final = 10.0  # for what was decided to be on disk
_LOOK_SECONDS: Final = 0.002


def has_token_keys(folder: Path) -> bool:
    """Whether a data folder has token keys beside the store's own."""
    return SqliteTokenKeys.is_in(folder)


@contextmanager
def open_token_keys(store: DataFolder) -> Iterator[SqliteTokenKeys]:
    """The file of token keys, made where there is none; `CorruptError` where it is gone or too old."""
    check_not_lost(store)
    with closing(SqliteTokenKeys(store.folder, store.meta)) as keys:
        check_not_behind(store, keys)
        yield keys


def token_keys_of(store: DataFolder) -> TokenKeys:
    """The keys that make the tokens of a store; `CorruptError` where some of them are gone."""
    if not has_token_keys(store.folder):
        check_not_lost(store)
        return TokenKeys.only(store.meta.token_key)
    with open_token_keys(store) as keys:
        return keys.keys()


def listed_token_keys(store: DataFolder) -> list[TokenKey]:
    """All keys of a store, the oldest first; none where there was no rotation."""
    if not has_token_keys(store.folder):
        check_not_lost(store)
        return []
    with open_token_keys(store) as keys:
        return keys.listed()


def check_not_lost(store: DataFolder) -> None:
    """`CorruptError` where a store's tokens were made by keys that are gone."""
    if store.remembered(_IN_FORCE) is not None and not has_token_keys(store.folder):
        raise CorruptError(_said(store, "is missing"))


def check_not_behind(store: DataFolder, keys: SqliteTokenKeys) -> None:
    """The same where the file is a copy of before a rotation."""
    name = store.remembered(_IN_FORCE)
    if name is not None and not any(
        one.name == name and one.since_offset is not None for one in keys.listed()
    ):
        raise CorruptError(_said(store, f"does not hold key {name}, which has made tokens of this log"))


def known_in(
    store: DataFolder, begin: int, tell: Callable[[int, int], None] = lambda *_: None
) -> KnownTokens:
    """Who is known by the log from a place on to its end; `tell` hears of events read and to read."""
    end = store.log.end_offset(EVENTS)
    found: list[NDArray[np.uint64]] = []
    for batch in store.log.read(EVENTS, begin, end) if begin < end else ():
        events = codec.decode(batch.payload)
        found.append(marks_in(events.used.columns))
        if len(found) > _PARTS:
            found = [union(found)]
        tell(batch.next_offset - begin, end - begin)
    return KnownTokens(union(found), np.zeros(0, np.int64), end)


def known_beside(store: DataFolder, vault_tokens: Iterable[str]) -> KnownTokens:
    """Who is known by the vault, by the quarantine, and by the state where the log's beginning is gone."""
    held = np.fromiter((mark(token) for token in vault_tokens), np.uint64)
    parts, place = [np.unique(held)], 0
    while records := store.quarantine.since(place, _RECORDS):
        place = records[-1][0]
        texts = [record.original.decode(errors="replace") for _, record in records]
        parts.append(marks_in([pa.array(texts, pa.string())]))
    return KnownTokens(union(parts), _hashes_of_state(store), 0)


def _hashes_of_state(store: DataFolder) -> NDArray[np.int64]:
    """Everything in the newest saved state that may be the hash of an id."""
    if not store.log.start_offset(EVENTS):
        return np.zeros(0, np.int64)
    folder = Snapshots(store.snapshots)
    for offset in folder.offsets():
        try:
            saved = layout.read(folder.path_of(offset))
        except (CorruptError, FileNotFoundError):
            continue
        wanted = [array.ravel() for array in saved.arrays.values() if array.dtype == np.int64]
        return np.unique(np.concatenate(wanted)) if wanted else np.zeros(0, np.int64)
    raise StoreError(
        "the log's beginning has been trimmed, and no sound snapshot says who was known before it: let the "
        "server save one (it does every few minutes), then rotate again"
    )


def take_over(store: DataFolder, keys: SqliteTokenKeys, now_ms: int, near: KnownTokens | None = None) -> None:
    """Have the key that waits take effect at the end of the log; nobody else may write to it meanwhile.

    `near` is of who came since somebody looked; without it the log is read from there on.
    """
    waiting = keys.waiting()
    if waiting is not None:
        if near is None:
            near = known_in(store, waiting.gathered or store.log.start_offset(EVENTS))
        last = known_in(store, near.up_to)
        both = KnownTokens(union([near.marks, last.marks]), near.in_state, last.up_to)
        keys.begin(waiting.name, both, now_ms)
    remember(store, keys)


def remember(store: DataFolder, keys: SqliteTokenKeys) -> None:
    """Have the log know its newest key, so that a copy without it is noticed."""
    newest = [one for one in keys.listed() if one.since_offset is not None][-1]
    if newest.number and store.remembered(_IN_FORCE) != newest.name:
        store.remember(_IN_FORCE, newest.name)


def take_over_at_start(store: DataFolder, now_ms: int) -> None:
    """For whoever begins to write to a log, before the first token is made."""
    if has_token_keys(store.folder):
        with open_token_keys(store) as keys:
            waiting = keys.waiting()
            if waiting is None or waiting.gathered is not None:
                take_over(store, keys, now_ms)


def take_over_between_steps(
    store: DataFolder,
    keys: SqliteTokenKeys,
    tokenizer: Tokenizer,
    near: KnownTokens,
    decided_up_to: int,
    now_ms: int,
) -> None:
    """For a server, on the thread that decides: from the next step on the new key makes tokens.

    Waits until all that was decided is on disk; `StoreError`, and nothing has changed, where that takes long.
    """
    until = time.monotonic() + _COMMIT_SECONDS
    while store.log.end_offset(EVENTS) < decided_up_to:
        if time.monotonic() > until:
            raise StoreError("the token key waits: what was decided is not on disk yet")
        time.sleep(_LOOK_SECONDS)
    take_over(store, keys, now_ms, near)
    tokenizer.renew(keys.keys())


def drop_known(store: DataFolder, tokens: Collection[str]) -> None:
    """Somebody was erased: by older keys nobody knows them any more."""
    if not has_token_keys(store.folder):
        return
    with open_token_keys(store) as keys:
        keys.drop({mark(token) for token in tokens})


def union(parts: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Marks of all parts, sorted, each once."""
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))


def _said(store: DataFolder, what: str) -> str:
    return (
        f"{store.folder / TOKENS} {what}: who was known before a rotation of token keys would not be known "
        "again, so nothing is decided. Put your copy of the file back, or restore the folder from a backup "
        "(`ringfence restore`)"
    )
