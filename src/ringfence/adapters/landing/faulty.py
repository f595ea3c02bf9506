"""Quarantined records land too, with their reasons: `faulty/dt=2026-01-31/<from>-<to>.ndjson.gz`."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

if TYPE_CHECKING:
    from ringfence.adapters.landing.place import Place
    from ringfence.ports import Quarantine, QuarantinedRecord

FAULTY: Final = "faulty"
_SPAN: Final = re.compile(r"(\d{13})-(\d{13})\.ndjson\.gz$")
_SETTLED_MS: Final = 2000  # what was received later may not be committed yet
_MOST: Final = 1_000_000


def land_faulty(quarantine: Quarantine, place: Place, now_ms: int) -> int:
    """Put what was quarantined since the last call into a file for each day of receipt; how many records."""
    spans = [span for name in place.names(FAULTY) if (span := _SPAN.search(name))]
    since = max((int(span[2]) for span in spans), default=-1)
    until = now_ms - _SETTLED_MS
    days: dict[str, list[QuarantinedRecord]] = {}
    for record in quarantine.records(limit=_MOST):
        if since < record.received_ms <= until:
            days.setdefault(_day(record.received_ms), []).append(record)
    for day in sorted(days):
        found = sorted(days[day], key=lambda record: (record.received_ms, record.id))
        first, last = found[0].received_ms, found[-1].received_ms
        lines = "".join(json.dumps(_told(record), ensure_ascii=False) + "\n" for record in found)
        content = pa.compress(lines.encode(), codec="gzip", asbytes=True)
        place.create(f"{FAULTY}/dt={day}/{first:013d}-{last:013d}.ndjson.gz", content)
    return sum(map(len, days.values()))


def _told(record: QuarantinedRecord) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": record.id,
        "received": datetime.fromtimestamp(record.received_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "source": record.source,
        "position": record.position,
        "reason": record.reason,
        "message": record.message,
        "mapping": record.mapping,
        "format": record.original_format,
    }
    try:
        return told | {"original": record.original.decode()}
    except UnicodeDecodeError:
        return told | {"original_base64": base64.b64encode(record.original).decode()}


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"
