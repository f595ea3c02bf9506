"""`ringfence alerts`: what the team and the customer hear of, and what somebody has seen."""

from __future__ import annotations

import getpass
from contextlib import ExitStack, closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ringfence.alerts.book import Alerts, Mute
from ringfence.alerts.policy import LANGUAGES
from ringfence.alerts.wording import NAMES, SAMPLES, rendered, shipped
from ringfence.cli.audited import tell_record
from ringfence.cli.terminal.light_options import Data, Json, folder
from ringfence.cli.terminal.screen import format_time, say, show, show_json, show_table
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.bus import messages
from ringfence.compose.folder.store import open_store, tokenizer_of
from ringfence.compose.folder.tables import open_tables
from ringfence.compose.messaging.alerts import alert_policy, templates
from ringfence.compose.messaging.mutes import mute_ground
from ringfence.compose.messaging.notifiers import check_destination, notifier
from ringfence.desks.alerts import MuteDesk, muted_now
from ringfence.errors import InputError
from ringfence.events.values.durations import parse_delay_ms
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.alerts.model import Alert
    from ringfence.desks.alerts import MuteGround

app = typer.Typer(
    help="Alerts on reviewed and declined payments: list, acknowledge, mute, preview.", no_args_is_help=True
)


class AlertState(StrEnum):
    """Whether somebody looks at it."""

    OPEN = "open"
    IN_CASE = "in_case"
    ACKNOWLEDGED = "acknowledged"


class AlertSeverity(StrEnum):
    """How urgent it is."""

    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


Id = Annotated[str, typer.Argument(help="As `ringfence alerts list` has it.", metavar="ID")]
Author = Annotated[
    str | None, typer.Option(help="Name on record. [default: your user name]", show_default=False)
]
Typology = Annotated[str, typer.Argument(help='A typology, rule or reason; "*" for any.', metavar="TYPOLOGY")]
Entity = Annotated[
    str,
    typer.Option("--entity", help='Id of the card, customer, ..., or KIND=ID; "*" for all.', metavar="ID"),
]


@app.command("list")
def list_alerts(
    state: Annotated[AlertState | None, typer.Option(help="Only these. [default: all]")] = None,
    severity: Annotated[AlertSeverity | None, typer.Option(help="Only these. [default: all]")] = None,
    entity: Annotated[str | None, typer.Option(help="Only of this card, customer, ...", metavar="ID")] = None,
    digest: Annotated[
        str | None,
        typer.Option(help="Only those that this digest counts, which its message names.", metavar="ID"),
    ] = None,
    before: Annotated[
        str | None, typer.Option(help="Only older ones than this: what follows the last row.", metavar="ID")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 50,
    data: Data = None,
    json: Json = False,
) -> None:
    """List alerts, newest first. An alert stands for all decisions on an entity for one typology in a window.

    Example: ringfence alerts list --state open --severity critical
    """
    with _book(data) as book:
        found = book.alerts(
            state=state,
            severity=severity,
            entity_id=entity,
            digest=digest,
            limit=limit,
            before=None if before is None else _number(before),
        )
        counts = book.counts(digest)
    if json:
        show_json(found)
        return
    show_table(
        ["id", "severity", "typology", "entity", "id of it", "payments", "last", "state"],
        [
            (
                *(one.id, one.severity, one.typology, one.entity, one.entity_id, one.count),
                *(format_time(one.last_ms), _state_of(one)),
            )
            for one in found
        ],
        ["payments"],
    )
    if len(found) == limit:
        say(f"There may be more: --before {found[-1].id} lists older ones.")
    said = (
        f"{counts['open']:,} open, {counts['in_case']:,} in a case, {counts['acknowledged']:,} acknowledged."
    )
    say(said)


def _state_of(alert: Alert) -> str:
    if alert.by:
        return f"{alert.state} by {alert.by}"
    return f"in case {alert.case}" if alert.case else alert.state


@app.command("show")
def show_alert(alert_id: Id, data: Data = None) -> None:
    """Show one alert with its payments, as JSON.

    Example: ringfence alerts show alert-17
    """
    with _book(data) as book:
        show_json(book.alert(alert_id))


@app.command()
def ack(alert_id: Id, author: Author = None, data: Data = None) -> None:
    """Say that somebody looks at an alert: it is not escalated any more.

    Example: ringfence alerts ack alert-17
    """
    with _book(data) as book:
        found = book.acknowledge(alert_id, author or getpass.getuser(), now_ms())
    say(f"{found.id}: acknowledged by {found.by}.")


@app.command()
def mute(
    typology: Typology,
    entity: Entity,
    until: Annotated[
        str, typer.Option("--for", help="For how long, such as 4h or 7d.", metavar="TIME")
    ] = "1d",
    note: Annotated[str, typer.Option(help="Why.")] = "",
    author: Author = None,
    data: Data = None,
) -> None:
    """Raise no alerts of a typology for an entity until a time. Decisions stay as they are.

    A name that no rule, typology or reason ever had is refused. One of rules that are no longer in force is
    muted with a note, and so is an entity that no payment has named yet.

    Example: ringfence alerts mute card_testing --entity tok_9f31 --for 4h --note "a test of ours"
    """
    at_ms = now_ms()
    ends_ms = at_ms + parse_delay_ms(until)
    with _mutes(data) as desk:
        by = author or getpass.getuser()
        wanted = Mute(typology=typology, entity_id=entity, until_ms=ends_ms, by=by, note=note, approved=True)
        tell_record(f"{typology} {desk.named(entity)}", until=str(ends_ms))
        made, change = desk.mute(wanted, at_ms)
        tell_record(change.object, until=str(ends_ms), **change.details())
    say(f"No alerts of {typology} for {made.entity_id} until {format_time(ends_ms)} UTC.")
    for remark in made.remarks:
        say(f"Note: {remark}")


@app.command()
def unmute(typology: Typology, entity: Entity, data: Data = None) -> None:
    """Raise alerts again.

    Example: ringfence alerts unmute card_testing --entity tok_9f31
    """
    with _mutes(data) as desk:
        change = desk.unmute(typology, entity, now_ms(), may_approve=True)
        tell_record(change.object, **change.details())
        if not change.before:
            raise InputError(f"{typology} is not muted for {entity}: `ringfence alerts mutes` lists what is")
    say(f"Alerts of {typology} for {entity} are raised again.")


@app.command()
def mutes(data: Data = None, json: Json = False) -> None:
    """List what is muted now, for whom and until when.

    Example: ringfence alerts mutes
    """
    with _book(data) as book:
        found = muted_now(book, now_ms()).mutes
    if json:
        show_json(found)
        return
    show_table(
        ["typology", "entity", "until", "by", "note"],
        [(one.typology, one.entity_id, format_time(one.until_ms), one.by, one.note) for one in found],
    )


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="Alert policy. [default: alerts.toml]", show_default=False)
    ] = None,
) -> None:
    """Check an alert policy and its templates, and list who hears of which alerts. Nothing is sent.

    Example: ringfence alerts check
    """
    policy = alert_policy(file)
    say(f"Alerts on {', '.join(policy.outcomes)}; one for each entity and typology in {policy.window}.")
    say(f"The team: {', '.join(policy.team) or 'nobody (set team)'}.")
    say(f"At most {policy.most} messages in {policy.per} to one destination, then a digest.")
    if policy.quiet:
        say(f"Quiet: {policy.quiet} ({policy.quiet_zone}) for what is less than {policy.quiet_below}.")
    if policy.escalate_to:
        to, after = ", ".join(policy.escalate_to), policy.escalate_after
        say(f"Nobody acknowledges within {after}, from {policy.escalate_from} on: {to}.")
    say(f"The customer: {f'by {policy.customer}' if policy.customer else 'is not told (set customer)'}.")
    if policy.answer_url:
        say(f'Answers to "was this you?": at {policy.answer_url}, for {policy.answer_for}.')
    for address in dict.fromkeys((*policy.team, *policy.escalate_to)):
        check_destination(address, load_settings())
    if policy.customer:
        notifier(policy.customer, load_settings()).close()
    say(f"Templates of your own: {', '.join(templates(policy)) or 'none'}.")


@app.command()
def preview(
    audience: Annotated[str, typer.Argument(help="team, customer, digest or escalation.")] = "team",
    language: Annotated[str | None, typer.Option(help="en or de. [default: the policy's]")] = None,
    json: Json = False,
) -> None:
    """Show a message as it would be sent, filled in with an example.

    Example: ringfence alerts preview customer --language de
    """
    if audience not in NAMES:
        raise InputError(f"there is no template {audience[:60]!r}: one of {', '.join(NAMES)}")
    policy = alert_policy()
    chosen = language or policy.language
    if chosen not in LANGUAGES:
        raise InputError(f"there is no language {chosen[:20]!r}: one of {', '.join(LANGUAGES)}")
    text = templates(policy).get(f"{audience}.{chosen}") or shipped(audience, chosen)
    words = rendered(audience, text, SAMPLES[audience] | {"bank": policy.bank}, chosen)
    if json:
        show_json({"title": words.title, "lines": msgspec.to_builtins(words.lines)})
        return
    show(words.text)


def _number(alert_id: str) -> int:
    """The number in an alert's id, which its order goes by."""
    number = alert_id.removeprefix("alert-")
    if not number.isdecimal() or len(number) > 18:
        raise InputError(f"{alert_id[:80]!r} is no alert: `ringfence alerts list` shows them")
    return int(number)


@contextmanager
def _book(data: Path | None) -> Iterator[Alerts]:
    where = folder(data)
    open_store(where, read_only=True).close()
    with messages(where) as kept:
        yield kept.alerts


@contextmanager
def _mutes(data: Path | None) -> Iterator[MuteDesk]:
    with (
        open_store(folder(data), read_only=True) as store,
        messages(store.folder) as kept,
        ExitStack() as opened,
    ):

        def ground() -> MuteGround:
            tables = opened.enter_context(closing(open_tables(store)))
            return mute_ground(store, tables, kept.alerts)

        yield MuteDesk(kept.alerts, ground, tokenizer_of(store))
