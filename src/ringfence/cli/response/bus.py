"""`ringfence bus`: who wants which events, and where they go."""

from __future__ import annotations

import json as json_text
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.bus.health import health_of
from ringfence.bus.outbox import Outbox
from ringfence.bus.subscription import EVERYTHING
from ringfence.cli.terminal.light_options import Data, Json, folder
from ringfence.cli.terminal.screen import say, show, show_json, show_table
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.bus import messages
from ringfence.compose.folder.store import open_store
from ringfence.compose.messaging.alerts import alert_policy
from ringfence.compose.messaging.notifiers import check_destination
from ringfence.desks import bus as desk
from ringfence.errors import InputError
from ringfence.events.values.texts import read_text
from ringfence.settings import load_settings
from ringfence.store import DataFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.desks.bus import Appraisal

app = typer.Typer(
    help="The event bus: send decisions, labels, flags, drift and changes to whoever wants them.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="Of the subscription.", metavar="NAME")]
Address = Annotated[str, typer.Argument(help="As `ringfence bus list` has it.", metavar="ADDRESS")]
PatternText = Annotated[
    str | None,
    typer.Option(
        "--pattern",
        help='Which events, in EventBridge\'s language: \'{"data": {"outcome": ["decline"]}}\'; or as a '
        "rule's expression: \"outcome = 'decline' and amount > 500\"; or @FILE. [default: all]",
        metavar="PATTERN",
        show_default=False,
    ),
]
_PATTERN_LIMIT = 1 << 20


@app.command()
def subscribe(
    name: Name,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="console: | https://HOST/PATH | mailto:NAME@HOST | slack:#CHANNEL | sms:+NUMBER "
            "| apprise:URL | ARN of an SNS topic, an SQS queue or an EventBridge bus",
            metavar="ADDRESS",
        ),
    ],
    pattern: PatternText = None,
    ordered: Annotated[
        bool,
        typer.Option(
            "--ordered", help="Events of one card arrive in order; a failure holds up those behind."
        ),
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Send events that match a pattern to a destination, from now on.

    Events are CloudEvents 1.0. Webhooks get them as JSON, signed as Standard Webhooks 1.0 describes
    (`bus secret` shows the secret); people get them in words. Each message has a stable id and is tried for
    three days; `ringfence outbox` shows what waits and what has failed. Running this again changes nothing.

    Example: ringfence bus subscribe declines --to console: --pattern '{"data": {"outcome": ["decline"]}}'
    """
    kind = check_destination(to, load_settings())
    with _bus(data) as (bus, store):
        wanted = _pattern(pattern)
        found = desk.appraise(store.log, wanted, _source(store))
        made = desk.subscribe(bus, store.log, name, wanted, to, ordered=ordered, now_ms=now_ms())
        if json:
            show_json({"name": made.name, "to": made.to, "pattern": made.pattern, "last_day": found})
            return
    say(f"{made.name}: from now on to {made.to}.")
    say(f"Of the last day's {found.events:,} events, {found.matched:,} match.")
    for remark in found.remarks:
        say(f"Note: {remark}")
    if kind == "webhook":
        say(f"Messages are signed: `ringfence bus secret {made.to}` shows the secret.")


@app.command("list")
def list_subscriptions(data: Data = None, json: Json = False) -> None:
    """List subscriptions, and how each destination is: the worst of what holds.

    `disabled` answered 410, `failing` does not take messages now, `dead letters` takes messages and some were
    given up (`ringfence outbox list --state dead`), `waiting` has messages on their way, `healthy` none.

    Example: ringfence bus list
    """
    with _bus(data) as (bus, _):
        subscriptions, destinations = bus.subscriptions(), bus.destinations()
        found = health_of(destinations, bus.counts())
    if json:
        show_json(
            {
                "subscriptions": subscriptions,
                "destinations": [
                    {
                        "address": one.address,
                        "kind": one.kind,
                        "disabled": one.disabled,
                        "failing": one.failing,
                        "said": one.said,
                        **found[one.address]._asdict(),
                    }
                    for one in destinations
                ],
            }
        )
        return
    show_table(
        ["subscription", "state", "to", "pattern"],
        [(one.name, "paused" if one.paused else "active", one.to, one.pattern) for one in subscriptions],
    )
    show()
    rows = [
        (
            one.address,
            *found[one.address],
            one.disabled or one.said,
        )
        for one in destinations
    ]
    show_table(["destination", "health", "waiting", "dead", "said"], rows, ["waiting", "dead"])


@app.command("test")
def try_pattern(
    name: Annotated[
        str | None, typer.Argument(help="A subscription. [default: --pattern]", metavar="NAME")
    ] = None,
    pattern: PatternText = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say how many of the last day's events match a pattern, and show the latest; nothing is sent.

    The last day is that of the log: it ends with its latest event.

    Example: ringfence bus test --pattern '{"data": {"score": [{"numeric": [">=", 80]}]}}'
    """
    with _bus(data) as (bus, store):
        text = _pattern(pattern) if name is None else bus.subscription(name).pattern
        found = desk.appraise(store.log, text, _source(store))
    if json:
        show_json(found)
        return
    say(f"{found.matched:,} of the last day's {found.events:,} events match.")
    _tell(found)


def _tell(found: Appraisal) -> None:
    for type_, count in sorted(found.types.items()):
        say(f"  {type_}: {count:,}")
    for remark in found.remarks:
        say(f"Note: {remark}")
    for event in found.examples:
        show(json_text.dumps(event, ensure_ascii=False))


@app.command()
def pause(name: Name, data: Data = None) -> None:
    """Have a subscription's messages wait; none is lost.

    Example: ringfence bus pause declines
    """
    with _bus(data) as (bus, _):
        bus.pause(name, paused=True)
    say(f"{name}: messages wait until `ringfence bus resume {name}`.")


@app.command()
def resume(name: Name, data: Data = None) -> None:
    """Have a paused subscription go on, with what has waited.

    Example: ringfence bus resume declines
    """
    with _bus(data) as (bus, _):
        bus.pause(name, paused=False)
    say(f"{name} goes on.")


@app.command()
def remove(name: Name, data: Data = None) -> None:
    """Take a subscription away, with the messages that it still waits for.

    Its destination and the secret of that go too, unless another subscription, a dead letter or the alert
    policy still names it.

    Example: ringfence bus remove declines
    """
    policy = alert_policy()
    with _bus(data) as (bus, _):
        gone = bus.remove(name, (*policy.team, *policy.escalate_to))
    say(f"{name} is gone, and {gone:,} waiting message{'' if gone == 1 else 's'} with it.")


@app.command()
def enable(address: Address, data: Data = None) -> None:
    """Send to a destination again that had answered 410, gone.

    Example: ringfence bus enable https://example.com/hook
    """
    with _bus(data) as (bus, _):
        desk.enable(bus, address)
    say(f"{address}: messages are sent again.")


@app.command()
def secret(
    address: Address,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make a new one; until the next time the old one signs, too.")
    ] = False,
    data: Data = None,
) -> None:
    """Show the secret that signs messages to a webhook, or make a new one.

    Example: ringfence bus secret https://example.com/hook
    """
    with _bus(data) as (bus, _):
        known = bus.rotate(address, now_ms()) if rotate else bus.destination(address)
    if not known.secrets:
        raise InputError(f"{address}: only messages to webhooks are signed")
    show(known.secrets[0])


@app.command()
def describe() -> None:
    """Print every type of event with its schema, as an AsyncAPI 3 document in JSON.

    Example: ringfence bus describe
    """
    from ringfence.api.openapi.asyncapi import document  # noqa: PLC0415 (loads what only this needs)

    show_json(document(version("ringfence")))


@contextmanager
def _bus(data: Path | None) -> Iterator[tuple[Outbox, DataFolder]]:
    where = folder(data)
    with open_store(where, read_only=True) as store, messages(where) as kept:
        yield kept.outbox, store


def _pattern(given: str | None) -> str:
    if given is None:
        return EVERYTHING
    return read_text(Path(given[1:]), _PATTERN_LIMIT) if given.startswith("@") else given


def _source(store: DataFolder) -> str:
    return f"/ringfence/{store.meta.store_id}"
