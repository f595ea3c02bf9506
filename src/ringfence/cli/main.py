"""The command line as a whole: which commands there are, and how it ends."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli import (
    backtest,
    decisions,
    doctor,
    drift,
    evaluate,
    explain,
    features,
    init,
    keys,
    lists,
    model,
    models,
    quarantine,
    replay,
    rules,
    run,
    screen,
    serve,
    simulate,
    sources,
    topics,
    train,
    trim,
    tune,
)
from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="ringfence",
    help="Decides in milliseconds whether a payment is fraud, and shows why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(run.run)
app.command()(decisions.decisions)
app.command()(decisions.decision)
app.command()(explain.explain)
app.command()(decisions.sql)
app.command()(features.features)
app.command()(replay.replay)
app.command()(backtest.backtest)
app.command()(sources.sources)
app.add_typer(quarantine.app, name="quarantine")
rules.app.command()(tune.tune)
rules.app.command()(tune.typologies)
app.add_typer(rules.app, name="rules")
app.add_typer(lists.app, name="lists")
app.add_typer(models.app, name="models")
app.add_typer(model.app, name="model")
app.command()(topics.topics)
app.command()(trim.trim)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(drift.drift)
app.command()(serve.serve)
app.command()(simulate.simulate)
app.command()(init.init)
app.command()(doctor.doctor)
app.add_typer(keys.app, name="keys")


@app.command()
def version(
    json: Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")] = False,
) -> None:
    """Say which version this is.

    Example: ringfence version
    """
    if json:
        screen.show_json({"ringfence": installed("ringfence")})
    else:
        screen.show(f"ringfence {installed('ringfence')}")


def execute(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. An error of ours is one message, never a traceback."""
    try:
        app(args=list(arguments), prog_name="ringfence")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except RingfenceError as error:
        screen.say(f"Error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        screen.say("Interrupted.")
        return EXIT_INTERRUPTED
    return 0


def main() -> None:
    """The `ringfence` command."""
    sys.exit(execute(sys.argv[1:]))
