"""`ringfence train`: from a history and its labels to a model artifact."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec
import typer

from ringfence.cli.learning.histories import WantedHistory, take_in
from ringfence.cli.terminal import options, screen
from ringfence.compose.training_memory import check_room, for_table
from ringfence.errors import InputError
from ringfence.features.durations import parse_duration_ms
from ringfence.features.spec import FeatureSpec
from ringfence.learning.algorithms.boosting import USUAL_SECONDS
from ringfence.learning.appraise import appraise
from ringfence.learning.artifact import ModelOrigin, artifact_files, write_artifact
from ringfence.learning.choosing.wide_features import offered
from ringfence.learning.data.dataset import dataset
from ringfence.learning.evaluate import compared, figures, taken_by
from ringfence.learning.measures.money import CAPS, Caps
from ringfence.learning.report import report
from ringfence.learning.train import Plan, start_of_test_ms
from ringfence.learning.train import train as train_model
from ringfence.scoring.artifacts.manifest import Costs
from ringfence.scoring.language.words import percent

if TYPE_CHECKING:
    from ringfence.cli.learning.histories import FoundHistory
    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.train import Trained
    from ringfence.scoring.artifacts.manifest import Appraisal, Metric

_NEEDED = ("lightgbm", "sklearn", "optuna", "onnx")
_SHOWN = (
    "average_precision",
    "auc",
    "card_precision_100",
    "recall_at_fpr_0.001",
    "recall_at_fpr_0.01",
    "value_detected_at_bands",
    "precision_at_bands",
    "alerts_per_day",
    "share_challenged",
    "precision_of_challenges",
    "expected_cost_per_payment",
)


def train(
    sources: options.LogOrSources = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to create; it must not exist. [default: models/NAME]", metavar="DIR"),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "model",
    data: options.Data = None,
    mapping: options.Mapping = None,
    features: options.Features = None,
    wide: Annotated[
        bool, typer.Option("--wide", help="Use a wide set of features, generated for the fields that exist.")
    ] = False,
    rules: options.Rules = None,
    label_delay: options.LabelDelay = None,
    labels: options.Labels = None,
    labels_mapping: options.LabelsMapping = None,
    fmt: options.SourceFormat = None,
    algorithm: Annotated[
        Literal["lightgbm", "logistic", "isolation_forest"],
        typer.Option(help="isolation_forest needs no labels: its score says how unusual a payment is."),
    ] = "lightgbm",
    test_from: Annotated[
        str | None,
        typer.Option(help="When the test period begins. [default: the last fifth]", metavar="TIME"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="When the test period ends. [default: the last label]", metavar="TIME")
    ] = None,
    maturity: Annotated[
        str | None,
        typer.Option(
            help="How long to wait for a payment's label. [default: the time in which 95 % arrived]",
            metavar="DURATION",
        ),
    ] = None,
    budget: Annotated[
        float,
        typer.Option(
            help="Seconds for the training itself, once features are measured. They are counted as if the "
            "machine had nothing else to do; on a busy one they last up to three times as long.",
            min=1,
        ),
    ] = USUAL_SECONDS,
    search_seconds: Annotated[
        float | None,
        typer.Option(help="Of that, for finding parameters; 0 takes the defaults. [default: a fifth]", min=0),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Train in seconds: no parameter search, fewer genuine payments.",
        ),
    ] = False,
    review_cost: Annotated[float, typer.Option(help="Cost of one review by an analyst.", min=0)] = 5.0,
    insult_cost: Annotated[float, typer.Option(help="Cost of declining a genuine payment.", min=0)] = 20.0,
    challenge_cost: Annotated[float, typer.Option(help="Cost of a challenge.", min=0)] = 0.5,
    max_alerts_per_day: Annotated[
        float | None, typer.Option(help="Maximum number of payments reviewed or declined per day.", min=0)
    ] = None,
    max_challenge_share: Annotated[
        float, typer.Option(help="Largest share of payments to challenge.", min=0, max=1)
    ] = CAPS.challenge,
    max_review_share: Annotated[
        float, typer.Option(help="Largest share of payments to review.", min=0, max=1)
    ] = CAPS.review,
    max_decline_share: Annotated[
        float, typer.Option(help="Largest share of payments to decline.", min=0, max=1)
    ] = CAPS.decline,
    drop_known_victims: Annotated[
        bool,
        typer.Option(
            "--drop-known-victims",
            help="Leave out payments of entities with a fraud already known, which would flatter the test.",
        ),
    ] = False,
    write_features: Annotated[
        Path | None,
        typer.Option(
            help="Write the features that the model and the rules need as a file for --features.",
            metavar="FILE.py",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random generator.")] = 0,
    json: options.Json = False,
) -> None:
    """Train a model: features as they were at each payment, labels as they were known when the test begins.

    Takes the log of a data folder, with the features that were stored with the decisions, or files with a
    mapping. The past is learned from, later windows choose parameters, calibration and thresholds by cost,
    within the largest shares, and the last part tests. Writes a folder with the model as ONNX, a manifest and
    a report. A model that is no better than chance, than a copy trained on shuffled labels or than the rules
    is written too, but says so, and is not promoted without --force.

    Example: ringfence train payments.parquet --mapping handbook --out models/first
    """
    check_extra()
    folder = out or Path("models") / name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already: give another --out or --name")
    plan = Plan(
        algorithm,
        options.parse_time_ms(test_from, "--test-from"),
        options.parse_time_ms(until, "--until"),
        None if maturity is None else parse_duration_ms(maturity),
        search_seconds,
        Costs(review=review_cost, insult=insult_cost, challenge=challenge_cost),
        max_alerts_per_day,
        Caps(max_challenge_share, max_review_share, max_decline_share),
        drop_known_victims,
        seed,
        quick,
        budget,
    )
    wanted = WantedHistory(
        sources or [],
        data,
        mapping,
        label_delay,
        fmt,
        features,
        wide,
        rules,
        before_ms=plan.test_from_ms,
        labels=labels or [],
        labels_mapping=labels_mapping,
    )
    made = learned(wanted, plan, name)
    digest = write_artifact(folder, made.files)
    if write_features is not None:
        needed = made.found.collected.spec.needed_for(made.found.asked_for.union(made.trained.inputs))
        write_features.write_text(features_file(needed), "utf-8")
    _show(made.trained, made.measured, made.thought, folder, digest, json=json)


class Learned(NamedTuple):
    """A training with all that it found; `files` are those of the artifact."""

    found: FoundHistory
    table: Dataset
    trained: Trained
    measured: dict[str, dict[str, Metric]]
    thought: Appraisal
    files: dict[str, bytes]


def learned(wanted: WantedHistory, plan: Plan, name: str) -> Learned:
    """Take a history in and train on it, with a bar; `InputError` where it cannot teach."""
    check_room()
    found, table = taken_in(wanted, plan)
    plan = replace(plan, offered=offered(found.collected.spec, found.keys))
    if found.bad:
        screen.say(f"{found.bad:,} records could not be read and are left out")
    with screen.progress("training") as tell:
        trained = train_model(table, plan, lambda share, said: tell(round(1000 * share), 1000, said))
        tell(1000, 1000, "testing")
        contestants = compared(table, trained)
        measured = figures(table, trained.test, contestants, plan.costs)
        thought = appraise(table, trained, contestants, measured)
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        origin = ModelOrigin(name, now, _command(), found.collected.spec)
        page = report(trained, table, origin, contestants, measured, thought)
        others = {who: one for who, one in measured.items() if who != "model"}
        files = artifact_files(trained, table, origin, measured["model"], others, page, thought)
    return Learned(found, table, trained, measured, thought, files)


def taken_in(wanted: WantedHistory, plan: Plan) -> tuple[FoundHistory, Dataset]:
    """The history as a table. What a wide set is chosen by ends where the test period begins."""
    found = take_in(wanted, "measuring", for_table)
    table = dataset(found.collected)
    if not found.looked_ms or found.looked_ms <= (start_ms := start_of_test_ms(table, plan)):
        return found, table
    begins = f"the test period begins on {screen.format_time(start_ms)} UTC"
    if any(one == "-" or Path(one).is_fifo() for one in wanted.sources):
        raise InputError(
            f"{begins}, and what comes later had a part in the choice of features; a pipe cannot be "
            f"read again: give --test-from {screen.format_time(start_ms)}"
        )
    screen.say(f"As {begins}, features are chosen anew by what is earlier.")
    found = take_in(replace(wanted, before_ms=start_ms), "measuring again", for_table)
    return found, dataset(found.collected)


def features_file(spec: FeatureSpec) -> str:
    """A Python file that `--features` takes, for a specification."""
    body = spec.to_json().replace("},{", "},\n{")
    return (
        '"""Features of a trained model."""\n\nfrom ringfence.features.spec import FeatureSpec\n\n'
        f"spec = FeatureSpec.from_json(r'''\n{body}\n''')\n"
    )


def check_extra() -> None:
    """`InputError` where the libraries of training are not installed."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"training needs {', '.join(missing)}: install them with pip install 'ringfence[train]'"
        )


def _command() -> str:
    """This command line, as the manifest keeps it."""
    return shlex.join(["ringfence", *sys.argv[1:]])


def _show(
    trained: Trained,
    measured: dict[str, dict[str, Metric]],
    thought: Appraisal,
    folder: Path,
    digest: str,
    *,
    json: bool,
) -> None:
    if json:
        screen.show_json(
            {
                "version": digest,
                "folder": str(folder),
                "metrics": measured,
                "bands": trained.chosen.bands,
                "appraisal": {"sound": thought.is_sound, **msgspec.to_builtins(thought)},
                "notes": trained.notes,
                "inputs": len(trained.inputs),
            }
        )
        return
    screen.show(f"Model {digest} with {len(trained.inputs)} inputs written to {folder}", "bold")
    for problem in thought.problems:
        screen.show(f"NOT WORTH PROMOTING: {problem}", "bold red")
    for warning in thought.warnings:
        screen.show(f"Warning: {warning}", "yellow")
    for note in trained.notes:
        screen.show(f"Note: {note}")
    screen.show()
    show_figures(measured)
    screen.show()
    table = [
        (
            one.outcome,
            "" if one.at is None else f"from {percent(one.at)}",
            f"{one.payments:,}",
            f"{one.share:.2%}",
            f"{one.per_day:,.1f}",
            f"{one.frauds:,}",
            "" if not one.payments else f"{one.frauds / one.payments:.2%}",
        )
        for one in taken_by(trained)
    ]
    head = ["on the test part", "probability", "payments", "share", "a day", "frauds", "of them fraud"]
    screen.show_table(head, table, head[1:])
    screen.show(f"Curves, calibration and the rest: {folder / 'report.html'}")


def show_figures(measured: dict[str, dict[str, Metric]]) -> None:
    """The main measures, contestants side by side."""
    rows = [
        (name.replace("_", " "), *(_cell(each.get(name)) for each in measured.values())) for name in _SHOWN
    ]
    told = [row for row in rows if any(row[1:])]  # cards found a day are none where nobody knows whose
    screen.show_table(["on the test part", *measured], told, list(measured))


def _cell(one: Metric | None) -> str:
    if one is None or one.value is None:
        return ""
    return f"{one.value:.3f}" + ("" if one.low is None else f" ({one.low:.3f} to {one.high:.3f})")
