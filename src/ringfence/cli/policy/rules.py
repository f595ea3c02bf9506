"""`ringfence rules`: rule books."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ringfence.analysis.needed_fields import never_given
from ringfence.cli.backends import desks
from ringfence.cli.deciding.run import choose_mapping
from ringfence.cli.policy import importing, rulebook
from ringfence.cli.terminal import options, screen
from ringfence.compose.clock import now_ms
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.rules import stored_rates
from ringfence.compose.deciding.sent_to_job import refused_by_job
from ringfence.compose.files import given
from ringfence.compose.folder.store import has_store
from ringfence.errors import InputError, RuleError
from ringfence.ports.mappings import Given
from ringfence.rulebook import checking
from ringfence.scoring.rulesets.books import load_book
from ringfence.scoring.rulesets.possible import check_possible
from ringfence.scoring.rulesets.reason_texts import check_texts
from ringfence.scoring.rulesets.rules import compile_rules
from ringfence.scoring.rulesets.ruleset import RuleSet
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

Source = Annotated[
    str | None,
    typer.Option(help="A file of payments: rules that go by what it never gives are named.", metavar="FILE"),
]

app = typer.Typer(no_args_is_help=True, help="Rule books: check a file; show and change the live book.")
for _command in (
    *(rulebook.show, rulebook.versions, rulebook.diff, rulebook.save, rulebook.mode, rulebook.approve),
    *(rulebook.reject, rulebook.activate, rulebook.rollback, rulebook.shadow),
):
    app.command()(_command)
app.command("import")(importing.import_rules)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The rule book.", metavar="FILE")],
    features: options.Features = None,
    data: options.Data = None,
    source: Source = None,
    mapping: options.Mapping = None,
    json: options.Json = False,
) -> None:
    """Compile a rule book against the features in use; each error points at the character.

    What can never be true is an error by itself, such as model.probability > 80. Where the data folder has
    decisions, every rule and each part of it is tried on the newest payments, with no list or profile: the
    table says how often each was true, and why one never was. With --source, rules that go by a field which
    the payments of a file never have are named. Exit code 2 where the book has errors.

    Example: ringfence rules check rules.yaml --data ringfence-data

    Example: ringfence rules check rules.yaml --source payments.csv
    """
    definitions = load_definitions(options.features_file(features), None)
    spec, where = definitions.spec, options.folder(data)

    def vet(ruleset: RuleSet) -> None:
        compile_rules(ruleset, spec)
        check_possible(ruleset, spec)
        check_texts(ruleset, spec)

    found = checking.check(
        rulebook.read_book(file),
        vet,
        lambda ruleset: stored_rates(where, spec, ruleset),
        str(file),
        _lists_in(data) if has_store(where) else None,
        refused_by_job,
    )
    if source is not None and not found.faults:
        book = load_book(rulebook.read_book(file), str(file))
        missing = never_given(book, spec, _given(source, mapping).names)
        found = msgspec.structs.replace(found, warnings=[*found.warnings, *_told(missing, source)])
    if json:
        screen.show_json(found)
    else:
        _show_checked(found, file, definitions.spec_origin)
    if found.faults:
        raise typer.Exit(RuleError.exit_code)


def _lists_in(data: Path | None) -> Callable[[], list[str]]:
    def names() -> list[str]:
        with desks.reading(None, data) as desk:
            return [one.name for one in desk.lists()]

    return names


def _show_checked(found: checking.Checked, file: Path, origin: str) -> None:
    for fault in found.faults:
        place = f"{file}, line {fault.line}: " if fault.rule and fault.line else ""
        screen.say(f"Error: {place}{fault.problem}")
    for warning in found.warnings:
        screen.say(f"Warning: {warning}")
    if found.digest is not None:
        active, shadow = found.modes["active"], found.modes["shadow"]
        total = sum(found.modes.values())
        screen.show(
            f"{file}: {total} rules compile against {origin}: {active} active, {shadow} shadow, "
            f"{total - active - shadow} at rest. Version {found.digest}"
        )
    if found.rates and found.rates[0].judged:
        _show_rates(found.rates)


def _show_rates(rates: list[checking.Rate]) -> None:
    """Each rule, and under it the parts of a condition that has several, or that never was true."""
    screen.show()
    screen.show(f"True of the newest {rates[0].judged:,} payments", "bold")
    rows: list[tuple[object, ...]] = []
    for rate in rates:
        rows.append((rate.rule, rate.fired, f"{100 * rate.share:.2f} %", _together(rate)))
        rows += [
            (f"  {part.text}", part.fired, f"{100 * part.fired / rate.judged:.2f} %", part.why)
            for part in rate.parts
            if len(rate.parts) > 1 or part.why
        ]
    screen.show_table(["rule, and its parts", "true", "share", "why never"], rows, ["true", "share"])


def _together(rate: checking.Rate) -> str:
    alone = len(rate.parts) > 1 and not rate.fired and all(part.fired for part in rate.parts)
    return "each part was true, never together" if alone else ""


@app.command("list")
def list_rules(
    features: options.Features = None,
    rules: options.Rules = None,
    source: Source = None,
    mapping: options.Mapping = None,
    json: options.Json = False,
) -> None:
    """List the rules of a file, or of the shipped book, and the reason for each rule that is left out.

    With --source, rules that go by a field which the payments of a file never have are named. What decides in
    a data folder may have been edited since: `ringfence rules show`.

    Example: ringfence rules list --json

    Example: ringfence rules list --source payments.csv
    """
    found = load_definitions(options.features_file(features), options.rules_file(rules))
    left_out = {left.rule.id: left.why for left in found.left_out}
    book = found.rules.ruleset
    given = None if source is None else _given(source, mapping)
    missing = {} if given is None else never_given(book, found.spec, given.names)
    if json:
        for rule in book.rules:
            told = {"left_out": left_out.get(rule.id)}
            more = {} if source is None else {"never_given": missing.get(rule.id, [])}
            screen.show_json(msgspec.to_builtins(rule) | told | more)
        return
    screen.show(f"{found.rules_origin}, version {book.digest}, on {found.spec_origin}", "bold")
    rows = [
        (
            *(r.id, "left out" if r.id in left_out else r.mode, r.outcome, f"{r.points:g}", r.title),
            *([] if source is None else [", ".join(missing.pop(r.id, []))]),
        )
        for r in book.rules
    ]
    titles = ["rule", "mode", "outcome", "points", "what it finds"]
    screen.show_table([*titles, *([] if source is None else ["never given"])], rows, ["points"])
    for why in left_out.values():
        screen.say(f"Left out: {why}")
    for warning in _told(missing, source):
        screen.say(f"Warning: {warning}")


def _given(source: str, mapping: str | None) -> Given:
    found = given(source, choose_mapping(mapping or load_settings().mapping, [source]), now_ms())
    if not found.transactions:
        raise InputError(f"{source} has no payment that can be read: `ringfence sources --explain {source}`")
    return found


def _told(missing: dict[str, list[str]], source: str | None) -> list[str]:
    return [
        f"rule {rule!r} goes by {' and '.join(fields)}, which no payment in {source} has"
        for rule, fields in missing.items()
    ]
