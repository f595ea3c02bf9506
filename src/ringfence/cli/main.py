"""The command line: which commands there are, and how one of them, or all, are loaded."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import version as installed
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ringfence.cli.program import finish, new_app
from ringfence.cli.terminal import screen
from ringfence.compose.lean_start import lean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "run": "deciding.run:run",
        "decisions": "deciding.decisions:decisions",
        "decision": "deciding.decisions:decision",
        "explain": "deciding.explain:explain",
        "sql": "deciding.decisions:sql",
        "views": "deciding.views:app",
        "features": "deciding.features:features",
        "replay": "deciding.replay:replay",
        "backtest": "policy.backtest:backtest",
        "sources": "deciding.sources:sources",
        "topics": "storage.topics:topics",
        "trim": "storage.retention:trim",
        "retention": "storage.retention:retention",
        "backup": "storage.backup:backup",
        "restore": "storage.backup:restore",
        "verify-backup": "storage.backup:verify_backup",
        "accept-loss": "storage.accept_loss:accept_loss",
        "train": "learning.train:train",
        "evaluate": "learning.evaluate:evaluate",
        "drift": "learning.drift:drift",
        "serve": "deciding.serve:serve",
        "follow": "storage.follow:follow",
        "simulate": "setup.simulate:simulate",
        "init": "setup.init:init",
        "doctor": "setup.doctor:doctor",
        "quarantine": "deciding.quarantine:app",
        "rules": "policy.rules:app",
        "lists": "policy.lists:app",
        "cases": "response.case_acts:app",
        "graph": "storage.graph:app",
        "privacy": "governance.privacy:app",
        "models": "learning.models:app",
        "model": "learning.model:app",
        "followers": "storage.followers:app",
        "store": "storage.store:app",
        "land": "storage.land:app",
        "dynamodb": "storage.dynamodb:app",
        "flink": "storage.flink:app",
        "labels": "deciding.labels:app",
        "bus": "response.bus:app",
        "alerts": "response.alerts:app",
        "outbox": "response.outbox:app",
        "keys": "governance.keys:app",
        "approvals": "governance.access:approvals",
        "sessions": "governance.access:sessions",
        "audit": "governance.audit:app",
    }
)
"""Module and name of each command, or of the group under this name, in the order of the help."""

_MORE: Final = MappingProxyType(
    {
        "rules": ("policy.tune:tune", "policy.tune:typologies"),
        "models": ("learning.model_watch:watch", "learning.model_watch:retrain"),
    }
)
"""Commands of a group that stand in another module than it."""


def program_for(arguments: Sequence[str]) -> typer.Typer:
    """The program, with at least the command that these arguments name."""
    named = arguments[0] if arguments else ""
    if named in ("version", "--version"):
        return _program(())
    with lean():
        return _program((named,)) if named in COMMANDS else program()


@cache
def program() -> typer.Typer:
    """The program with every command."""
    return _program(COMMANDS)


def execute(arguments: Sequence[str]) -> int:
    """Run one command of all; returns its exit code."""
    return finish(program(), arguments)


def _program(names: Iterable[str]) -> typer.Typer:
    app = new_app()
    app.callback()(_options)
    for name in names:
        command = _command(name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    app.command()(version)
    return app


@cache
def _command(name: str) -> Any:
    """A command, or a group of them, that goes on record; made once, as each group has its state."""
    from ringfence.cli.audited import audited, put_on_record  # noqa: PLC0415 (the trail, and with it a store)

    command = _object(COMMANDS[name])
    if not isinstance(command, typer.Typer):
        return audited(name, command)
    for more in _MORE.get(name, ()):
        command.command()(_object(more))
    put_on_record(command, name)
    return command


def _object(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"ringfence.cli.{module}"), name)


def _say_version(asked: bool) -> None:
    if asked:
        screen.show(f"ringfence {installed('ringfence')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_say_version),
    ] = False,
) -> None:
    pass


def version(
    json: Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")] = False,
) -> None:
    """Show the version of Ringfence.

    Example: ringfence version
    """
    if json:
        screen.show_json({"ringfence": installed("ringfence")})
    else:
        _say_version(asked=True)
