"""`ringfence models watch` and `retrain`: how the model in force stands, and one that is trained anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import numpy as np
import typer

from ringfence.cli.learning.histories import WantedHistory, spec_in_use
from ringfence.cli.learning.train import check_extra, learned
from ringfence.cli.terminal import options, screen
from ringfence.cli.terminal.signals import sigterm_as_ctrl_c
from ringfence.compose.clock import SystemClock
from ringfence.compose.deciding.models import in_force, load_model, model_registry
from ringfence.compose.folder.store import open_store
from ringfence.compose.upkeep.scheduled_commands import failures, scheduled
from ringfence.compose.upkeep.watching import measure, watch_book
from ringfence.errors import InUseError
from ringfence.features.durations import in_words
from ringfence.learning.algorithms.boosting import USUAL_SECONDS
from ringfence.learning.train import Plan
from ringfence.learning.watching.drift_alerts import record
from ringfence.learning.watching.model_news import Proposal, record_news, weakened
from ringfence.learning.watching.standing import Rivalry, Standing, against
from ringfence.scoring.artifacts.artifact import Artifact
from ringfence.scoring.artifacts.manifest import MANIFEST, Manifest, digest_of, feature_hashes

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.cli.learning.train import Learned

EXIT_WEAKENED: Final = 5
NAME: Final = "retrained"


def watch(
    data: options.Data = None,
    measure_now: Annotated[
        bool, typer.Option("--measure", help="Measure now, not only show what was found last.")
    ] = False,
    beside: Annotated[
        bool, typer.Option("--beside", hidden=True, help="Leave the log to the process that decides.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Show how the model in force stands: against chance, the rules, its challengers and its training.

    The running service measures that by itself, every `watch_every` of ringfence.toml, and tells what has
    fallen behind as events of the topic model_news. Payments count once their label has had time to come;
    with fewer than ten frauds it gives no figure. Exit code 5 says that the model is below one of them.

    Example: ringfence models watch --measure
    """
    folder, clock = options.folder(data), SystemClock()
    book = watch_book(folder)
    if measure_now:
        with sigterm_as_ctrl_c(), options.compiling(), open_store(folder, read_only=True) as store:
            found: Standing | None = measure(store, clock.now_ms())
        if found is not None and not beside:
            _tell(folder, found, clock.now_ms())
    else:
        with open_store(folder, read_only=True):  # there is one: another answer would mislead
            found = book.standing()
    failed = failures(folder, scheduled(folder))
    _show(found, book.proposals(), failed, json=json)
    if found is not None and found.weakened and not beside:
        raise typer.Exit(EXIT_WEAKENED)


def _tell(folder: Path, found: Standing, now_ms: int) -> None:
    """Into the log, unless a server has it open: that one looks by itself."""
    try:
        store = open_store(folder)
    except InUseError:
        return
    with store:
        record(store.log, found.alerts, now_ms)
        record_news(store.log, weakened(found), now_ms)


def retrain(
    data: options.Data = None,
    budget: Annotated[float, typer.Option(help="Time for the training itself.", min=1)] = USUAL_SECONDS,
    json: options.Json = False,
) -> None:
    """Train a model on the log, with the features in use, and propose it; what decides stays as it is.

    It is kept in the data folder's registry and held against the champion on payments that neither of them
    learned from. A running server puts it into the topic model_news with what it would change. The service
    does this by itself every `retrain_every` of ringfence.toml; with `retrain_promote = true` a model that is
    sound, better beyond chance and within the limits of a change is put in force as well.

    Example: ringfence models retrain
    """
    check_extra()
    folder, now_ms = options.folder(data), SystemClock().now_ms()
    registry = model_registry(folder)
    with open_store(folder, read_only=True) as store:
        digest = in_force(store).champion
        # Decisions of another set of features lack some of these: all are measured again then.
        spec = spec_in_use(store) if len(store.registry.versions("features")) > 1 else None
    champion = registry.read(digest) if digest else None
    name = champion.manifest.name if champion else NAME
    with sigterm_as_ctrl_c():
        made = learned(WantedHistory([], data, spec=spec), Plan(budget_seconds=budget), name)
    text = made.files[MANIFEST]
    artifact = Artifact(Manifest.from_json(text), digest_of(text), made.files)
    registry.add(artifact)
    proposal = _proposal(artifact, champion, made, now_ms)
    watch_book(folder).propose(proposal)
    if json:
        screen.show_json(msgspec.to_builtins(proposal))
        return
    screen.show(f"Model {proposal.model} is proposed; nothing changes until it is promoted", "bold")
    screen.show(_said(proposal))
    screen.show(f"What it would change: ringfence models promote {proposal.model} --dry-run")


def _proposal(artifact: Artifact, champion: Artifact | None, made: Learned, now_ms: int) -> Proposal:
    one = Proposal(
        artifact.digest,
        artifact.manifest.name,
        now_ms,
        "" if champion is None else champion.digest,
        problems=made.thought.problems,
    )
    if champion is None:
        return one
    found = held_against(champion, made)
    if isinstance(found, str):
        return msgspec.structs.replace(one, state=found)
    rivalry, payments, frauds = found
    return msgspec.structs.replace(
        one,
        value=rivalry.value,
        other=rivalry.other,
        gain=rivalry.gain,
        state=rivalry.state,
        payments=payments,
        frauds=frauds,
    )


def held_against(champion: Artifact, made: Learned) -> tuple[Rivalry, int, int] | str:
    """The new model against the champion on payments that neither knew, and how many; or why not."""
    manifest, table, test = champion.manifest, made.table, made.trained.test
    hashes = feature_hashes(made.found.collected.spec)
    other = [name for name in manifest.features if hashes.get(name) != manifest.features[name]]
    missing = [*other, *(name for name in manifest.inputs if name not in table.names)]
    if missing:
        return f"not compared: the champion asks for {missing[0]}, which this log does not hold"
    unknown = table.time_ms[test.rows] >= manifest.label_cut_off_ms
    period = replace(test, rows=test.rows[unknown], fraud=test.fraud[unknown])
    score = load_model(champion).score
    theirs = table.scored(lambda inputs: score(np.ascontiguousarray(inputs)), period.rows, manifest.inputs)
    found = against(table, period, made.trained.probability[unknown], theirs, champion.digest)
    return found, len(period.rows), int(period.fraud.sum())


def _show(found: Standing | None, proposals: list[Proposal], failed: list[str], *, json: bool) -> None:
    if json:
        told = {"standing": found, "proposals": proposals, "failed": failed}
        screen.show_json(msgspec.to_builtins(told))
        return
    if found is None:
        screen.show("Nothing was measured yet: the service does so by itself, or --measure now.")
    elif not found.model:
        screen.show("No model is in force: `ringfence models promote` puts one in force.")
    else:
        _show_standing(found)
    for one in proposals:
        screen.show(f"Proposed {screen.format_time(one.made_ms)}: {one.name} {one.model}, {_said(one)}")
    for text in failed:
        screen.show(f"By the clock: {text}", "bold red")


def _show_standing(found: Standing) -> None:
    screen.show(f"Model {found.model}, measured {screen.format_time(found.measured_ms)}", "bold")
    waited = in_words(found.maturity_ms)
    screen.show(
        f"{found.payments:,} payments with {found.frauds:,} frauds whose labels had {waited} to come; "
        f"{found.waiting:,} are younger"
    )
    rows = [
        (one.against, one.measure.replace("_", " "), one.value, one.other, _interval(one), one.state)
        for one in found.rivalries
    ]
    numbers = ["model", "other", "difference"]
    shown = [
        (*row[:2], *(None if one is None else f"{one:.3f}" for one in row[2:4]), *row[4:]) for row in rows
    ]
    screen.show_table(["against", "measure", *numbers, "the model is"], shown, numbers)
    for one in found.weakened:
        since = screen.format_time(one.since_ms or found.measured_ms)
        screen.show(f"Below {one.against} since {since}: promote another model, or retrain", "bold red")
    if found.alerts:
        names = sorted({one.input for one in found.alerts})
        screen.show(f"Unlike its training lately: {', '.join(names[:8])}; `ringfence drift` shows each day")


def _said(one: Proposal) -> str:
    if one.problems:
        return f"NOT WORTH PROMOTING: {'; '.join(one.problems)}"
    if one.value is None or one.other is None:
        return one.state
    return (
        f"average precision {one.value:.3f}, the champion {one.other:.3f} on {one.payments:,} payments with "
        f"{one.frauds:,} frauds: {one.state}"
    )


def _interval(one: Rivalry) -> str | None:
    gain = one.gain
    if gain.value is None:
        return None
    return f"{gain.value:+.3f}" + ("" if gain.low is None else f" ({gain.low:+.3f} to {gain.high:+.3f})")
