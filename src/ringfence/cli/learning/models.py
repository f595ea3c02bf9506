"""`ringfence models`: the models of a data folder or a registry, and which of them decide."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ringfence.cli.backends import sheets
from ringfence.cli.backends.server_keys import KEY_VARIABLES
from ringfence.cli.backends.server_questions import ask
from ringfence.cli.terminal import options, screen
from ringfence.compose.clock import now_ms
from ringfence.compose.deciding import models as stored
from ringfence.compose.deciding.session import open_session
from ringfence.compose.folder.store import has_store, open_store
from ringfence.decisions.impact import Impact
from ringfence.desks.model_desk import Signed
from ringfence.desks.models import Part, put_in_force
from ringfence.desks.models import retire as retire_model
from ringfence.errors import InputError, RingfenceError
from ringfence.saving import Snapshotting
from ringfence.scoring.artifacts.artifact import Artifact
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.manifest import MANIFEST, digest_of
from ringfence.scoring.artifacts.promotion import roles
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from ringfence.compose.deciding.session import Session
    from ringfence.desks.model_desk import ModelDesk
    from ringfence.ports.models import ModelStore
    from ringfence.scoring.artifacts.manifest import Metric

app = typer.Typer(
    no_args_is_help=True, help="Models: import, compare, promote, run in shadow, roll out, retire."
)

Model = Annotated[str, typer.Argument(help="Version, the beginning of one, or a name.", metavar="MODEL")]
Registry = Annotated[
    str | None,
    typer.Option(
        help="Model store: a folder, or s3://bucket/prefix. [default: in the data folder]",
        metavar="DIR|URI",
        show_default=False,
    ),
]
Note = Annotated[str, typer.Option(help="Why; kept with the change.")]
Url = Annotated[
    str | None,
    typer.Option(help="Server that has the data folder open, such as http://127.0.0.1:8000.", metavar="URL"),
]
Key = Annotated[
    str | None,
    typer.Option(help="Key with the role admin, for --url.", envvar=KEY_VARIABLES, show_envvar=True),
]


@app.command("list")
def list_models(data: options.Data = None, registry: Registry = None, json: options.Json = False) -> None:
    """List the models, newest first, with the role that each has now.

    Example: ringfence models list
    """
    place = _registry(data, registry)
    known = []
    for digest in place.digests():
        try:
            known.append(place.read(digest))
        except RingfenceError as error:
            screen.say(f"Warning: {error}")
    known.sort(key=lambda one: (one.manifest.created_at, one.digest), reverse=True)
    parts, retired = roles(_in_force(data)), place.retired()
    state = {one.digest: parts.get(one.digest, "retired" if one.digest in retired else "") for one in known}
    if json:
        screen.show_json([_brief(one) | {"role": state[one.digest] or None} for one in known])
        return
    if not known:
        screen.say(
            f"No models in {place.where}: `ringfence train` makes one, `ringfence models import` brings it."
        )
    rows = [
        (one.digest, one.manifest.name, state[one.digest], one.manifest.algorithm, one.manifest.created_at)
        for one in known
    ]
    screen.show_table(["version", "name", "role", "algorithm", "trained"], rows)


@app.command()
def show(
    model: Model, data: options.Data = None, registry: Registry = None, json: options.Json = False
) -> None:
    """Show what a model was trained on, how good it is, and from which probability on it asks for what.

    Example: ringfence models show cards
    """
    found = _find(_registry(data, registry), model)
    manifest = found.manifest
    if json:
        screen.show_json({"version": found.digest, **msgspec.to_builtins(manifest)})
        return
    screen.show(f"{manifest.name}, version {found.digest}, {manifest.algorithm}", "bold")
    screen.show(f"trained {manifest.created_at} by {manifest.command or 'unknown'}")
    for name, span in manifest.spans.items():
        begin, end = screen.format_time(span.start_ms), screen.format_time(span.end_ms)
        screen.show(f"{name}: {span.rows:,} payments, {span.frauds:,} frauds, {begin} to {end}")
    bands = msgspec.structs.asdict(manifest.bands)
    screen.show(", ".join(f"{name} {'never' if at is None else f'{at:.4g}'}" for name, at in bands.items()))
    screen.show(f"{len(manifest.inputs)} inputs: {', '.join(manifest.inputs)}")
    for problem in manifest.appraisal.problems:
        screen.show(f"NOT WORTH PROMOTING: {problem}", "bold red")
    for warning in manifest.appraisal.warnings:
        screen.show(f"Warning: {warning}", "yellow")
    for note in manifest.notes:
        screen.show(f"Note: {note}")
    rows = [(name, _figure(metric)) for name, metric in manifest.metrics.items()]
    screen.show_table(["metric", "on the test span"], rows, ["on the test span"])


@app.command()
def compare(
    one: Model,
    other: Annotated[str, typer.Argument(help="The model to compare it with.", metavar="OTHER")],
    data: options.Data = None,
    registry: Registry = None,
    on_log: Annotated[
        bool,
        typer.Option(
            "--on-log", help="Score both on the same payments: those in the data folder with mature labels."
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """Show the figures of two models side by side, each on its own test span, and how their inputs differ.

    With --on-log both score the same payments, which the log has labels for, made after what either of them
    knew; the last column is what the second has more, with the interval of the difference.

    Example: ringfence models compare cards 3f2a --on-log
    """
    place = _registry(data, registry)
    first, second = _find(place, one), _find(place, other)
    if on_log:
        from ringfence.cli.learning.comparing import compare_on_log  # noqa: PLC0415 (it loads all of learning)

        compare_on_log(first, second, data, json=json)
        return
    pair = (first.manifest, second.manifest)
    names = list(dict.fromkeys(name for each in pair for name in each.metrics))
    inputs = [set(each.inputs) for each in pair]
    only = [sorted(inputs[0] - inputs[1]), sorted(inputs[1] - inputs[0])]
    same_span = pair[0].spans.get("test") == pair[1].spans.get("test")
    if json:
        shown = [_brief(each) | {"only_inputs": own} for each, own in zip((first, second), only, strict=True)]
        screen.show_json({"models": shown, "same_test_span": same_span})
        return
    columns = [f"{each.manifest.name} {each.digest}" for each in (first, second)]
    rows = [(name, *(_figure(each.metrics.get(name)) for each in pair)) for name in names]
    screen.show_table(["metric", *columns], rows, columns)
    if not same_span:
        screen.show("Their test spans differ: the figures cannot be compared directly.")
    for label, own in zip(columns, only, strict=True):
        if own:
            screen.show(f"Only {label} uses {', '.join(own)}")


@app.command("import")
def import_model(
    folder: Annotated[Path, typer.Argument(help="Folder that `ringfence train` wrote.", metavar="DIR")],
    data: options.Data = None,
    registry: Registry = None,
) -> None:
    """Check a model and store it. Nothing takes effect; importing it again changes nothing.

    Example: ringfence models import fraud-model
    """
    artifact, place = stored.read_model(folder), _registry(data, registry)
    with options.compiling():
        stored.load_model(artifact)
    added = place.add(artifact)
    screen.say(
        f"{'Kept' if added else 'Already'} in {place.where}; `ringfence models promote` puts it in force."
    )
    screen.show(artifact.digest)


@app.command()
def remote(
    url: Annotated[str, typer.Argument(help="Address of `ringfence model serve`.", metavar="URL")],
    serves: Annotated[
        str, typer.Option(help="The model that is served there: it gives inputs and bands.", metavar="MODEL")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the remote model. [default: the model's name with -remote]")
    ] = None,
    deadline_ms: Annotated[int, typer.Option(help="Timeout for one answer, retries included.")] = 100,
    tries: Annotated[
        int | None, typer.Option(help="Maximum number of calls for one answer. [default: 2, of SageMaker 1]")
    ] = None,
    sagemaker: Annotated[
        str | None,
        typer.Option(
            help="Region of a SageMaker endpoint: calls are signed with AWS credentials.", metavar="REGION"
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(help="Variant of that endpoint, which alone is asked.", metavar="VARIANT"),
    ] = None,
    data: options.Data = None,
    registry: Registry = None,
) -> None:
    """Register a model that another service runs. `models promote` activates it like any other.

    Decisions made while it does not answer say so (degraded: model), and the rules' on_failure applies. It is
    asked with the key in RINGFENCE_MODEL_KEY, and left alone for a while once it has failed too often.

    Example: ringfence models remote http://models:8080/invocations --serves cards
    """
    place = _registry(data, registry)
    served = _find(place, serves)
    tries = tries or (1 if sagemaker else 2)
    parameters = {"url": url, "serves": served.digest, "deadline_ms": deadline_ms, "tries": tries}
    parameters |= {"region": sagemaker} if sagemaker else {}
    parameters |= {"variant": variant} if variant else {}
    manifest = msgspec.structs.replace(
        served.manifest,
        name=name or f"{served.manifest.name}-remote",
        algorithm="remote",
        parameters=parameters,
        files={},
    )
    text = manifest.to_json()
    artifact = Artifact(manifest, digest_of(text), {MANIFEST: text})
    stored.load_model(artifact)
    place.add(artifact)
    screen.show(artifact.digest)


@app.command()
def promote(
    model: Model,
    challenger: Annotated[
        bool, typer.Option("--challenger", help="Run in shadow: score and store, without effect.")
    ] = False,
    share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Speak for this share of entities only, always the same ones."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Whose share: customer, card, ... [default: customer]")
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Promote the model even if its training report advises against it."),
    ] = False,
    dry_run: sheets.DryRun = False,
    yes: sheets.Yes = False,
    note: Note = "",
    data: options.Data = None,
    registry: Registry = None,
    features: options.Features = None,
    rules: options.Rules = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Promote a model: as champion, in shadow, or for a share. It takes effect with the next event.

    First it shows the outcomes of recent payments, as what is in force gives them and as this model would.
    Where that is more than `confirm_share` and `confirm_money` of ringfence.toml allow, it asks for a
    confirmation. A model that its training found no better than chance, than a copy trained on shuffled
    labels or than the rules is refused without --force; as a challenger it may speak. From another
    --registry it is copied into the data folder first. With --url a running server does it, without losing
    a request.

    Example: ringfence models promote cards --share 0.1
    """
    if challenger and share is not None:
        raise InputError("--challenger and --share exclude each other: choose one")
    artifact = _find(_registry(data, registry), model)
    stored.model_registry(options.folder(data)).add(artifact)
    role: Part = "challenger" if challenger else "champion" if share is None else "rollout"
    if url is not None:
        body = {"role": role, "share": share, "by": by, "note": note, "force": force}
        told = msgspec.convert(ask(url, key, f"/v1/models/{artifact.digest}/impact"), Impact)
        sheets.show_impact(told, role)
        if dry_run:
            return
        path = f"/v1/models/{artifact.digest}/promotion"
        sheets.confirmed(lambda typed: ask(url, key, path, body | {"confirm": typed}), yes=yes, seen=told)
    else:

        def change(session: Session, desk: ModelDesk, signed: Signed) -> None:
            desk.stored.ready(Deployment(champion=artifact.digest))
            told = session.impact(artifact.digest)
            sheets.show_impact(told, role)
            if dry_run:
                return

            def put(typed: str) -> None:
                confirming = session.confirming(artifact.digest, typed)
                more: Any = {"share": share, "by": by, "force": force}
                put_in_force(desk, artifact.digest, role, signed, confirming=confirming, **more)

            sheets.confirmed(put, yes=yes, seen=told)

        _change(data, features, rules, note, change)
        if dry_run:
            return
    screen.say(f"{artifact.manifest.name} {artifact.digest} is in force from the next event on.")


@app.command()
def retire(
    model: Model,
    yes: sheets.Yes = False,
    note: Note = "",
    data: options.Data = None,
    features: options.Features = None,
    rules: options.Rules = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Take a model out of what is in force, for good. Its files stay: old decisions name it.

    Where recent payments would have other outcomes without it, beyond the limits of ringfence.toml, it asks
    for a confirmation.

    Example: ringfence models retire 3f2a --note "too many alerts"
    """
    digest = _registry(data, None).find(model)
    if url is not None:
        path = f"/v1/models/{digest}/retirement"
        sheets.confirmed(lambda typed: ask(url, key, path, {"note": note, "confirm": typed}), yes=yes)
    else:

        def change(session: Session, desk: ModelDesk, signed: Signed) -> None:
            def go(typed: str) -> None:
                retire_model(desk, digest, signed, confirming=session.confirming(digest, typed))

            sheets.confirmed(go, yes=yes)

        _change(data, features, rules, note, change)
    screen.say(f"{digest} is retired.")


def _change(data: Path | None, features: Path | None, rules: Path | None, note: str, change: Any) -> None:
    found = options.definitions(features, rules)
    project = load_settings()
    snapshotting = Snapshotting(project.snapshot_every_events, project.snapshot_every_ms)
    with open_session(
        options.folder(data), found, snapshotting, require_approval=project.rules_need_approval
    ) as session:
        change(session, session.model_desk(), Signed(getpass.getuser(), now_ms(), note))


def _registry(data: Path | None, registry: str | None) -> ModelStore:
    return stored.model_registry(options.folder(data)) if registry is None else stored.model_store(registry)


def _find(place: ModelStore, model: str) -> Artifact:
    return place.read(place.find(model))


def _in_force(data: Path | None) -> Deployment:
    if not has_store(folder := options.folder(data)):
        return Deployment()
    with open_store(folder, read_only=True) as store:
        return stored.in_force(store)


def _brief(artifact: Artifact) -> dict[str, Any]:
    manifest = artifact.manifest
    return {
        "version": artifact.digest,
        "name": manifest.name,
        "algorithm": manifest.algorithm,
        "created_at": manifest.created_at,
        "bands": msgspec.structs.asdict(manifest.bands),
        "metrics": msgspec.to_builtins(manifest.metrics),
    }


def _figure(metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return ""
    interval = (
        "" if metric.low is None or metric.high is None else f" ({metric.low:.4g} to {metric.high:.4g})"
    )
    return f"{metric.value:.4g}{interval}"
