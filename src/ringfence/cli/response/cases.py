"""`ringfence cases`: what analysts work on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from ringfence.cases import wire
from ringfence.cases.book import CaseQuery
from ringfence.cases.model import LIVE, Case, CaseState, Subject
from ringfence.cli.backends import desks
from ringfence.cli.backends.case_desks import working
from ringfence.cli.terminal import options, screen
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ringfence.cases.model import CaseEvent

app = typer.Typer(no_args_is_help=True, help="Cases: work the queue, record what was found, look things up.")

CaseId = Annotated[str, typer.Argument(help="Id of a case, such as C-17.", metavar="CASE")]
QueueName = Annotated[str | None, typer.Option("--queue", help="One queue. [default: all]")]
Why = Annotated[str, typer.Option("--reason", "-r", help="Reason, kept on record.")]


@app.command("list")
def list_cases(
    state: Annotated[
        list[CaseState] | None,
        typer.Option(help="Only these states. [default: open and proposed]", show_default=False),
    ] = None,
    queue: QueueName = None,
    assignee: Annotated[str | None, typer.Option(help="Cases of one analyst.")] = None,
    entity: Annotated[
        str | None, typer.Option(help="Cases about one entity, such as customer:c-17.", metavar="TYPE:ID")
    ] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those that are overdue.")] = False,
    order: Annotated[
        Literal["urgency", "opened", "due", "changed", "amount", "loss"],
        typer.Option(help="urgency is expected loss divided by the time left."),
    ] = "urgency",
    limit: Annotated[int, typer.Option(help="Maximum number of rows.", min=1, max=200)] = 50,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """List cases, by default those that wait, the most urgent first.

    Example: ringfence cases list --overdue
    """
    query = CaseQuery(
        states=tuple(state) if state else LIVE,
        queue=queue,
        assignee=assignee,
        subject=_subject(entity),
        overdue=True if overdue else None,
        order=order,
        limit=limit,
    )
    with working(server, data) as desk:
        found = desk.case_page(query)
    if json:
        screen.show_json(found)
        return
    rows = [
        (
            case.id,
            case.state,
            case.queue,
            _about(case, case.subjects),
            case.totals.payments,
            _sums(case.totals.amounts),
            _sums(case.totals.losses),
            screen.format_time(case.due_ms),
            case.assignee,
            case.finding.disposition if case.finding else None,
        )
        for case in found.cases
    ]
    columns = ["case", "state", "queue", "about", "payments", "amount", "expected loss", "due", "assignee"]
    screen.show_table([*columns, "disposition"], rows, ["payments", "amount", "expected loss"])
    if found.total > len(found.cases):
        screen.say(f"{found.total - len(found.cases):,} more: --limit shows more of them.")


@app.command()
def queues(server: desks.Server = None, data: options.Data = None, json: options.Json = False) -> None:
    """Show what waits in each queue.

    Example: ringfence cases queues
    """
    with working(server, data) as desk:
        found = desk.queues()
    if json:
        screen.show_json(found)
        return
    rows = [
        (
            one.queue,
            one.ready,
            one.held,
            one.resting,
            one.overdue,
            f"{one.loss:,.2f}",
            screen.format_time(one.oldest_ms),
        )
        for one in found
    ]
    columns = ["queue", "ready", "being worked on", "snoozed or held", "overdue", "expected loss", "oldest"]
    screen.show_table(columns, rows, columns[1:6])


@app.command()
def show(
    case_id: CaseId, server: desks.Server = None, data: options.Data = None, json: options.Json = False
) -> None:
    """Show one case: its payments, and everything that happened to it.

    Example: ringfence cases show C-17
    """
    with working(server, data) as desk:
        found = desk.case_view(case_id)
    if json:
        screen.show_json(found)
        return
    _say_case(found.case, found.about or found.case.subjects)
    rows = [
        (
            screen.format_time(one.event_time_ms),
            one.transaction_id,
            f"{one.amount:,.2f} {one.currency or ''}",
            one.outcome,
            f"{one.score:.0f}",
            ", ".join(one.reasons),
        )
        for one in found.payments
    ]
    screen.show()
    screen.show_table(["time", "payment", "amount", "outcome", "score", "reasons"], rows, ["amount", "score"])
    screen.show()
    with options.people(data, server) as person:
        told = [
            (one.version, screen.format_time(one.at_ms), person(one.by), *_told(one)) for one in found.events
        ]
    screen.show_table(["version", "time", "by", "what", "details"], told, ["version"])


@app.command("open")
def open_case(
    transaction_id: Annotated[str, typer.Argument(help="Id of a payment.", metavar="PAYMENT")],
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Open a case on any payment, such as a fraud that nothing stopped. It joins its customer's open case.

    Example: ringfence cases open t-1001
    """
    with working(server, data, author) as desk:
        say_done(desk.open_case(transaction_id), json=json)


@app.command("next")
def next_case(
    queue: QueueName = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Take the most urgent case. Nobody else is given it until the lease ends (15 minutes by default).

    Example: ringfence cases next --queue default
    """
    with working(server, data, author) as desk:
        found = desk.next_case(wire.NextCase(queue=queue))
    if json:
        screen.show_json(wire.Handed(case=found))
    elif found is None:
        screen.show("No case is ready.")
    else:
        _say_case(found, found.subjects)


@app.command()
def report(
    case_id: CaseId,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.", metavar="FILE.xml|FILE.pdf")],
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
) -> None:
    """Write a suspicious-activity report of a case that was closed as confirmed fraud.

    It is XML like goAML's, or a PDF where the file's name ends with .pdf.

    A server gives it to keys with the role compliance only, and the case keeps on record who made it.

    Example: ringfence cases report C-17 --out C-17.xml
    """
    if out.exists() or not out.parent.is_dir():  # before it is on record
        raise InputError(f"{out} cannot be written: name a new file in a folder that exists")
    with working(server, data, author) as desk:
        _write(out, desk.report(case_id, "pdf" if out.suffix.lower() == ".pdf" else "xml"))


@app.command()
def attach(
    case_id: CaseId,
    file: Annotated[Path, typer.Argument(help="Picture, PDF, text or CSV, at most 3 MiB.", metavar="FILE")],
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
) -> None:
    """Attach a file to a case. Its content has to be what the ending of its name says.

    Example: ringfence cases attach C-17 letter.pdf
    """
    try:
        body = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): name a file") from error
    with working(server, data, author) as desk:
        case = desk.attach(case_id, file.name, body)
    screen.show(f"{file.name} is attached to {case.id}.")


@app.command("file")
def file_of(
    case_id: CaseId,
    sha256: Annotated[str, typer.Argument(help="Its hash, as `cases show` has it.", metavar="SHA256")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.", metavar="FILE")],
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
) -> None:
    """Write a file that is attached to a case.

    Example: ringfence cases file C-17 9f86d081884c7d65... --out letter.pdf
    """
    with working(server, data, author) as desk:
        found = desk.file(case_id, sha256)
    _write(out, found)


def _write(out: Path, body: bytes) -> None:
    try:
        with out.open("xb") as file:
            file.write(body)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}): name a new file") from error
    screen.show(f"{out} is written.")


def _subject(text: str | None) -> Subject | None:
    if text is None:
        return None
    kind, _, identity = text.partition(":")
    if not kind or not identity:
        raise InputError(f"--entity {text!r} is no entity: write customer:c-17")
    return Subject(kind, identity)


def _about(case: Case, about: Sequence[Subject]) -> str:
    named = [f"{one.entity_type} {one.entity_id}" for one in about]
    return ", ".join(named if case.subjects else ["split payments", *named])


def _say_case(case: Case, about: Sequence[Subject]) -> None:
    totals = case.totals
    screen.show(f"{case.id}  {case.state}  version {case.version}", "bold")
    screen.show(f"About {_about(case, about)}, in queue {case.queue}")
    screen.show(
        f"{totals.payments:,} payments, {_sums(totals.amounts)}, expected loss "
        f"{_sums(totals.losses)}, highest score {totals.score:.0f}"
    )
    screen.show(f"Due {screen.format_time(case.due_ms)}; assigned to {case.assignee or 'nobody'}")
    if case.reasons:
        screen.show(f"Reasons: {', '.join(case.reasons)}")
    if case.proposal is not None:
        screen.show(f"{case.proposed_by} proposes {case.proposal.disposition}: somebody else has to agree")
    if case.finding is not None:
        kind = f" ({case.finding.typology})" if case.finding.typology else ""
        screen.show(f"Closed as {case.finding.disposition}{kind} by {case.finding.by}")


def _told(event: CaseEvent) -> tuple[str, str]:
    fields: dict[str, Any] = msgspec.to_builtins(event.change)
    kind = fields.pop("kind")
    if kind == "joined":
        return kind, fields["payment"]["transaction_id"]
    if kind == "opened":
        return kind, f"in queue {fields['queue']}"
    told = {name: value for name, value in fields.items() if value not in (None, [], "")}
    return kind, ", ".join(
        f"{name} {len(value) if isinstance(value, list) else value}" for name, value in told.items()
    )


def say_done(case: Case, *, json: bool) -> None:
    """Show what became of a case."""
    if json:
        screen.show_json(case)
        return
    screen.show(f"{case.id} is {case.state}, at version {case.version}.")
    if case.state is CaseState.PROPOSED:
        screen.show("A second person has to agree: ringfence cases approve " + case.id)


def _sums(by_currency: Mapping[str, float]) -> str:
    """Amounts by currency, which nobody adds up."""
    return " + ".join(
        f"{amount:,.2f} {currency}".rstrip() for currency, amount in sorted(by_currency.items())
    )
