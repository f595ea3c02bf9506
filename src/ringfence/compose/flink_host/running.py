"""Puts the Flink host together: a project, topics of Kafka, and a cluster of this machine."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.flink import LocalCluster, flink_parts
from ringfence.adapters.flink.job import FlinkJob, last_state, settings_of
from ringfence.adapters.flink.package import machine_code, write_package
from ringfence.adapters.flink.private import replaced
from ringfence.compose.deciding.models import model_registry
from ringfence.compose.flink_host.approval import approved
from ringfence.compose.flink_host.sharded import (
    finds_models,
    first_versions,
    is_upgrade,
    pack_project,
    takes_changes,
    upgraded,
    with_registry_of,
)
from ringfence.compose.folder.store import VAULT, has_store, keeps_tokens, open_store
from ringfence.compose.kafka import kafka_client, needs_kafka
from ringfence.errors import InputError
from ringfence.events.activation import Part
from ringfence.events.mapping import load_mapping
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ringfence.adapters.flink.parts import FlinkParts
    from ringfence.adapters.flink.topics import Ticker
    from ringfence.adapters.kafka.client import KafkaClient
    from ringfence.compose.deciding.definitions import Definitions

FOLDER_NAME: Final = "ringfence-flink"
"""In a project's folder: what a local cluster writes, and where its job goes on."""

CHECKPOINT_MS: Final = 1000
_BATCH: Final = 2000
_AGE_MS: Final = 50  # a batch costs all stages together some 25 ms, however small it is
_PLAN: Final = "plan"
_JOB: Final = "job.json"
_SAVEPOINT_SECONDS: Final = 120.0
_STARTING_SECONDS: Final = 8.0
"""A JobManager shows tasks as they were up to 3 s ago (web.refresh-interval), and a job may start again."""
_PAUSE: Final = 0.2
_NO_VAULT: Final = (
    'personal_data = "vault": Flink has no vault, and would write customers, accounts and contacts in the '
    "open. Read the topics with `ringfence serve --source`, or give Flink a project with a data folder of "
    'its own and personal_data = "kept"'
)
_NO_CONTROL: Final = (
    "Rules and models change at a named place in the order, which a topic of their own gives them: begin the "
    "job with --control TOPIC"
)
_SOURCE: Final[dict[str, tuple[str, ...] | None]] = {}
_SINK: Final[dict[str, tuple[str, ...] | None]] = {"quarantine": None, "flag_matches": None}


def _off_record(_versions: Mapping[Part, str]) -> None:
    """Nobody keeps a record."""


@dataclass(frozen=True, slots=True)
class FlinkRun:
    """A job at work on a cluster of this machine.

    Attributes:
        job: its id.
        resumed: the savepoint or checkpoint that it went on from, None where it began.
    """

    cluster: LocalCluster
    job: str
    folder: Path
    resumed: str | None
    ticker: Ticker

    def stop(self) -> str | None:
        """Stop the job so that the next one goes on where it ended; where that is kept.

        None where tasks are still starting after a few seconds: Flink makes no savepoint then, and the next
        job goes on where this one would have.
        """
        end = time.monotonic() + _STARTING_SECONDS
        while not self.cluster.jobs.look(self.job).all_tasks_run:
            if time.monotonic() > end:
                return None
            time.sleep(_PAUSE)
        folder = (self.folder / "savepoints").as_uri()
        return self.cluster.jobs.stop(self.job, folder, _SAVEPOINT_SECONDS)


@dataclass(frozen=True, slots=True)
class Ends:
    """Where payments come from and decisions go to.

    Attributes:
        source: all that is read, the topic `control` behind the others.
        outputs: topics of `decisions`, `quarantine` and `flag_matches`.
        control: topic whose records may put rules and models in force; None for none.
    """

    source: KafkaClient
    outputs: dict[str, str]
    control: str | None = None

    @classmethod
    def of(cls, source: str, to: str, control: str | None = None) -> Ends:
        """Of `kafka://BROKER/TOPICS`, and TOPIC, TOPIC?quarantine=TOPIC or a whole address."""
        needs_kafka()
        read = kafka_client(source, _SOURCE)
        if read.registry:
            raise InputError(
                "the Flink host reads no schema registry: leave schema.registry.url out for topics of plain "
                "JSON, or read these topics with `ringfence serve --source`"
            )
        brokers = read.address.brokers
        sink = kafka_client(to if "://" in to else f"kafka://{brokers}/{to}", _SINK).address
        if sink.brokers != brokers:
            raise InputError(
                f"payments and decisions go over one cluster of Kafka: {brokers} is not {sink.brokers}"
            )
        if control is not None:
            own = kafka_client(f"kafka://{brokers}/{control}", {}).address.topics
            if len(own) != 1 or own[0] in read.address.topics:
                raise InputError("--control names one topic, which is none of those with payments")
            read.address = replace(read.address, topics=(*read.address.topics, control))
        decisions = sink.topics[0]
        outputs = {
            "decisions": decisions,
            "quarantine": f"{decisions}-quarantine",
            "flag_matches": f"{decisions}-flag-matches",
        } | dict(sink.options)
        if len({*outputs.values(), *read.address.topics}) < len(outputs) + len(read.address.topics):
            raise InputError("each topic has one purpose: what is read, and where decisions and the rest go")
        return cls(read, outputs, control)

    def partitions(self) -> list[str]:
        """All that is read, as `TOPIC/NUMBER`; errors as of `partitions_of`."""
        from ringfence.adapters.flink.topics import partitions_of  # noqa: PLC0415 (an extra)

        return partitions_of(self.source, self.outputs.values())

    def controls(self, partitions: list[str]) -> list[str]:
        """Those of them that may put versions in force."""
        return [name for name in partitions if name.rpartition("/")[0] == self.control]


def packed(
    definitions: Definitions,
    partitions: list[str],
    shards: int,
    controls: Sequence[str] = (),
    *,
    is_near: bool = False,
) -> bytes:
    """The plan of the project in the current folder; errors as of `pack_project`.

    Workers that are `is_near` find models in its data folder that come later.

    Seed and keys are those of its data folder, which is made where there is none. `InputError` where that has
    tokens for personal data, or should have.
    """
    settings = load_settings()
    if settings.personal_data == VAULT:
        raise InputError(_NO_VAULT)
    with open_store(settings.data_dir, read_only=has_store(settings.data_dir)) as store:
        if keeps_tokens(store):
            raise InputError(_NO_VAULT)
        return pack_project(
            definitions,
            store.meta,
            load_mapping(settings.mapping or "canonical"),
            partitions,
            controls=controls,
            shards=shards,
            lanes=max(shards // 2, 2),
            null_values=settings.null_values,
            keep_values=settings.keep_values,
            registry=model_registry(settings.data_dir.resolve()).where if is_near else "",
        )


@contextmanager
def flink_running(
    project: Path,
    ends: Ends,
    definitions: Definitions,
    *,
    workers: int,
    shards: int,
    checkpoint_ms: int,
    most_per_second: int | None = None,
    author: str = "",
    record: Callable[[Mapping[Part, str]], None] = _off_record,
    clusters: Callable[[FlinkParts, Path, int], LocalCluster] = LocalCluster,
) -> Iterator[FlinkRun]:
    """A project's job on a cluster of `clusters` that is started for it; the cluster ends with the block.

    It reads `most_per_second` records at most, or as many as there are. It goes on from where the last one in
    this folder got to; rules and a model that are others by now are put in force through the topic of
    `ends.control`, by `author`. `record` hears of versions by part before they take effect. `InputError`
    where that was another job, `ApprovalError` where a second person has to approve first, `StoreError`
    where the cluster or the job does not come up.
    """
    from ringfence.adapters.flink.topics import Ticker  # noqa: PLC0415 (an extra)

    parts = flink_parts()
    partitions = ends.partitions()
    plan = packed(definitions, partitions, shards, ends.controls(partitions), is_near=True)
    _keep_model(definitions)
    folder = (project / FOLDER_NAME).resolve()
    folder.mkdir(mode=0o700, exist_ok=True)
    job = _job_of(parts, folder, ends, partitions, checkpoint_ms, most_per_second)
    resumed = last_state(folder)
    described = folder / _JOB
    with ExitStack() as allowed:
        if resumed is not None:
            plan = _gone_on(folder, job, plan, ends, definitions, author, record, allowed)
        else:
            _begun(plan, plan_in(project), definitions, author, record, allowed)
        for path, content in ((folder / _PLAN, plan), (described, job.to_json())):
            with replaced(path) as file:
                file.write(content)
    with clusters(parts, folder, workers) as cluster, Ticker(ends.source, partitions) as ticker:
        script = parts.folder / "ringfence_flink" / "job.py"
        yield FlinkRun(cluster, cluster.submit(script, [str(described)], resumed), folder, resumed, ticker)


def package(
    project: Path,
    ends: Ends,
    definitions: Definitions,
    out: Path,
    *,
    shards: int,
    most_per_second: int | None = None,
    author: str = "",
) -> dict[str, Any]:
    """Write a project's job as one file for a cluster elsewhere; what Amazon's service is told of it.

    `ApprovalError` where a second person has to approve its rules or its model first.
    """
    parts = flink_parts()
    partitions = ends.partitions()
    plan = packed(definitions, partitions, shards, ends.controls(partitions))
    job = _job_of(parts, project.resolve(), ends, partitions, CHECKPOINT_MS, most_per_second)
    with ExitStack() as allowed:
        _begun(plan, None, definitions, author, _off_record, allowed)
        return write_package(out, parts, job, plan, machine_code(parts))


def _job_of(
    parts: FlinkParts,
    folder: Path,
    ends: Ends,
    partitions: list[str],
    checkpoint_ms: int,
    most_per_second: int | None,
) -> FlinkJob:
    from ringfence.adapters.flink.topics import java_properties  # noqa: PLC0415 (an extra)

    address = ends.source.address
    mark = hashlib.sha256(f"{folder} {address.shown} {ends.outputs}".encode()).hexdigest()[:8]
    return FlinkJob(
        name="ringfence",
        group=f"ringfence-flink-{mark}",
        brokers=address.brokers,
        properties=java_properties(ends.source),
        topics=address.topics,
        partitions=tuple(partitions),
        outputs=ends.outputs,
        plan=str(folder / _PLAN),
        batch=_BATCH,
        age_ms=_AGE_MS,
        most_per_second=float(most_per_second or 0),
        settings=settings_of(folder, checkpoint_ms, parts.python),
    )


def activate(
    project: Path,
    ends: Ends,
    definitions: Definitions,
    *,
    author: str,
    record: Callable[[Mapping[Part, str]], None] = _off_record,
) -> dict[Part, str]:
    """Put rules and model of a project's files in force on its job; what is put in force, by part.

    `record` as of `flink_running`. `InputError` where the job cannot take them: it reads no topic for that,
    measures other features, or has to be shipped a model first; `ApprovalError` where a second person has to
    approve them first.
    """
    from ringfence.adapters.flink.topics import put  # noqa: PLC0415 (an extra)

    before = plan_in(project)
    if before is None:
        raise InputError(f"no job has begun in {project / FOLDER_NAME}: `ringfence flink run` begins one")
    if ends.control is None or not takes_changes(before, ends.control):
        raise InputError(_NO_CONTROL)
    made = upgraded(before, definitions, author)
    if Part.MODELS in made.versions and not finds_models(before):
        raise InputError(
            "the project has another model than the job, whose workers do not look for models in this data "
            "folder: stop it and run it again, which ships the model and puts it in force"
        )
    if not made.records:
        return {}
    _keep_model(definitions)
    with approved(made.versions, definitions.rules.ruleset, made.before, author):
        record(made.versions)
        put(ends.source, ends.control, made.records)
        with replaced(project / FOLDER_NAME / _PLAN) as file:
            file.write(made.plan)
    return made.versions


def _keep_model(definitions: Definitions) -> None:
    """In the registry of the data folder, where workers and a server beside the job find it."""
    if definitions.model is not None:
        model_registry(load_settings().data_dir).add(definitions.model)


def plan_in(project: Path) -> bytes | None:
    """The plan of the job that has begun in a project; None where none has."""
    path = project / FOLDER_NAME / _PLAN
    return path.read_bytes() if path.is_file() else None


def _begun(
    plan: bytes,
    before: bytes | None,
    definitions: Definitions,
    author: str,
    record: Callable[[Mapping[Part, str]], None],
    allowed: ExitStack,
) -> None:
    """Have a job begin that may; one that did by the same versions, and kept nothing, needs no other word."""
    versions = first_versions(plan)
    rules = definitions.rules.ruleset
    if before is None or first_versions(before) != versions:
        allowed.enter_context(approved(versions, rules, rules, author))
    record(versions)


def _gone_on(
    folder: Path,
    job: FlinkJob,
    plan: bytes,
    ends: Ends,
    definitions: Definitions,
    author: str,
    record: Callable[[Mapping[Part, str]], None],
    allowed: ExitStack,
) -> bytes:
    """The plan with which a job goes on; what its project has changed is put in force by the log.

    `allowed` holds what that was approved with. `InputError` where the state in the folder is of another job
    than this one; errors of `approved`.
    """
    from ringfence.adapters.flink.topics import put  # noqa: PLC0415 (an extra)

    before = json.loads((folder / _JOB).read_bytes())
    remedy = f"or remove {folder} to begin anew, with an empty topic of decisions"
    for name, told in (("partitions", list(job.partitions)), ("outputs", dict(job.outputs))):
        if before[name] != told:
            raise InputError(
                f"the job in {folder} goes on with the {name} {before[name]}, not {told}: "
                f"give it the same topics, {remedy}"
            )
    kept = with_registry_of((folder / _PLAN).read_bytes(), plan)
    if not is_upgrade(kept, plan):
        raise InputError(
            "features, mapping, --shards or the keys of the data folder are not those that the state in "
            f"{folder} was made with: give back those of before, {remedy}"
        )
    made = upgraded(kept, definitions, author)
    if made.records and ends.control is None:
        raise InputError(f"rules or model are not those of before. {_NO_CONTROL}. Give back those, {remedy}")
    allowed.enter_context(approved(made.versions, definitions.rules.ruleset, made.before, author))
    record(made.versions)
    if ends.control is not None and made.records:
        put(ends.source, ends.control, made.records)
    return made.plan
