"""The command line as a whole: which commands there are."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.audited import put_on_record
from ringfence.cli.deciding import (
    decisions,
    explain,
    features,
    labels,
    quarantine,
    replay,
    run,
    serve,
    sources,
)
from ringfence.cli.governance import access, audit, keys, privacy
from ringfence.cli.learning import drift, evaluate, model, model_watch, models, train
from ringfence.cli.policy import backtest, lists, rules, tune
from ringfence.cli.program import finish, new_app
from ringfence.cli.response import alerts, bus, case_acts, outbox
from ringfence.cli.setup import doctor, init, simulate
from ringfence.cli.storage import (
    accept_loss,
    backup,
    dynamodb,
    flink,
    follow,
    followers,
    graph,
    land,
    retention,
    store,
    topics,
)
from ringfence.cli.terminal import screen

if TYPE_CHECKING:
    from collections.abc import Sequence

app = new_app()
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
app.add_typer(case_acts.app, name="cases")
app.add_typer(graph.app, name="graph")
app.add_typer(privacy.app, name="privacy")
models.app.command()(model_watch.watch)
models.app.command()(model_watch.retrain)
app.add_typer(models.app, name="models")
app.add_typer(model.app, name="model")
app.command()(topics.topics)
app.command()(retention.trim)
app.command()(retention.retention)
app.command()(backup.backup)
app.command()(backup.restore)
app.command("verify-backup")(backup.verify_backup)
app.command("accept-loss")(accept_loss.accept_loss)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(drift.drift)
app.command()(serve.serve)
app.command()(follow.follow)
app.add_typer(followers.app, name="followers")
app.add_typer(store.app, name="store")
app.add_typer(land.app, name="land")
app.add_typer(dynamodb.app, name="dynamodb")
app.add_typer(flink.app, name="flink")
app.add_typer(labels.app, name="labels")
app.add_typer(bus.app, name="bus")
app.add_typer(alerts.app, name="alerts")
app.add_typer(outbox.app, name="outbox")
app.command()(simulate.simulate)
app.command()(init.init)
app.command()(doctor.doctor)
app.add_typer(keys.app, name="keys")
app.add_typer(access.approvals, name="approvals")
app.add_typer(access.sessions, name="sessions")
app.add_typer(audit.app, name="audit")


def _say_version(asked: bool) -> None:
    if asked:
        screen.show(f"ringfence {installed('ringfence')}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_say_version),
    ] = False,
) -> None:
    pass


@app.command()
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


put_on_record(app)


def execute(arguments: Sequence[str]) -> int:
    """Run one command of all; returns its exit code."""
    return finish(app, arguments)
