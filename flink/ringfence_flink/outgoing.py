"""What an output's data becomes: records for Kafka, each with its topic and key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from ringfence_flink.topology import OUTPUTS, RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator


def records_of(output: str, data: bytes) -> bytes:
    """The records, one behind the other, as the jar's `Outgoing` takes them apart."""
    topic = OUTPUTS.index(output)
    return b"".join(
        RECORD.pack(RECORD.size - 4 + len(key) + len(value), topic, len(key)) + key + value
        for key, value in _PAIRS[output](data)
    )


def _decisions(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    from ringfence.decisions.decision import DecisionBatch  # noqa: PLC0415 (not before a plan is loaded)

    decisions = DecisionBatch.decode(data)
    for row in range(len(decisions)):
        decision = decisions.row(row)
        yield decision.transaction_id.encode(), msgspec.json.encode(decision)


def _quarantined(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    yield str(json.loads(data).get("source", "")).encode(), data


_PAIRS: dict[str, Any] = {
    "decisions": _decisions,
    "quarantine": _quarantined,
}
