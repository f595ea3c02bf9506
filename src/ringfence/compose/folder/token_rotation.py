"""Another token key for a data folder, beside whatever serves it; and the older ones forgotten."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from ringfence.adapters.vault import KnownTokens
from ringfence.compose.folder.privacy import open_vault
from ringfence.compose.folder.store import keeps_tokens, open_store
from ringfence.compose.folder.token_keys import (
    known_beside,
    known_in,
    open_token_keys,
    take_over,
    union,
)
from ringfence.errors import InputError, InUseError, StoreError
from ringfence.ports import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ringfence.ports.token_keys import TokenKey
    from ringfence.store import DataFolder

PATIENCE_SECONDS: Final = 60.0
"""For a server to have a key take effect."""

_LOOK_SECONDS: Final = 0.1


def prepare_token_key(
    store: DataFolder, now_ms: int, tell: Callable[[int, int], None] = lambda *_: None
) -> TokenKey:
    """A key that waits, and with it all who are known; one that waits already is taken up again.

    The log is read for that, which a server may be writing. `InputError` where too many keys are live.
    """
    with open_token_keys(store) as keys:
        made, tokens = keys.add(now_ms), []
        if keeps_tokens(store):
            with closing(open_vault(store)) as vault:
                tokens = vault.tokens()
        beside = known_beside(store, tokens)
        found = known_in(store, made.gathered or store.log.start_offset(EVENTS), tell)
        marks = union([found.marks, beside.marks])
        keys.note(made.name, KnownTokens(marks, beside.in_state, found.up_to))
        return made


def take_effect(folder: Path, name: str, now_ms: int, patience_seconds: float = PATIENCE_SECONDS) -> TokenKey:
    """Have a prepared key take effect: here, or by whatever writes to the folder, which is waited for.

    As it is then; without an offset where nothing has taken it over in time.
    """
    until = time.monotonic() + patience_seconds
    while True:
        try:
            with open_store(folder) as store, open_token_keys(store) as keys:
                take_over(store, keys, now_ms)
                return keys.named(name)
        except InUseError:
            with open_store(folder, read_only=True) as store, open_token_keys(store) as keys:
                found = keys.named(name)
            if found.since_offset is not None or time.monotonic() > until:
                return found
        time.sleep(_LOOK_SECONDS)


def known_by_older_keys(store: DataFolder) -> int:
    """How many tokens of older keys are known; `InputError` where a key waits, or there is no older one."""
    with open_token_keys(store) as keys:
        waiting = keys.waiting()
        if waiting is not None:
            raise InputError(
                f"token key {waiting.name} has not taken effect yet: wait for whoever writes the log, or run "
                "`ringfence privacy rotate --tokens` again"
            )
        live = [one for one in keys.listed() if one.forgotten_ms is None]
        if len(live) == 1:
            raise InputError("one token key is live, and no older one: there is nothing to forget")
        return sum(one.persons for one in live)


def forget_older_keys(store: DataFolder, now_ms: int) -> list[str]:
    """Forget all token keys but the newest, and who is known by them; the names of those that went."""
    with open_token_keys(store) as keys:
        if keys.waiting() is not None:
            raise StoreError("a token key was made meanwhile, so nothing was forgotten: try again")
        return keys.forget(now_ms)
