"""`ringfence rules`: rule books."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ringfence.cli import options, rulebook, screen
from ringfence.compose import load_definitions

app = typer.Typer(no_args_is_help=True, help="Rule books: check a file; look at the live book and change it.")
for _command in (
    *(rulebook.show, rulebook.versions, rulebook.diff, rulebook.save, rulebook.mode, rulebook.approve),
    *(rulebook.reject, rulebook.activate, rulebook.rollback, rulebook.shadow),
):
    app.command()(_command)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The rule book.", metavar="FILE")],
    features: options.Features = None,
) -> None:
    """Compile a rule book against the features in use; an error points at the character.

    Example: ringfence rules check rules.yaml
    """
    found = load_definitions(options.features_file(features), file)
    active, shadow = len(found.rules.active), len(found.rules.shadow)
    total = len(found.rules.ruleset.rules)
    screen.show(
        f"{file}: {total} rules compile against {found.spec_origin}: {active} active, {shadow} shadow, "
        f"{total - active - shadow} at rest. Version {found.rules.ruleset.digest}"
    )


@app.command("list")
def list_rules(
    features: options.Features = None,
    rules: options.Rules = None,
    json: options.Json = False,
) -> None:
    """List the rules of a file, or else of the shipped book, and those that are left out with the reason.

    What decides in a data folder may have been edited since: `ringfence rules show`.

    Example: ringfence rules list --json
    """
    found = load_definitions(options.features_file(features), options.rules_file(rules))
    left_out = {left.rule.id: left.why for left in found.left_out}
    book = found.rules.ruleset
    if json:
        for rule in book.rules:
            screen.show_json(msgspec.to_builtins(rule) | {"left_out": left_out.get(rule.id)})
        return
    screen.show(f"{found.rules_origin}, version {book.digest}, on {found.spec_origin}", "bold")
    rows = [
        (r.id, "left out" if r.id in left_out else r.mode, r.outcome, f"{r.points:g}", r.title)
        for r in book.rules
    ]
    screen.show_table(["rule", "mode", "outcome", "points", "what it finds"], rows, ["points"])
    for why in left_out.values():
        screen.say(f"Left out: {why}")
