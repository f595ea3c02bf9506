"""`ringfence quarantine`: bad records, looked at and tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ringfence.cli.deciding.run import EXIT_QUARANTINED
from ringfence.cli.terminal import options, screen
from ringfence.compose.deciding.session import open_session
from ringfence.compose.folder.store import open_store
from ringfence.errors import InputError
from ringfence.events.mapping import load_mapping
from ringfence.ports import SETTLED
from ringfence.saving import Snapshotting
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from ringfence.compose.deciding.session import Session
    from ringfence.ports import QuarantinedRecord

app = typer.Typer(no_args_is_help=True, help="Quarantined records: show them, retry them.")


@app.command("list")
def list_records(
    data: options.Data = None,
    reason: Annotated[str | None, typer.Option(help="With this reason.", metavar="REASON")] = None,
    source: Annotated[str | None, typer.Option(help="Only from this source.", metavar="SOURCE")] = None,
    waiting: Annotated[bool, typer.Option(help="Only those that have not been retried.")] = False,
    limit: Annotated[int, typer.Option(help="Maximum number of rows.", min=1)] = 50,
    json: options.Json = False,
) -> None:
    """List quarantined records, newest first, with their source and the reason.

    Example: ringfence quarantine list --reason unparsable_time
    """
    with open_store(options.folder(data), read_only=True) as store:
        records = store.quarantine.records(reason=reason, source=source, waiting=waiting, limit=limit)
        counts = store.quarantine.counts()
    if json:
        for record in records:
            screen.show_json(_plain(record))
        return
    total = sum(count for count, _ in counts.values())
    left = sum(unread for _, unread in counts.values())
    screen.show(f"{total:,} {'record' if total == 1 else 'records'}, {left:,} await a retry", "bold")
    rows = [
        (
            record.id,
            f"{record.source}:{record.position}",
            record.reason,
            record.message,
            record.outcome or "waits",
        )
        for record in records
    ]
    if rows:
        screen.show_table(["id", "where", "reason", "message", "state"], rows)


@app.command()
def show(
    record_id: Annotated[str, typer.Argument(help="Id, or the beginning of it.", metavar="ID")],
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Show one quarantined record with its original bytes. Card numbers are replaced by tokens.

    Example: ringfence quarantine show 3f1b
    """
    with open_store(options.folder(data), read_only=True) as store:
        record = store.quarantine.get(record_id)
    if json:
        screen.show_json(_plain(record))
        return
    screen.show(f"{record.id}  {record.reason}", "bold")
    screen.show(f"{record.source}, position {record.position}, mapping {record.mapping}")
    screen.show(f"received {screen.format_time(record.received_ms)} UTC")
    screen.show(record.message)
    if record.outcome:
        screen.show(f"tried again {screen.format_time(record.replayed_ms)} UTC: {record.outcome}")
    screen.show()
    for line in record.original.decode("utf-8", "backslashreplace").splitlines():
        screen.show(line)


@app.command()
def replay(
    record_ids: Annotated[
        list[str] | None, typer.Argument(help="Their ids.", metavar="[ID...]", show_default=False)
    ] = None,
    data: options.Data = None,
    every: Annotated[bool, typer.Option("--all", help="All records that are still in quarantine.")] = False,
    mapping: Annotated[
        str | None,
        typer.Option(
            help="Mapping to read them with. [default: the one they came with]",
            metavar="NAME|FILE",
            show_default=False,
        ),
    ] = None,
    features: options.Features = None,
    rules: options.Rules = None,
    json: options.Json = False,
) -> None:
    """Try bad records again, oldest first, after what was wrong with them has been put right.

    What can be read now is decided like any other event. Exit code 4 says that some are still bad.

    Example: ringfence quarantine replay --all --mapping till.toml
    """
    if bool(record_ids) == every:
        raise InputError("name the records to replay, or --all for those that wait")
    given = load_mapping(mapping) if mapping else None
    found = options.definitions(features, rules)
    approval = load_settings().rules_need_approval
    with open_session(options.folder(data), found, Snapshotting(), require_approval=approval) as session:
        outcomes = session.replay_desk(mapping=given).replay(
            _chosen(session, record_ids), lambda record, error: screen.say(f"{record.id}: {error}")
        )
    if json:
        screen.show_json(dict(outcomes))
    else:
        screen.show(f"{outcomes.total():,} records tried again", "bold")
        screen.show_table(["what became of them", "records"], outcomes.most_common(), ["records"])
    if set(outcomes) - SETTLED:
        raise typer.Exit(EXIT_QUARANTINED)


def _chosen(session: Session, record_ids: list[str] | None) -> list[QuarantinedRecord]:
    """These records, or all that have not become events yet, the oldest first."""
    quarantine = session.store.quarantine
    if record_ids:
        return [quarantine.get(record_id) for record_id in record_ids]
    return quarantine.unsettled()


def _plain(record: QuarantinedRecord) -> dict[str, Any]:
    plain = msgspec.to_builtins(record, builtin_types=(bytes,))
    plain["original"] = record.original.decode("utf-8", "backslashreplace")
    found: dict[str, Any] = plain
    return found
