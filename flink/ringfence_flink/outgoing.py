"""What an output's data becomes: records for Kafka, each with its topic and key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

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
    from ringfence.decisions.written import json_of  # noqa: PLC0415 (likewise)

    decisions = DecisionBatch.decode(data)
    for payment, value in zip(decisions.values("transaction_id"), json_of(decisions), strict=True):
        yield payment.encode(), value


def _quarantined(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    yield str(json.loads(data).get("source", "")).encode(), data


def _matched(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    with pa.ipc.open_stream(data) as stream:
        for match in stream.read_all().to_pylist():
            yield match["entity_id"].encode(), msgspec.json.encode(match)


_PAIRS: dict[str, Any] = {
    "decisions": _decisions,
    "quarantine": _quarantined,
    "flag_matches": _matched,
}
