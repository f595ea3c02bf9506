"""What a job is told, as the file that its script reads, and where it goes on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_METADATA: Final = "_metadata"


@dataclass(frozen=True, slots=True)
class FlinkJob:
    """One job, as `flink/ringfence_flink/job.py` reads it.

    Attributes:
        name: for people.
        group: consumer group, and how transactions begin: two jobs never share it.
        brokers: HOST:PORT, several with commas.
        properties: of Kafka's client in Java; secrets are among them.
        topics: that are read.
        partitions: of these, as `TOPIC/NUMBER`, in the plan's order.
        outputs: the topics of `decisions` and `quarantine`.
        plan: file with the stages' plan.
        batch: most records of a batch.
        age_ms: how long a record waits for others.
        most_per_second: records that are read in a second, by all workers together; 0.0 for no bound.
        settings: Flink's.
    """

    name: str
    group: str
    brokers: str
    properties: Mapping[str, str]
    topics: tuple[str, ...]
    partitions: tuple[str, ...]
    outputs: Mapping[str, str]
    plan: str
    batch: int
    age_ms: int
    most_per_second: float
    settings: Mapping[str, Any]

    def to_json(self) -> bytes:
        """The file's content."""
        return json.dumps(asdict(self), indent=1).encode()


def settings_of(states: Path, checkpoint_ms: int, python: Path) -> dict[str, Any]:
    """Flink's settings of a job whose checkpoints go to a folder."""
    return {
        "python.execution-mode": "thread",
        "python.executable": str(python),
        "python.client.executable": str(python),
        "pipeline.object-reuse": "true",
        "execution.buffer-timeout.interval": "5 ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.interval": f"{checkpoint_ms} ms",
        "execution.checkpointing.min-pause": f"{checkpoint_ms // 2} ms",
        "execution.checkpointing.timeout": "5 min",
        "execution.checkpointing.dir": (states / "checkpoints").as_uri(),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "10 s",
    }


def last_state(states: Path) -> str | None:
    """Where a job goes on: at the newest savepoint or checkpoint; None where there is none."""
    whole = [path.parent for path in states.glob(f"checkpoints/*/chk-*/{_METADATA}")]
    whole += [path.parent for path in states.glob(f"savepoints/*/{_METADATA}")]
    newest = max(whole, key=lambda path: (path / _METADATA).stat().st_mtime_ns, default=None)
    return None if newest is None else newest.as_uri()
