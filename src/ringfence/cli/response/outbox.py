"""`ringfence outbox`: what subscribers are owed, and what never reached them."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ringfence.cli.terminal.light_options import Data, Json, folder
from ringfence.cli.terminal.screen import format_time, say, show_json, show_table
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.bus import messages
from ringfence.compose.folder.store import open_store
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.bus.holds import MessageHold
    from ringfence.bus.outbox import Letter, Outbox

app = typer.Typer(help="Messages to subscribers: list, show, retry, delete.", no_args_is_help=True)


class MessageState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


Ids = Annotated[list[str] | None, typer.Argument(help="Ids of messages.", metavar="ID...")]
Subscription = Annotated[str | None, typer.Option(help="Only of this subscription.", metavar="NAME")]
To = Annotated[str | None, typer.Option("--to", help="Only to this destination.", metavar="ADDRESS")]
All = Annotated[bool, typer.Option("--all", help="All dead letters, where no ids are given.")]


@app.command("list")
def list_messages(
    state: Annotated[
        MessageState | None, typer.Option(help="Only these states. [default: waiting and dead]")
    ] = None,
    subscription: Subscription = None,
    to: To = None,
    limit: Annotated[int, typer.Option(help="Maximum number of rows.", min=1, max=1000)] = 50,
    data: Data = None,
    json: Json = False,
) -> None:
    """List messages, newest first, with what the destination said last.

    `next` is when a waiting message is tried, and what holds it until then: quiet hours, a rate limit, a
    destination that fails or asked for a pause. A paused subscription and a disabled destination have no such
    time: `ringfence bus resume` and `ringfence bus enable` end that. `waiting` ones are tried again by
    themselves, `dead` ones no longer: the destination refused them, or did not take them for three days.
    Delivered ones are kept for a week.

    Example: ringfence outbox list --state dead
    """
    states = [MessageState.WAITING, MessageState.DEAD] if state is None else [state]
    with _bus(data) as bus:
        found = [
            letter
            for one in states
            for letter in bus.letters(state=one, subscription=subscription, destination=to, limit=limit)
        ]
        counts, holds = bus.counts(), bus.holds(found, now_ms())
    if json:
        show_json([_shown(one, holds.get(one.id)) for one in found])
        return
    rows = [
        (one.id, one.state, one.destination, one.attempts, _when(one, holds.get(one.id)), one.said)
        for one in sorted(found, key=lambda one: -one.made_ms)[:limit]
    ]
    show_table(["id", "state", "to", "attempts", "next", "said"], rows, ["attempts"])
    for address, which, count in sorted(counts):
        say(f"{address}: {count:,} {which}")


@app.command("show")
def show_message(
    message_id: Annotated[str, typer.Argument(help="As `ringfence outbox list` has it.", metavar="ID")],
    data: Data = None,
) -> None:
    """Show one message with its event, as JSON.

    Example: ringfence outbox show 3f2a:decisions:17:declines
    """
    with _bus(data) as bus:
        letter = bus.letter(message_id)
        show_json(_shown(letter, bus.holds([letter], now_ms()).get(letter.id)))


@app.command()
def retry(
    ids: Ids = None,
    all_: All = False,
    subscription: Subscription = None,
    to: To = None,
    data: Data = None,
) -> None:
    """Try messages again now: these, or all dead letters. Their ids stay the same.

    Their destinations, and that of `--to`, are tried at once, also where they have failed lately. As soon as
    a destination takes one message, the others waiting for it are sent.

    Example: ringfence outbox retry --all
    """
    _check(ids, all_=all_ or subscription is not None or to is not None)
    with _bus(data) as bus:
        count = bus.retry(ids or (), destination=to, subscription=subscription, now_ms=now_ms())
    say(f"{count:,} {'message is' if count == 1 else 'messages are'} tried again.")


@app.command()
def purge(
    ids: Ids = None,
    all_: All = False,
    subscription: Subscription = None,
    to: To = None,
    data: Data = None,
) -> None:
    """Delete dead letters: these, or all of them. Waiting messages stay.

    Example: ringfence outbox purge --all --to https://example.com/hook
    """
    _check(ids, all_=all_ or subscription is not None or to is not None)
    with _bus(data) as bus:
        count = bus.purge(ids or (), destination=to, subscription=subscription)
    say(f"{count:,} {'dead letter is' if count == 1 else 'dead letters are'} gone.")


def _check(ids: list[str] | None, *, all_: bool) -> None:
    if bool(ids) == all_:
        raise InputError("name messages by their ids, or dead letters by --all, --to or --subscription")


def _when(letter: Letter, hold: MessageHold | None) -> str:
    if letter.state != "waiting":
        return ""
    if hold is None:
        return "now"
    return f"{format_time(hold.until_ms)}: {hold.reason}" if hold.until_ms else f"held: {hold.reason}"


def _shown(letter: Letter, hold: MessageHold | None) -> dict[str, object]:
    held = {"held_by": hold.reason if hold else None, "held_until_ms": hold.until_ms if hold else 0}
    return msgspec.structs.asdict(letter) | held | {"event": msgspec.Raw(letter.event)}


@contextmanager
def _bus(data: Path | None) -> Iterator[Outbox]:
    where = folder(data)
    open_store(where, read_only=True).close()
    with messages(where) as kept:
        yield kept.outbox
