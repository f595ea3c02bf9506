"""`ringfence sources`: how columns become fields."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ringfence.adapters.files import draft_mapping, explain, sniff
from ringfence.cli import options, screen
from ringfence.compose import SystemClock
from ringfence.errors import InputError
from ringfence.events.mapping import SHIPPED, Description, describe_mappings, load_mapping
from ringfence.events.vocabulary import nearest


def sources(
    name: Annotated[
        str | None, typer.Argument(help="A shipped mapping.", metavar="[NAME]", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--sniff", help="Say what this file seems to be.", metavar="FILE")
    ] = None,
    draft: Annotated[
        Path | None,
        typer.Option(
            help="Write a first mapping for the file of --sniff, to be checked.", metavar="NEW.toml"
        ),
    ] = None,
    explained: Annotated[
        Path | None,
        typer.Option(
            "--explain", help="Say what --mapping makes of this file, field by field.", metavar="FILE"
        ),
    ] = None,
    mapping: options.Mapping = None,
    json: options.Json = False,
) -> None:
    """List the shipped mappings, explain one, or tell what a file seems to be.

    A mapping of your own is a TOML file; docs/howto/sources.md has all that it can say. --draft writes a
    first one: what each column seems to be, by its name and values. --explain reads the first 2,000 rows by
    a mapping and keeps nothing: for each field it shows what it reads and three values as they would be
    stored, then what is refused and why.

    Example: ringfence sources --sniff payments.csv --draft payments.toml
    Example: ringfence sources --explain payments.csv --mapping payments.toml
    """
    if explained is not None:
        _show_explained(str(explained), mapping, json=json)
        return
    if draft is not None:
        _write_draft(file, draft)
    elif file is not None:
        _show_sniffed(str(file), json=json)
    if file is not None or draft is not None:
        return
    found = describe_mappings()
    if name is not None:
        found = [item for item in found if item.name == name]
        if not found:
            raise InputError(f"no mapping {name!r}{nearest(name, SHIPPED)}: one of {', '.join(SHIPPED)}")
    if json:
        screen.show_json(found)
    elif name is None:
        rows = [(item.name, ", ".join(item.kinds), item.title) for item in found]
        screen.show_table(["mapping", "events", "what it reads"], rows)
    else:
        _explain(found[0])


def _write_draft(file: Path | None, draft: Path) -> None:
    if file is None:
        raise InputError("--draft needs a file to look at: ringfence sources --sniff FILE --draft NEW.toml")
    if draft.exists():
        raise InputError(f"{draft} is there already: name another")
    made = draft_mapping(str(file), draft.stem)
    draft.write_text(made.text, "utf-8")
    screen.show(made.text.rstrip())
    for remark in made.remarks:
        screen.say(f"Check: {remark}")
    screen.say(
        f"Written to {draft}. Every line is a guess: read it, then ringfence run {file} --mapping {draft}"
    )


def _explain(item: Description) -> None:
    screen.show(f"{item.name}: {item.title}", "bold")
    screen.show(textwrap.fill(" ".join(item.about.split()), 100))
    screen.show()
    screen.show(f"events: {', '.join(item.kinds)}")
    screen.show(textwrap.fill(f"columns: {', '.join(item.columns)}", 100, subsequent_indent="  "))


def _show_explained(path: str, mapping: str | None, *, json: bool) -> None:
    name = mapping or sniff(path).mapping
    if name is None:
        raise InputError(f"no shipped mapping fits {path}: name one with --mapping, or make one with --draft")
    found = explain(path, load_mapping(name), SystemClock().now_ms())
    if json:
        screen.show_json(msgspec.to_builtins(found))
        return
    screen.show(f"{found.path} by mapping {found.mapping}: {found.events:,} events of the first rows", "bold")
    rows = [
        (f"{one.kind}.{one.field}", one.reads, " | ".join(one.values) or "nothing", one.filled)
        for one in found.fields
    ]
    screen.show_table(["field", "reads", "as stored", "filled"], rows, ["filled"])
    if found.skipped:
        screen.show(f"{found.skipped:,} rows skipped, as the mapping says")
    for reason, count in sorted(found.counts.items(), key=lambda item: -item[1]):
        screen.say(f"{count:,} refused as {reason}, the first: {found.refused[reason]}")


def _show_sniffed(path: str, *, json: bool) -> None:
    found = sniff(path)
    if json:
        screen.show_json(msgspec.to_builtins(found))
        return
    packing = f", packed with {found.packing}" if found.packing else ""
    screen.show(f"{found.path}: {found.format}{packing}", "bold")
    screen.show(f"mapping: {found.mapping or 'none of the shipped ones'}")
    for reason in found.reasons:
        screen.show(f"  because {reason}")
    screen.show(textwrap.fill(f"columns: {', '.join(found.columns)}", 100, subsequent_indent="  "))
    if found.dropped:
        screen.say(f"Never kept, because nobody may: {', '.join(found.dropped)}")
    if found.mapping is None:
        screen.say(f"A first mapping for it: ringfence sources --sniff {path} --draft NEW.toml")
