"""The first payment has no more patience than the others: what it needs is there before it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ringfence.api.openapi import examples
from ringfence.intake import Intake
from ringfence.pipeline import Pipeline

if TYPE_CHECKING:
    from ringfence.api.hot.decoding import Decoding
    from ringfence.compose.deciding.session import Session


def warm_up(decoding: Decoding, session: Session) -> None:
    """Load every kernel that a payment meets, by a payment that no log sees."""
    now_ms = session.clock.now_ms()
    sample = examples.PAYMENT | {"event_time": now_ms}
    decoding([msgspec.json.encode(sample | {"merchant_id": None})], now_ms)  # read with more care
    events, _ = decoding([msgspec.json.encode(sample)], now_ms)
    seed = session.runner.pipeline.seed
    Intake(session.store.log, seed).admit_now(events, 0)
    Pipeline(session.definitions.spec, session.definitions.rules, seed).step(events)
