"""`ringfence lists`: allow, block and watch lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.backends import desks
from ringfence.cli.deciding.run import EXIT_QUARANTINED
from ringfence.cli.terminal import options, screen
from ringfence.errors import InputError
from ringfence.rulebook.entries import Entry
from ringfence.scoring.rulesets.actions import ListKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.analysis.list_history import ListChange
    from ringfence.rulebook.entries import ListResult

app = typer.Typer(no_args_is_help=True, help="Allow, block and watch lists: show, change, audit.")

Name = Annotated[str, typer.Argument(help="Name of the list.", metavar="LIST")]
Ids = Annotated[
    list[str], typer.Argument(help="Ids. A card may be given by its number or its token.", metavar="ID...")
]
EntityType = Annotated[
    str | None,
    typer.Option("--entity", help="card, customer, merchant, device, ... [default: whatever has the id]"),
]
Kind = Annotated[ListKind, typer.Option("--kind", help="What the list does: allow, block or watch.")]
Limit = Annotated[int, typer.Option(help="Maximum number of rows.", min=1, max=1000)]


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(help="One list's entries. [default: all lists]")] = None,
    limit: Limit = 100,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Show all lists, or the entries of one list, newest first.

    Example: ringfence lists show stolen
    """
    with desks.reading(server, data) as desk:
        if name is None:
            found = desk.lists()
            if json:
                screen.show_json(found)
                return
            rows = [
                (one.name, one.kind, one.entries, one.ended, screen.format_time(one.changed_ms))
                for one in found
            ]
            screen.show_table(["list", "kind", "entries", "ended", "last change"], rows, ["entries", "ended"])
            return
        entries = desk.entries(name, limit)
    with options.people(data, server) as person:
        _show_changes(entries, person, json=json, history=False)


@app.command()
def add(
    name: Name,
    ids: Ids,
    kind: Kind = ListKind.WATCH,
    entity: EntityType = None,
    expires: Annotated[
        str | None, typer.Option(help="Expiry, such as 2030-01-01. [default: never]", metavar="TIME")
    ] = None,
    note: desks.Note = "",
    source: Annotated[str | None, typer.Option(help="Source of the entry, such as consortium.")] = None,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Add entries to a list. The change takes effect with the next event.

    Example: ringfence lists add stolen d-5 d-9 --kind block --entity device --note "seen in three attacks"
    """
    entries = [Entry(one, entity, None, expires, note or None, source) for one in ids]
    with desks.writing(server, data, author) as desk:
        done = desk.add(name, kind, entries)
    _show_result(done, "on", name, json=json)


@app.command()
def remove(
    name: Name,
    ids: Ids,
    entity: EntityType = None,
    note: desks.Note = "",
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Remove entries from a list. The change takes effect with the next event.

    Example: ringfence lists remove stolen d-5 --entity device --note "a mistake"
    """
    entries = [Entry(one, entity, None, None, note or None) for one in ids]
    with desks.writing(server, data, author) as desk:
        done = desk.remove(name, entries)
    _show_result(done, "off", name, json=json)


@app.command("import")
def import_file(
    name: Name,
    file: Annotated[Path, typer.Argument(help="CSV with a header; entity_id is needed.", metavar="FILE")],
    kind: Kind = ListKind.WATCH,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Add all rows of a CSV file to a list. A bad row is reported with its line; the others are added.

    Columns: entity_id, and any of entity_type, list_kind, expires_at, note, source. Exit code 4 where some
    rows were refused.

    Example: ringfence lists import stolen devices.csv --kind block
    """
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): give a CSV file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text: save it as UTF-8") from error
    with desks.writing(server, data, author) as desk:
        done = desk.import_csv(name, kind, text)
    _show_result(done, "on", name, json=json)


@app.command()
def audit(
    name: Annotated[str | None, typer.Argument(help="One list. [default: all]")] = None,
    limit: Limit = 100,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Show every change of a list, newest first: who made it, when and why.

    Example: ringfence lists audit stolen
    """
    with desks.reading(server, data) as desk:
        changes = desk.audit(name, limit)
    with options.people(data, server) as person:
        _show_changes(changes, person, json=json, history=True)


def _show_result(done: ListResult, where: str, name: str, *, json: bool) -> None:
    if json:
        screen.show_json(done)
    else:
        screen.show(f"{done.taken:,} {where} list {name!r}, from the next event on.")
        for refused in done.refused:
            screen.say(f"Refused, line {refused.line}: {refused.problem}")
        for warning in done.warnings:
            screen.say(f"Note: {warning}.")
    if done.refused:
        raise typer.Exit(EXIT_QUARANTINED)


def _show_changes(
    changes: list[ListChange], person: Callable[[str | None], str], *, json: bool, history: bool
) -> None:
    if json:
        for change in changes:
            screen.show_json(change)
        return
    rows = [
        (
            screen.format_time(change.at_ms),
            *((change.list, "off" if change.removed else "on") if history else ()),
            change.kind,
            change.entity_type or "any",
            change.entity_id,
            screen.format_time(change.expires_at_ms),
            person(change.author),
            change.source,
            change.note,
        )
        for change in changes
    ]
    first = ["since", *(["list", "on or off"] if history else [])]
    screen.show_table([*first, "kind", "entity", "id", "until", "author", "source", "note"], rows)
