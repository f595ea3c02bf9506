"""The `ringfence` command. `run` begins without loading what only other commands need."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ringfence.cli.program import finish, new_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer


def main() -> None:
    """The `ringfence` command."""
    arguments = sys.argv[1:]
    sys.exit(finish(program_for(arguments), arguments))


def program_for(arguments: Sequence[str]) -> typer.Typer:
    """The program, with at least the command that these arguments name."""
    if arguments[:1] != ["run"]:
        from ringfence.cli.main import app  # noqa: PLC0415 (loads every command)

        return app
    from ringfence.cli.run import run  # noqa: PLC0415 (loads this one)

    alone = new_app()
    alone.callback()(_group)
    alone.command()(run)
    return alone


def _group() -> None:
    """Keeps the command's name: without it a program of one command has none."""
