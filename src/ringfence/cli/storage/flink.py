"""`ringfence flink`: the same engine as operators of Apache Flink."""

from __future__ import annotations

import time
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ringfence.cli.audited import actor, record_first
from ringfence.cli.terminal.options import definitions
from ringfence.cli.terminal.screen import say, show, show_json
from ringfence.cli.terminal.signals import sigterm_as_ctrl_c
from ringfence.compose.flink_host.check import compare
from ringfence.compose.flink_host.running import (
    CHECKPOINT_MS,
    FOLDER_NAME,
    Ends,
    activate,
    flink_running,
    package,
)
from ringfence.errors import StoreError
from ringfence.events.activation import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.compose.flink_host.running import FlinkRun

app = typer.Typer(
    help="The engine as operators of Apache Flink, for what one machine does not hold.", no_args_is_help=True
)
_LOOK_SECONDS: Final = 1.0
_TELL_SECONDS: Final = 10.0
_GONE: Final = "OffsetOutOfRange"  # Kafka's client in Java
_ACTS: Final = {Part.RULES: "rules.activated", Part.MODELS: "model.promoted"}
_MOST: Final = 2000  # characters of a problem in Flink's words

Project = Annotated[
    Path,
    typer.Argument(
        help="Project folder, as `ringfence init` makes one.", exists=True, file_okay=False, metavar="PROJECT"
    ),
]
Kafka = Annotated[
    str,
    typer.Option(
        "--kafka",
        help="Topics that payments and other events come from.",
        metavar="kafka://BROKER:9092/TOPIC",
    ),
]
To = Annotated[
    str,
    typer.Option(
        "--to",
        help="Topic that decisions go to. Bad records go to TOPIC-quarantine, payments that a later flag "
        "covers to TOPIC-flag-matches, or where ?quarantine=TOPIC&flag_matches=TOPIC says.",
        metavar="TOPIC",
    ),
]
Control = Annotated[
    str | None,
    typer.Option(
        help="Topic whose records put other rules and models in force while the job runs: let nobody else "
        "write to it.",
        metavar="TOPIC",
    ),
]
Shards = Annotated[int, typer.Option(help="Number of parts that entities are divided into.", min=1, max=128)]

Pace = Annotated[
    int | None,
    typer.Option(
        help="Records that all workers together read in a second at most: less waits between them while a "
        "backlog is worked off. [default: as many as they decide]",
        min=1,
    ),
]


@app.command()
def run(
    project: Project,
    kafka: Kafka,
    to: To,
    control: Control = None,
    workers: Annotated[int, typer.Option(help="TaskManagers, each with one slot.", min=1, max=64)] = 1,
    shards: Shards = 8,
    checkpoint_ms: Annotated[
        int, typer.Option(help="Between two checkpoints; decisions become visible with them.", min=100)
    ] = CHECKPOINT_MS,
    most_per_second: Pace = None,
) -> None:
    """Decide the payments of a topic on a Flink cluster of this machine, until Ctrl-C.

    Features, rules and model are those of the project's files, hash seed and token key those of its data
    folder, so decisions are the same that the embedded engine makes of the same topic. Rules and models that
    were put in force in the data folder since count once the files have them. Each decision is written
    exactly once, as a reader that isolates transactions (read_committed) sees it. Ctrl-C stops with a
    savepoint, and so does SIGTERM; the next run goes on there, also with another number of --workers. After a
    crash it goes on from the last checkpoint. With --control it also goes on with other rules or another
    model in the files: they are in force behind all payments that are in the topics by then.

    Needs Java 17 or 21 and, once, `make flink` in Ringfence's repository. docs/howto/flink.md has more.

    Example: ringfence flink run . --kafka kafka://localhost:9092/payments --to decisions
    """
    with sigterm_as_ctrl_c(), chdir(project):  # no cluster is left behind
        ends = Ends.of(kafka, to, control)
        say("Starting a cluster of this machine ...")
        with flink_running(
            Path(),
            ends,
            definitions(None, None),
            workers=workers,
            shards=shards,
            checkpoint_ms=checkpoint_ms,
            most_per_second=most_per_second,
            author=actor(),
            record=_start_on_record,
        ) as running:
            say(f"Going on from {running.resumed}" if running.resumed else "Beginning with the first record")
            say(f"Flink's own pages are at http://{running.cluster.jobs.address}; Ctrl-C stops the job.")
            try:
                _watch(running)
            except KeyboardInterrupt:
                kept = running.stop()
                say(
                    f"Stopped at {kept}"
                    if kept
                    else "Stopped while tasks were starting, so without a savepoint: the next run goes on "
                    "from the last checkpoint, or begins with the first record where there is none"
                )


@app.command("activate")
def put_in_force(project: Project, kafka: Kafka, to: To, control: Control = None) -> None:
    """Put rules and model of the project's files in force on its job, which goes on meanwhile.

    They decide the payments behind the place that their records get in the control topic; the same place
    counts when the embedded engine decides the topics again (`ringfence flink check`). A new model is kept in
    the registry of the data folder, where the workers of `ringfence flink run` find it. Those of a packaged
    job have to be shipped it in a new package.

    Example: ringfence flink activate . --kafka kafka://localhost:9092/payments --to decisions --control rules
    """
    with chdir(project):
        ends = Ends.of(kafka, to, control)
        versions = activate(Path(), ends, definitions(None, None), author=actor(), record=_on_record)
    if not versions:
        say("Rules and model of the files were put in force already")
        return
    for part, digest in versions.items():
        say(f"{part.capitalize()} {digest or 'none'} are in force from here on")
    say(
        f"A server with &control={control} in the address of its source takes them over; start any other one "
        "again: it reads the rules' words from the files"
    )


@app.command("package")
def write(
    project: Project,
    kafka: Kafka,
    to: To,
    control: Control = None,
    out: Annotated[
        Path, typer.Option("--out", help="File to write.", metavar="FILE.zip", dir_okay=False)
    ] = Path("ringfence-flink.zip"),
    shards: Shards = 8,
    most_per_second: Pace = None,
) -> None:
    """Write a project's job as one file, for a cluster elsewhere or Amazon's managed service.

    It holds the job, the jar, Ringfence with all that it needs, and the plan, in which the keys are that ids
    are hashed with and card numbers become tokens by: keep it as you keep the data folder.

    Example: ringfence flink package . --kafka kafka://broker:9092/payments --to decisions --out job.zip
    """
    out = out.absolute()
    with chdir(project):
        ends = Ends.of(kafka, to, control)
        group = package(
            Path(),
            ends,
            definitions(None, None),
            out,
            shards=shards,
            most_per_second=most_per_second,
            author=actor(),
        )
    say(f"{out} has {out.stat().st_size / 1e6:,.0f} MB, and keys in it: let nobody else read it.")
    show_json(group)


@app.command()
def check(
    project: Project,
    kafka: Kafka,
    to: To,
    control: Control = None,
    events: Annotated[
        int | None, typer.Option(help="Compare the first so many events only. [default: all]", min=1)
    ] = None,
) -> None:
    """Decide the payments of the topics again on the embedded engine, and compare with what Flink wrote.

    Every field is compared, features bit for bit; the moment and the duration of deciding are left out.

    Exit codes: 0 all decisions are the same; 1 some differ, are missing, or are there twice.

    Example: ringfence flink check . --kafka kafka://localhost:9092/payments --to decisions
    """
    with chdir(project):
        found = compare(Ends.of(kafka, to, control), definitions(None, None), events)
    show(f"{found.equal:,} decisions are the same on both hosts", "bold" if found.is_same else "")
    for count, what in (
        (found.unequal, "differ"),
        (found.missing, "are missing"),
        (found.twice, "are there twice"),
        (found.unknown, "are on no payment of these topics"),
    ):
        if count:
            show(f"{count:,} {what}")
    for line in found.named:
        say(f"Check: {line}")
    if not found.is_same:
        raise typer.Exit(1)


def _on_record(versions: Mapping[Part, str]) -> None:
    """Put on record what is about to decide on a job: it runs for months, and may be killed."""
    for part, digest in versions.items():
        record_first(None, _ACTS[part], digest, where="flink")


def _start_on_record(versions: Mapping[Part, str]) -> None:
    record_first(None, "job.started", "flink")
    _on_record(versions)


def _watch(running: FlinkRun) -> None:
    """Tell how the job is doing, and replace TaskManagers that end, until it is over (`StoreError`)."""
    told, said, problem, ticking = 0.0, "", "", ""
    while True:
        for lost in running.cluster.tend():
            say(f"Warning: {lost}")
        look = running.cluster.jobs.look(running.job)
        if look.is_over:
            raise StoreError(f"the job ended ({look.state}) {look.problem[:_MOST]}".strip())
        if _GONE in look.problem:
            raise StoreError(
                "the records with which the job should go on are gone: retention took them, or a topic was "
                f"cut off or made again ({look.problem[:_MOST]}). To decide what is there now, remove "
                f"{FOLDER_NAME}/ and begin anew with an empty topic of decisions"
            )
        if look.problem and look.problem != problem:
            problem = look.problem
            say(f"Warning: the job failed and starts again from its last checkpoint: {problem[:_MOST]}")
        if running.ticker.problem and running.ticker.problem != ticking:
            ticking = running.ticker.problem
            say(f"Warning: partitions without payments hold up the others, ticks are refused: {ticking}")
        if look.state != said or time.monotonic() - told > _TELL_SECONDS:
            told, said = time.monotonic(), look.state
            say(f"{look.state}, {look.tasks[0]} of {look.tasks[1]} tasks, {look.checkpoints} checkpoints")
        time.sleep(_LOOK_SECONDS)
