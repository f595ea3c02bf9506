"""Quarantined records tried again while the server runs: what can be read now goes the way of every event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.intake import event_json

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from ringfence.api.hot.outcomes import Result
    from ringfence.api.services import QuarantineServices
    from ringfence.events.batch import EventBatch
    from ringfence.ports import QuarantinedRecord

MOST_AT_ONCE: Final = 5000
"""Records that one request has tried again."""


def give(services: QuarantineServices, records: Sequence[QuarantinedRecord]) -> Counter[str]:
    """Try these again, in order; how often each outcome came out. Not on the event loop."""

    async def ask(lines: Sequence[bytes]) -> Sequence[Result]:
        return await services.decider.ask(lines, "quarantine", wants_decisions=False, bounded=False)

    def decide(events: EventBatch, labels: EventBatch | None) -> str:
        lines = _lines(events) + (_lines(labels) if labels is not None else [])
        return _outcome(services.decider.wait(ask(lines), "no answer in time: try the records again"))

    return services.replay_desk(decide).replay(records)


def _lines(events: EventBatch) -> list[bytes]:
    return [msgspec.json.encode(event_json(events, row)) for row in range(len(events))]


def _outcome(results: Sequence[Result]) -> str:
    if any(result.status == 409 for result in results):
        return "conflict"
    if any(result.status >= 400 for result in results):
        return "refused"
    repeated = all(msgspec.json.decode(result.body)["duplicate"] for result in results)
    return "duplicate" if repeated else "accepted"
