"""`ringfence replay`: decisions rebuilt from the log."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.terminal import options, screen
from ringfence.compose.deciding.models import models_for, stored_models
from ringfence.compose.files import write_parquet
from ringfence.compose.folder.store import open_store
from ringfence.features.spec import FeatureSpec
from ringfence.pipeline import Pipeline
from ringfence.replay import ReplayComparison, Verification, backtest, verify
from ringfence.scoring.rulesets.outcomes import OUTCOMES
from ringfence.scoring.rulesets.ruleset import RuleSet
from ringfence.store import DataFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from ringfence.compose.deciding.definitions import Definitions
    from ringfence.decisions.decision import DecisionBatch


def replay(
    data: options.Data = None,
    features: options.Features = None,
    rules: options.Rules = None,
    model: options.Model = None,
    check: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Compare with the stored decisions, bit for bit; exit code 1 if any differs or is missing.",
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the replayed decisions here.", metavar="FILE.parquet")
    ] = None,
    json: options.Json = False,
) -> None:
    """Decide the whole log again, with the same or with other rules and models. Changes nothing.

    With other rules, features or another model it shows which outcomes would change, and what that does to
    payments that turned out to be fraud. With --verify, each decision is made again by the very versions that
    made it.

    Example: ringfence replay --rules stricter.yaml
    """
    with open_store(options.folder(data), read_only=True) as store, screen.progress("replaying") as tell:
        if check:
            verification = _verify(store, tell)
        else:
            tested = _backtest(store, options.definitions(features, rules, model), out, tell)
    if check:
        _show_verification(verification, json=json)
        if not verification.is_sound:
            raise typer.Exit(1)
        return
    _show_backtest(tested, json=json)
    if out is not None:
        screen.say(f"Decisions written to {out}")


def _verify(store: DataFolder, tell: screen.Tell) -> Verification:
    specs = [FeatureSpec.from_json(version.body) for version in store.registry.versions("features")]
    books = {version.digest: RuleSet.from_json(version.body) for version in store.registry.versions("rules")}
    models = {spec.digest: stored_models(store, spec) for spec in specs}
    return verify(
        store.log,
        specs,
        books,
        store.meta.hash_seed,
        lambda done, total: tell(done, total, ""),
        lambda spec, digest: models[spec.digest].models(digest),
    )


def _backtest(store: DataFolder, found: Definitions, out: Path | None, tell: screen.Tell) -> ReplayComparison:
    models = models_for(store, found.spec, found.model)
    pipeline = Pipeline(found.spec, found.rules, store.meta.hash_seed, models=models)
    with ExitStack() as stack:
        take = _writer(stack, out) if out else lambda _made: None
        return backtest(store.log, pipeline, lambda done, total: tell(done, total, ""), take)


def _writer(stack: ExitStack, out: Path) -> Callable[[DecisionBatch], None]:
    """Writes decisions to a file that is opened with the schema of the first ones."""
    write = None

    def take(made: DecisionBatch) -> None:
        nonlocal write
        if write is None:
            write = stack.enter_context(write_parquet(out, made.table.schema))
        write(made.table)

    return take


def _show_verification(result: Verification, *, json: bool) -> None:
    if json:
        screen.show_json(
            {
                "compared": result.compared,
                "differing": result.differing,
                "incomplete": result.incomplete,
                "unknown": result.unknown,
                "undecided": result.undecided,
                "unpaid": result.unpaid,
                "columns": dict(result.columns),
                "examples": result.examples,
            }
        )
        return
    screen.show(f"{result.compared:,} stored decisions compared, {result.differing:,} differ", "bold")
    if result.incomplete:
        screen.show(f"{result.incomplete:,} were made without one of their parts and cannot be compared")
    if result.unknown:
        screen.show(
            f"{result.unknown:,} name a version that this store does not hold, or only as another version of "
            "Ringfence wrote it"
        )
    for count, what in (
        (result.undecided, "payments have no decision"),
        (result.unpaid, "decisions have no payment"),
    ):
        if count:
            screen.show(
                f"{count:,} {what}: part of the log is gone, restore a backup (`ringfence restore`)", "bold"
            )
    if result.columns:
        screen.show_table(
            ["column", "values that differ"], result.columns.most_common(), ["values that differ"]
        )
        screen.show(f"for example {', '.join(result.examples)}")


def _show_backtest(result: ReplayComparison, *, json: bool) -> None:
    if json:
        screen.show_json(
            {
                "outcomes": _by_name(result.matrix),
                "fraud": _by_name(result.fraud),
                "rules": dict(result.rules),
                "labelled_fraud": result.labelled,
            }
        )
        return
    total = int(result.matrix.sum())
    changed = total - int(result.matrix.trace())
    screen.show(f"{total:,} payments decided again, {changed:,} with another outcome", "bold")
    columns = ["stored \\ replayed", *OUTCOMES]
    screen.show_table(
        columns,
        [(name, *row) for name, row in zip(OUTCOMES, result.matrix.tolist(), strict=True)],
        columns[1:],
    )
    if result.labelled:
        screen.show()
        screen.show(f"Of these, {result.labelled:,} are labelled fraud", "bold")
        before, after = result.fraud.sum(axis=1).tolist(), result.fraud.sum(axis=0).tolist()
        screen.show_table(
            ["outcome", "stored", "replayed"],
            zip(OUTCOMES, before, after, strict=True),
            ["stored", "replayed"],
        )
    if result.rules:
        screen.show()
        screen.show_table(["rule", "fired"], result.rules.most_common(), ["fired"])


def _by_name(cells: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    """Stored outcome to replayed outcome to count."""
    return {
        str(stored): {str(made): int(count) for made, count in zip(OUTCOMES, row, strict=True)}
        for stored, row in zip(OUTCOMES, cells, strict=True)
    }
