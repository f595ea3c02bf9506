"""Puts the Flink host together: a project, topics of Kafka, and a cluster of this machine."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.flink import LocalCluster, flink_parts
from ringfence.adapters.flink.job import FlinkJob, last_state, settings_of
from ringfence.adapters.flink.package import write_package
from ringfence.adapters.flink.private import replaced
from ringfence.compose.kafka import kafka_client, needs_kafka
from ringfence.compose.sharded import pack_project
from ringfence.compose.store import VAULT, has_store, keeps_tokens, open_store
from ringfence.errors import InputError
from ringfence.events.mapping import load_mapping
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ringfence.adapters.flink.parts import FlinkParts
    from ringfence.adapters.flink.topics import Ticker
    from ringfence.adapters.kafka.client import KafkaClient
    from ringfence.compose.definitions import Definitions

FOLDER_NAME: Final = "ringfence-flink"
"""In a project's folder: what a local cluster writes, and where its job goes on."""

CHECKPOINT_MS: Final = 1000
_BATCH: Final = 1000
_AGE_MS: Final = 20
_PLAN: Final = "plan"
_JOB: Final = "job.json"
_SAVEPOINT_SECONDS: Final = 120.0
_NO_VAULT: Final = (
    'personal_data = "vault": Flink has no vault, and would write customers, accounts and contacts in the '
    "open. Read the topics with `ringfence serve --source`, or give Flink a project with a data folder of "
    'its own and personal_data = "kept"'
)
_SOURCE: Final[dict[str, tuple[str, ...] | None]] = {}
_SINK: Final[dict[str, tuple[str, ...] | None]] = {"quarantine": None}


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

    def stop(self) -> str:
        """Stop the job so that the next one goes on where it ended; where that is kept."""
        folder = (self.folder / "savepoints").as_uri()
        return self.cluster.jobs.stop(self.job, folder, _SAVEPOINT_SECONDS)


@dataclass(frozen=True, slots=True)
class Ends:
    """Where payments come from and decisions go to.

    Attributes:
        outputs: topics of `decisions` and `quarantine`.
    """

    source: KafkaClient
    outputs: dict[str, str]

    @classmethod
    def of(cls, source: str, to: str) -> Ends:
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
        decisions = sink.topics[0]
        outputs = {"decisions": decisions, "quarantine": f"{decisions}-quarantine"} | dict(sink.options)
        if len({*outputs.values(), *read.address.topics}) < len(outputs) + len(read.address.topics):
            raise InputError("each topic has one purpose: what is read, and where decisions and the rest go")
        return cls(read, outputs)

    def partitions(self) -> list[str]:
        """All that is read, as `TOPIC/NUMBER`; errors as of `partitions_of`."""
        from ringfence.adapters.flink.topics import partitions_of  # noqa: PLC0415 (an extra)

        return partitions_of(self.source, self.outputs.values())


def packed(definitions: Definitions, partitions: list[str], shards: int) -> bytes:
    """The plan of the project in the current folder; errors as of `pack_project`.

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
            shards=shards,
            lanes=max(shards // 2, 2),
            null_values=settings.null_values,
            keep_values=settings.keep_values,
        )


@contextmanager
def flink_running(
    project: Path, ends: Ends, definitions: Definitions, *, workers: int, shards: int, checkpoint_ms: int
) -> Iterator[FlinkRun]:
    """A project's job on a cluster that is started for it; the cluster ends with the block.

    It goes on from where the last one in this folder got to. `InputError` where that was another job,
    `StoreError` where the cluster or the job does not come up.
    """
    from ringfence.adapters.flink.topics import Ticker  # noqa: PLC0415 (an extra)

    parts = flink_parts()
    partitions = ends.partitions()
    plan = packed(definitions, partitions, shards)
    folder = (project / FOLDER_NAME).resolve()
    folder.mkdir(mode=0o700, exist_ok=True)
    job = _job_of(parts, folder, ends, partitions, checkpoint_ms)
    resumed = last_state(folder)
    if resumed is not None:
        _check_same(folder, job, plan)
    described = folder / _JOB
    for path, content in ((folder / _PLAN, plan), (described, job.to_json())):
        with replaced(path) as file:
            file.write(content)
    with LocalCluster(parts, folder, workers) as cluster, Ticker(ends.source, partitions) as ticker:
        script = parts.folder / "ringfence_flink" / "job.py"
        yield FlinkRun(cluster, cluster.submit(script, [str(described)], resumed), folder, resumed, ticker)


def package(project: Path, ends: Ends, definitions: Definitions, out: Path, *, shards: int) -> dict[str, Any]:
    """Write a project's job as one file for a cluster elsewhere; what Amazon's service is told of it."""
    parts = flink_parts()
    partitions = ends.partitions()
    plan = packed(definitions, partitions, shards)
    job = _job_of(parts, project.resolve(), ends, partitions, CHECKPOINT_MS)
    return write_package(out, parts, job, plan)


def _job_of(
    parts: FlinkParts, folder: Path, ends: Ends, partitions: list[str], checkpoint_ms: int
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
        settings=settings_of(folder, checkpoint_ms, parts.python),
    )


def _check_same(folder: Path, job: FlinkJob, plan: bytes) -> None:
    """`InputError` where the state in a folder is of another job than this one."""
    before = json.loads((folder / _JOB).read_bytes())
    remedy = f"or remove {folder} to begin anew, with an empty topic of decisions"
    for name, told in (("partitions", list(job.partitions)), ("outputs", dict(job.outputs))):
        if before[name] != told:
            raise InputError(
                f"the job in {folder} goes on with the {name} {before[name]}, not {told}: "
                f"give it the same topics, {remedy}"
            )
    if (folder / _PLAN).read_bytes() != plan:
        raise InputError(
            "features, rules, model, mapping, --shards or the keys of the data folder are not those that the "
            f"state in {folder} was made with: give back those of before, {remedy}"
        )
