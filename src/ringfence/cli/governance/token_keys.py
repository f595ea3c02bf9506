"""The keys of tokens, for `ringfence privacy rotate --tokens` and `ringfence privacy status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import typer

from ringfence.cli.audited import tell_record
from ringfence.cli.terminal.screen import asks, format_time, progress, say, show, show_json, show_table
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.store import open_store
from ringfence.compose.folder.token_keys import listed_token_keys
from ringfence.compose.folder.token_rotation import (
    forget_older_keys,
    known_by_older_keys,
    prepare_token_key,
    take_effect,
)
from ringfence.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.ports.token_keys import TokenKey


def rotate_token_key(where: Path) -> None:
    """Make another token key and have it take effect, beside a server or without one."""
    with open_store(where, read_only=True) as store, progress("looking who is known") as tell:
        made = prepare_token_key(store, now_ms(), lambda done, total: tell(done, total, ""))
    tell_record(made.name, tokens="true")
    say(f"Token key {made.name} is made; it takes effect between two payments.")
    found = take_effect(where, made.name, now_ms())
    if found.since_offset is None:
        say(
            "Another process writes to the log and has not taken it over: a server does within seconds, and "
            "`/readyz` says what keeps it. A run leaves it to the next start. See `ringfence privacy status`."
        )
        raise typer.Exit(3)
    tell_record(found.name, tokens="true", offset=str(found.since_offset))
    say(
        f"It is in effect from event {found.since_offset:,} on. Who was known keeps their token; whoever "
        "comes later has one of this key. Back up the folder: tokens.db belongs to the log."
    )


def forget_token_keys(where: Path, *, yes: bool) -> None:
    """Forget all token keys but the newest; it asks where somebody is still known by an older one."""
    with open_store(where, read_only=True) as store:
        count = known_by_older_keys(store)
        meant = (
            f"{count:,} tokens of customers, accounts, cards and their data are known by older keys. Forget "
            "these, and each of them begins anew: windows count from zero, and lists, labels and cases stay "
            "with the token of before, so a blocked card pays again."
        )
        if count and not yes and not asks():
            raise InputError(f"nothing was forgotten: {meant} Give --yes if that is what you want")
        if count and not yes and not typer.confirm(f"{meant} Forget them?", err=True):
            say("Nothing was changed.")
            raise typer.Exit(1)
        gone = forget_older_keys(store, now_ms())
    tell_record(", ".join(gone), tokens="true", forget="true", known=str(count))
    say(f"{len(gone)} older token keys make no token any more; {count:,} tokens of theirs were known.")


def show_token_keys(where: Path, *, json: bool) -> None:
    """All token keys, and how many tokens each has that are known."""
    with open_store(where, read_only=True) as store:
        found, created_ms = listed_token_keys(store), store.meta.created_ms
    if json:
        show_json([msgspec.to_builtins(one) for one in found])
        return
    if not found:
        show(f"One token key since {format_time(created_ms)}: the store's own.")
        return
    show_table(
        ["token key", "state", "since", "from event", "known tokens"],
        [(one.name, _state(one, found), *_since(one), _known(one, found)) for one in found],
    )


def _since(one: TokenKey) -> tuple[str, str]:
    if one.since_ms is None or one.since_offset is None:
        return "", ""
    return format_time(one.since_ms), f"{one.since_offset:,}"


def _state(one: TokenKey, every: list[TokenKey]) -> str:
    if one.forgotten_ms is not None:
        return f"forgotten {format_time(one.forgotten_ms)}"
    if one.since_offset is None:
        return "waits"
    return "makes tokens" if one is _newest(every) else "serves who was known"


def _known(one: TokenKey, every: list[TokenKey]) -> str:
    return "everybody new" if one is _newest(every) else f"{one.persons:,}"


def _newest(every: list[TokenKey]) -> TokenKey:
    return [one for one in every if one.since_offset is not None][-1]
