"""`ringfence doctor`: whether everything that a project needs is there and sound, and what to do if not."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.setup.checks import Check, State, all_checks
from ringfence.cli.terminal import options, screen

_STYLES = {State.FINE: "green", State.NOTE: "yellow", State.BAD: "red"}


def doctor(
    data: options.Data = None,
    features: options.Features = None,
    rules: options.Rules = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port that `ringfence serve` is to use. [default: as serve]", min=0, max=65535),
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read the whole log, not only its ends.")] = False,
    messages: Annotated[
        bool,
        typer.Option("--messages", help="Send a test message to every destination; say what it answers."),
    ] = False,
    json: options.Json = False,
) -> None:
    """Check the installation: versions, clock, disk, settings, definitions, store, models, port.

    Changes nothing, and may run beside a server. Nobody gets a message without --messages. Exit codes: 0
    all is well, or worth a note; 1 something is broken: what to do stands beside it.

    Example: ringfence doctor --deep
    """
    found: list[Check] = []
    for check in all_checks(data, features, rules, port, deep=deep, messages=messages):
        found.append(check)
        if not json:
            screen.show(f"{check.state:5} {check.part}: {check.said}", _STYLES[check.state])
            if check.remedy:
                screen.show(f"      {check.remedy}")
    broken = sum(check.state is State.BAD for check in found)
    if json:
        screen.show_json([dict(check._asdict()) for check in found])
    else:
        screen.show(f"{broken} of {len(found)} parts need you." if broken else "All is well.", "bold")
    if broken:
        raise typer.Exit(1)
