"""`ringfence sources`: how columns become fields."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ringfence.cli.terminal import options, screen
from ringfence.compose.clock import now_ms
from ringfence.compose.drafts import draft_mapping
from ringfence.compose.files import explain, sniff
from ringfence.errors import InputError
from ringfence.events.mapping import SHIPPED, Description, describe_mappings, load_mapping
from ringfence.events.values.vocabulary import nearest
from ringfence.ports.mappings import MappingDraft, Question


def sources(
    name: Annotated[
        str | None, typer.Argument(help="A shipped mapping.", metavar="[NAME]", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--sniff", help="Detect what this file seems to be.", metavar="FILE")
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
            "--explain", help="Show what --mapping makes of this file, field by field.", metavar="FILE"
        ),
    ] = None,
    mapping: options.Mapping = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(
            help="Decide what --draft cannot: a field's column, or what a warning names. Repeatable.",
            metavar="FIELD=COLUMN",
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """List the shipped mappings, explain one, or detect the format of a file.

    A mapping of your own is a TOML file; docs/howto/sources.md has all that it can say. --draft writes a
    first one: what each column seems to be, by its name and values. It tries the mapping on the file, shows
    three values of each field as they will be stored, and asks where two columns or two meanings are
    plausible (without a terminal it takes the likelier one and warns). It never writes a mapping that would
    refuse the file. --explain reads the first 2,000 rows by a mapping and keeps nothing: for each field it
    shows what it reads and three values as they would be stored, then what is refused and why.

    Example: ringfence sources --sniff payments.csv --draft payments.toml --answer event_time=paid_at

    Example: ringfence sources --explain payments.csv --mapping payments.toml
    """
    if explained is not None:
        _show_explained(str(explained), mapping, json=json)
        return
    if draft is not None:
        _write_draft(file, draft, _answers(answer or []))
    elif answer:
        raise InputError("--answer settles questions of --draft: add --draft NEW.toml")
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


def _answers(given: list[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    for name, sign, value in pairs:
        if not (name and sign and value):
            raise InputError(f"--answer {name}: write FIELD=COLUMN, such as --answer event_time=paid_at")
    return {name.strip(): value for name, _, value in pairs}


def _write_draft(file: Path | None, draft: Path, answers: dict[str, str]) -> None:
    if file is None:
        raise InputError("--draft needs a file to look at: ringfence sources --sniff FILE --draft NEW.toml")
    if draft.exists():
        raise InputError(f"{draft} is there already: name another")
    made = _drafted(file, draft, answers)
    try:
        draft.write_text(made.text, "utf-8")
    except OSError as error:
        raise InputError(f"{draft} cannot be written ({error.strerror}): name another place") from error
    screen.show(made.text.rstrip())
    screen.show()
    rows = [(one.field, one.reads, " | ".join(one.values), one.runner_up) for one in made.choices]
    screen.show_table(["field", "read from", "as it will be stored", "runner-up"], rows)
    for remark in (*made.remarks, *(question.told for question in made.questions)):
        screen.say(f"Check: {remark}")
    screen.say(
        f"Written to {draft}: tried on {made.rows:,} rows, {made.refused:,} of them refused. Every line is a "
        f"guess: read it, then ringfence run {file} --mapping {draft}"
    )


def _drafted(file: Path, draft: Path, answers: dict[str, str]) -> MappingDraft:
    """The draft, with every question answered where somebody sits at a terminal."""
    while True:
        made = draft_mapping(str(file), draft.stem, now_ms=now_ms(), answers=answers)
        if not made.questions or not screen.asks():
            return made
        question = made.questions[0]
        answers = {**answers, question.key: _asked(question)}


def _asked(question: Question) -> str:
    screen.say(f"{question.text}.")
    for number, words in enumerate(question.words, 1):
        screen.say(f"  {number}  {words}")
    while True:
        chosen = int(typer.prompt("Which", default=1, type=int, err=True))
        if 1 <= chosen <= len(question.answers):
            return question.answers[chosen - 1]
        screen.say(f"{chosen} is none of these: a number from 1 to {len(question.answers)}.")


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
    found = explain(path, load_mapping(name), now_ms())
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
