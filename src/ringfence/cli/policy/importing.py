"""`ringfence rules import`: rules of other products."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from ringfence.cli.terminal import options, screen
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.errors import InputError
from ringfence.events.values.texts import read_text
from ringfence.rulebook import foreign
from ringfence.scoring.rulesets.outcomes import Mode, Outcome

_READERS: Final = {"fraud-detector": foreign.read_detector, "fql": foreign.read_fql}
_PRODUCTS: Final = {"fraud-detector": "Amazon Fraud Detector", "fql": "Dynamics 365 Fraud Protection"}
_LIMIT: Final = 5 << 20


def import_rules(
    file: Annotated[Path, typer.Argument(help="The exported rules.", metavar="FILE")],
    source: Annotated[
        Literal["fraud-detector", "fql"],
        typer.Option(
            "--from",
            help="Format: fraud-detector (JSON of `aws frauddetector get-rules`) or fql (rules and "
            "velocities of Dynamics 365 Fraud Protection, as text).",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write the rule book here. [default: print it]", metavar="FILE.yaml")
    ] = None,
    features_out: Annotated[
        Path | None,
        typer.Option(help="Write the features that the rules ask for here.", metavar="FILE.py"),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Maps one of its names to one of yours; repeatable.", metavar="THEIRS=OURS"),
    ] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(help="Maps one of its outcomes to one of yours; repeatable.", metavar="THEIRS=OURS"),
    ] = None,
    mode: Annotated[Mode, typer.Option(help="Mode of the imported rules.")] = Mode.SHADOW,
    all_matched: Annotated[
        bool | None,
        typer.Option(
            "--all-matched/--first-matched",
            help="Whether every rule that matches counts, or the first alone. [default: what the export "
            "says, else the first alone]",
            show_default=False,
        ),
    ] = None,
    features: options.Features = None,
    json: options.Json = False,
) -> None:
    """Translate the rules of another product into a rule book, and name whatever cannot be translated.

    The rules come in shadow mode: they are judged and recorded, and decide nothing before you say so. Each
    of them compiles against the features in use and those that it asks for. The exit code is 4 where
    something was not translated.

    Example: ringfence rules import rules.json --from fraud-detector --out rules.yaml
    """
    wishes = foreign.Wishes(
        names=_pairs(name, "--name"),
        outcomes={theirs: _outcome(ours) for theirs, ours in _pairs(outcome, "--outcome").items()},
        first_matched=None if all_matched is None else not all_matched,
        mode=mode,
    )
    for path in (out, features_out):
        if path is not None and path.exists():
            raise InputError(f"{path} is there already: nothing was changed. Name another file")
    try:
        text = read_text(file, _LIMIT)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file} is not text in UTF-8 (byte {error.start:,}): save it as UTF-8. What `>` wrote in "
            "Windows PowerShell is UTF-16"
        ) from error
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): give the exported rules") from error
    found = _READERS[source](text, wishes)
    foreign.vet(found, load_definitions(options.features_file(features), None).spec)
    book = foreign.book_text(found, source, _PRODUCTS[source])
    if json:
        screen.show_json(foreign.as_data(found))
    elif out is None:
        screen.show(book.rstrip())
    _write(out, book)
    _write(features_out, foreign.features_text(found.features) if found.features else "")
    _tell(found, out, features_out)
    if found.refused:
        raise typer.Exit(4)


def _tell(found: foreign.Imported, out: Path | None, features_out: Path | None) -> None:
    for one in found.refused:
        place = f" (line {one.line}, column {one.column})" if one.line else ""
        shown = one.expression if len(one.expression) <= 160 else one.expression[:160] + "…"
        shown = shown.replace("\n", "\n  ")  # no line of it is one of ours
        screen.say(f"Not translated: {screen.one_line(one.rule)[:160]}{place}: {one.reason}\n  {shown}")
    for note in found.notes:
        screen.say(f"Note: {note}")
    if found.features and features_out is None:
        names = ", ".join(one.feature.name for one in found.features)
        screen.say(f"The rules ask for features of their own: {names}. Write them with --features-out.")
    total = len(found.rules) + len(found.refused)
    into = f" to {out}" if out else ""
    screen.say(f"{len(found.rules)} of {total} translated{into}.")


def _write(path: Path | None, text: str) -> None:
    if path is None or not text:
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from error


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for text in given or ():
        theirs, sign, ours = text.partition("=")
        if not (theirs and sign and ours):
            raise InputError(f"{option} {text[:80]!r}: write THEIRS=OURS")
        pairs[theirs.strip()] = ours.strip()
    return pairs


def _outcome(text: str) -> Outcome:
    if text not in list(Outcome):
        raise InputError(f"--outcome: {text[:40]!r} is none of {', '.join(Outcome)}")
    return Outcome(text)
