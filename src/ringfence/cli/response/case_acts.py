"""What analysts do to a case: `ringfence cases assign | note | close | ...`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ringfence.cases import wire
from ringfence.cases.model import CaseState, Disposition
from ringfence.cli.backends import desks
from ringfence.cli.backends.case_desks import working
from ringfence.cli.response.cases import CaseId, Why, app, say_done
from ringfence.cli.terminal import options

__all__ = ["app"]  # of all case commands, these included

Seen = Annotated[
    int | None,
    typer.Option(
        "--version",
        help="The version that you saw: refused if somebody changed the case since. [default: the newest]",
        show_default=False,
    ),
]


@app.command()
def assign(
    case_id: CaseId,
    to: Annotated[str | None, typer.Option(help="Assignee. [default: you]")] = None,
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Assign a case to somebody until further notice.

    Example: ringfence cases assign C-17 --to anna
    """
    _act(case_id, wire.Assign, {"to": to}, (version, author, server, data), json=json)


@app.command()
def release(
    case_id: CaseId,
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Return a case to its queue. You are not given it again for a while.

    Example: ringfence cases release C-17
    """
    _act(case_id, wire.Release, {}, (version, author, server, data), json=json)


@app.command()
def note(
    case_id: CaseId,
    text: Annotated[str, typer.Argument(help="The note.", metavar="TEXT")],
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Add a note to a case.

    Example: ringfence cases note C-17 "Called the customer: she knows the shop."
    """
    _act(case_id, wire.Note, {"text": text}, (version, author, server, data), json=json)


@app.command()
def snooze(
    case_id: CaseId,
    minutes: Annotated[int, typer.Option(help="Duration.", min=1, max=525_600)] = 60,
    reason: Why = "",
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Take a case out of its queue for a while, for example while you wait for the customer.

    Example: ringfence cases snooze C-17 --minutes 1440 --reason "awaiting customer"
    """
    asked = {"minutes": minutes, "reason": reason}
    _act(case_id, wire.Snooze, asked, (version, author, server, data), json=json)


@app.command()
def wake(
    case_id: CaseId,
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """End a case's snooze.

    Example: ringfence cases wake C-17
    """
    _act(case_id, wire.Wake, {}, (version, author, server, data), json=json)


@app.command()
def escalate(
    case_id: CaseId,
    reason: Why = "",
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Put a case before all others of its queue.

    Example: ringfence cases escalate C-17 --reason "a ring of at least five cards"
    """
    _act(case_id, wire.Escalate, {"reason": reason}, (version, author, server, data), json=json)


@app.command()
def move(
    case_id: CaseId,
    queue: Annotated[str, typer.Argument(help="Name of the queue.", metavar="QUEUE")],
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Move a case to another queue.

    Example: ringfence cases move C-17 default
    """
    _act(case_id, wire.Move, {"queue": queue}, (version, author, server, data), json=json)


@app.command()
def merge(
    case_id: CaseId,
    other: Annotated[str, typer.Argument(help="The case whose payments are taken over.", metavar="OTHER")],
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Merge another case into this one.

    Example: ringfence cases merge C-17 C-21
    """
    with working(server, data, author) as desk:
        seen, absorbed = desk.case_view(case_id).case, desk.case_view(other).case
        asked = wire.Merge(version=seen.version, other=absorbed.id, other_version=absorbed.version)
        say_done(desk.act(case_id, asked), json=json)


@app.command()
def unmerge(
    case_id: CaseId,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Give a merged case its payments back; it is open again.

    Example: ringfence cases unmerge C-21
    """
    _act(case_id, wire.Unmerge, {}, (None, author, server, data), json=json)


@app.command()
def split(
    case_id: CaseId,
    payments: Annotated[list[str], typer.Argument(help="Ids of payments.", metavar="PAYMENT...")],
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Give some payments of a case a case of their own.

    Example: ringfence cases split C-17 t-1001 t-1002
    """
    _act(case_id, wire.Split, {"payments": payments}, (version, author, server, data), json=json)


@app.command()
def close(
    case_id: CaseId,
    disposition: Annotated[Disposition, typer.Argument(help="What you found.", metavar="DISPOSITION")],
    typology: Annotated[
        str | None, typer.Option(help="Kind of fraud, such as card_testing or account_takeover.")
    ] = None,
    payment: Annotated[
        list[str] | None,
        typer.Option(help="Only these payments. [default: all of the case]", show_default=False),
    ] = None,
    block: Annotated[
        list[str] | None,
        typer.Option(help="Block these entities of the payments: card, device, ...", show_default=False),
    ] = None,
    note: desks.Note = "",
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Close a case as confirmed_fraud, false_positive or inconclusive.

    The payments of a confirmed fraud or a false positive are labelled at once: label-rate features, training
    and reports use them from then on.

    Example: ringfence cases close C-17 confirmed_fraud --typology card_testing --block card
    """
    asked = {
        "disposition": disposition,
        "typology": typology,
        "payments": payment or None,
        "block": block or [],
        "note": note,
    }
    _act(case_id, wire.Close, asked, (version, author, server, data), json=json)


@app.command()
def approve(
    case_id: CaseId,
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Approve a disposition that somebody else proposed.

    Example: ringfence cases approve C-17
    """
    _act(case_id, wire.Approve, {}, (version, author, server, data), json=json)


@app.command()
def reject(
    case_id: CaseId,
    reason: Why = "",
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Reject a disposition that somebody else proposed; the case is open again.

    Example: ringfence cases reject C-17 --reason "the customer has not been asked"
    """
    _act(case_id, wire.Reject, {"reason": reason}, (version, author, server, data), json=json)


@app.command()
def reopen(
    case_id: CaseId,
    reason: Why = "",
    version: Seen = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Reopen a closed case. What was found before is kept.

    Example: ringfence cases reopen C-17 --reason "a chargeback came"
    """
    _act(case_id, wire.Reopen, {"reason": reason}, (version, author, server, data), json=json)


def _act(case_id: str, kind: Any, asked: dict[str, Any], where: tuple[Any, ...], *, json: bool) -> None:
    version, author, server, data = where
    with working(server, data, author) as desk:
        seen = version or desk.case_view(case_id).case.version
        done = desk.act(case_id, kind(version=seen, **asked))
        if kind in (wire.Close, wire.Approve) and done.state is CaseState.CLOSED:
            desk.deliver()
    say_done(done, json=json)
