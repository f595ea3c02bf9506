"""`ringfence rules`, as far as it is about the live book."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ringfence.cli.backends import desks, sheets
from ringfence.cli.terminal import options, screen
from ringfence.errors import InputError, RuleError
from ringfence.events.values.texts import read_text
from ringfence.rulebook.wire import ImpactOf
from ringfence.scoring.rulesets.outcomes import Mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.rulebook.changes import Activation, Change
    from ringfence.rulebook.desk import BookState
    from ringfence.rulebook.difference import Difference
    from ringfence.rulebook.shadow import ShadowReport
    from ringfence.rulebook.wire import Saved

_MARK: Final = "# Based on version "
Version = Annotated[str, typer.Argument(help="A version (its first digits are enough), or active, or head.")]
Activate = Annotated[bool, typer.Option("--activate", help="Activate the version at once.")]


def show(
    version: Version = "active",
    server: desks.Server = None,
    data: options.Data = None,
    yaml: Annotated[bool, typer.Option("--yaml", help="The whole book, to be edited and saved.")] = False,
    json: options.Json = False,
) -> None:
    """Show the rules of the live book: those in force, or another version's.

    Example: ringfence rules show --yaml
    """
    with desks.reading(server, data) as desk:
        found = desk.version(version)
    if json:
        screen.show_json(found)
        return
    if yaml:
        screen.show(f"{_MARK}{found.change.digest}\n{found.text}".rstrip())
        return
    state = "in force" if found.in_force else "not in force"
    with options.people(data, server) as person:
        author = person(found.change.author)
    screen.show(f"version {found.change.digest}, {state}, by {author}", "bold")
    rows = [(r.id, r.mode, r.outcome, f"{r.points:g}", r.title) for r in found.rules.every_rule]
    screen.show_table(["rule", "mode", "outcome", "points", "what it finds"], rows, ["points"])


def versions(server: desks.Server = None, data: options.Data = None, json: options.Json = False) -> None:
    """List the versions of the live rule book, newest first, with author, time, note and reviewer.

    Example: ringfence rules versions
    """
    with desks.reading(server, data) as desk:
        state = desk.state()
    with options.people(data, server) as person:
        _show_versions(state, person, json=json)


def _show_versions(state: BookState, person: Callable[[str | None], str], *, json: bool) -> None:
    if json:
        screen.show_json({"active": state.active, "head": state.head, "changes": state.changes})
        return
    rows = [
        (
            change.number,
            change.digest,
            "in force" if change.digest == state.active else _review(change),
            screen.format_time(change.created_ms),
            person(change.author),
            change.origin,
            change.note,
        )
        for change in state.changes
    ]
    screen.show_table(["", "version", "state", "saved", "author", "by", "note"], rows)
    screen.show()
    screen.show("In force, newest first", "bold")
    history = [
        (one.digest, one.offset, screen.format_time(one.time_ms), person(one.author), one.note)
        for one in state.activations
    ]
    screen.show_table(["version", "from offset", "since", "author", "note"], history, ["from offset"])


def diff(
    version: Version = "head",
    against: Annotated[
        str | None, typer.Option(help="Compare with this version. [default: the version it is based on]")
    ] = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Show what a version changes.

    Example: ringfence rules diff head --against active
    """
    with desks.reading(server, data) as desk:
        found = desk.version(version, against).difference
    if json:
        screen.show_json(found)
    elif found is None:
        screen.show("This is the first version.")
    else:
        _show_difference(found)


def save(
    file: Annotated[Path, typer.Argument(help="The whole book.", metavar="FILE")],
    based_on: Annotated[
        str | None,
        typer.Option(help="Version that the edit was made on. [default: the one that the file's mark names]"),
    ] = None,
    note: desks.Note = "",
    activate: Activate = False,
    yes: sheets.Yes = False,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Save an edited rule book as a new version. It takes effect once it is activated.

    The version that the edit was made on has to be the newest still: else nothing is saved, and what has
    changed since is shown. `ringfence rules show --yaml` writes a mark that says which it was.

    Example: ringfence rules save rules.yaml --based-on head --note "fewer challenges at night"
    """
    text = read_book(file)
    base = based_on or _marked(text, file)
    with desks.writing(server, data, author) as desk:
        seen = sheets.shown(desk, ImpactOf(text=text), json=json) if activate and not json else None
        saved = sheets.confirmed(
            lambda typed: desk.save(text, base, note, activate=activate, confirm=typed), yes=yes, seen=seen
        )
    _show_saved(saved, json=json)


def mode(
    rule: Annotated[str, typer.Argument(help="Id of the rule or typology.")],
    mode: Annotated[Mode, typer.Argument(help="The new mode.")],
    note: desks.Note = "",
    activate: Activate = False,
    yes: sheets.Yes = False,
    dry_run: sheets.DryRun = False,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Change the mode of a rule: draft, shadow, active, paused or archived. This saves a new version.

    Example: ringfence rules mode card_testing shadow --activate
    """
    with desks.writing(server, data, author) as desk:
        is_asked = dry_run or (activate and not json)
        seen = sheets.shown(desk, ImpactOf(rule=rule, mode=mode), json=json) if is_asked else None
        if dry_run:
            return
        saved = sheets.confirmed(
            lambda typed: desk.set_mode(rule, mode, "head", note, activate=activate, confirm=typed),
            yes=yes,
            seen=seen,
        )
    _show_saved(saved, json=json)


def approve(
    version: Version,
    note: desks.Note = "",
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Approve somebody else's version.

    Example: ringfence rules approve head --note "looks right"
    """
    _review_it(version, note, author, server, data, approve=True, json=json)


def reject(
    version: Version,
    note: desks.Note = "",
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Reject a version. The next edit starts from the version before it.

    Example: ringfence rules reject head --note "stops too many"
    """
    _review_it(version, note, author, server, data, approve=False, json=json)


def activate(
    version: Version,
    note: desks.Note = "",
    yes: sheets.Yes = False,
    dry_run: sheets.DryRun = False,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Activate a version of the rule book. It takes effect with the next event; nothing is restarted.

    First it shows what would change for recent payments. Where that is more than `confirm_share` and
    `confirm_money` of ringfence.toml allow, it asks for a confirmation.

    Example: ringfence rules activate head
    """
    with desks.writing(server, data, author) as desk:
        seen = sheets.shown(desk, ImpactOf(version=version), json=json) if dry_run or not json else None
        if dry_run:
            return
        done = sheets.confirmed(lambda typed: desk.activate(version, note, typed), yes=yes, seen=seen)
    _show_activation(done, json=json)


def rollback(
    version: Annotated[
        str | None, typer.Argument(help="An earlier version. [default: the previous one]")
    ] = None,
    note: desks.Note = "",
    yes: sheets.Yes = False,
    dry_run: sheets.DryRun = False,
    author: desks.Author = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Roll back to an earlier version. Impact and confirmation are as of `rules activate`.

    Example: ringfence rules rollback --note "too many challenges"
    """
    with desks.writing(server, data, author) as desk:
        seen = (
            sheets.shown(desk, ImpactOf(version=version, rollback=True), json=json)
            if dry_run or not json
            else None
        )
        if dry_run:
            return
        done = sheets.confirmed(lambda typed: desk.roll_back(version, note, typed), yes=yes, seen=seen)
    _show_activation(done, json=json)


def shadow(
    since: Annotated[str | None, typer.Option(help="Payments from this time on.", metavar="TIME")] = None,
    until: Annotated[str | None, typer.Option(help="Payments before this time.", metavar="TIME")] = None,
    server: desks.Server = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Show what would have changed if the shadow rules had been active, together and one by one.

    Precision is of the payments that a label tells of, and so of those that were let through more than of
    those that were declined.

    Example: ringfence rules shadow --since 2024-05-01
    """
    bounds = options.parse_time_ms(since, "--since"), options.parse_time_ms(until, "--until")
    with desks.reading(server, data) as desk:
        report = desk.shadow(*bounds)
    if json:
        screen.show_json(report)
    else:
        _show_shadow(report)


def _review_it(
    version: str,
    note: str,
    author: str | None,
    server: str | None,
    data: Path | None,
    *,
    approve: bool,
    json: bool,
) -> None:
    with desks.writing(server, data, author) as desk:
        change = desk.review(version, note, approve=approve)
    if json:
        screen.show_json(change)
    else:
        with options.people(data, server) as person:
            author, reviewer = person(change.author), person(change.reviewer)
        screen.show(f"Version {change.digest} of {author} is {_review(change)} by {reviewer}.")


def _review(change: Change) -> str:
    return {True: "approved", False: "rejected", None: "waits for approval"}[change.approved]


def read_book(file: Path) -> str:
    """The text of a rule book; `InputError` or `RuleError` where there is none."""
    try:
        return read_text(file)
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): a rule book is a YAML file") from error
    except UnicodeDecodeError as error:
        raise RuleError(f"{file} is not UTF-8 text: save it as UTF-8") from error


def _marked(text: str, file: Path) -> str:
    found = re.search(rf"^{_MARK}([0-9a-f]+)\s*$", text, re.MULTILINE)
    if found is None:
        raise InputError(
            f"{file} does not say which version it is based on: name it with --based-on, such as --based-on "
            "head, or begin with `ringfence rules show --yaml`"
        )
    return found[1]


def _show_saved(saved: Saved, *, json: bool) -> None:
    if json:
        screen.show_json(saved)
        return
    for warning in saved.warnings:
        screen.say(f"Warning: {warning}")
    digest = saved.change.digest
    if saved.activation is not None:
        screen.show(f"Version {digest} is saved.")
        _show_activation(saved.activation, json=False)
    elif saved.change.approved:
        screen.show(f"Version {digest} is saved. Put it in force with `ringfence rules activate {digest}`.")
    else:
        screen.show(
            f"Version {digest} is saved. Somebody else has to run `ringfence rules approve {digest}`."
        )


def _show_activation(done: Activation, *, json: bool) -> None:
    if json:
        screen.show_json(done)
    else:
        screen.show(f"Version {done.digest} decides from offset {done.offset:,} of the log on.")


def _show_difference(found: Difference) -> None:
    for line in found.text.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        screen.show(line, style)
    if found.reordered:
        screen.show("Rules that both have stand in another order.")


def _show_shadow(report: ShadowReport) -> None:
    screen.show(
        f"{report.payments:,} payments in {report.days:.1f} days with shadow rules: {report.changed:,} would "
        f"have had another outcome, {report.more_alerts_per_day:+.1f} alerts a day on top of "
        f"{report.alerts_per_day:.1f}",
        "bold",
    )
    columns = ["had \\ would have had", *report.matrix]
    screen.show_table(columns, [(name, *row.values()) for name, row in report.matrix.items()], columns[1:])
    if not report.rules:
        screen.show("No payment has been judged while a rule was in shadow.")
        return
    screen.show()
    rows = [
        (
            rule.rule,
            rule.outcome,
            f"{rule.points:g}",
            f"{rule.days:.1f}",
            rule.fired,
            rule.changed,
            f"{rule.alerts_per_day:.1f}",
            rule.labelled,
            "unknown" if rule.precision is None else f"{100 * rule.precision:.1f} %",
        )
        for rule in report.rules
    ]
    names = [
        "rule",
        "outcome",
        "points",
        "days",
        "fired",
        "would change",
        "alerts a day",
        "labelled",
        "precision",
    ]
    screen.show_table(names, rows, names[2:])
