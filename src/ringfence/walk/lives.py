"""The stage that follows payments through their lives: captures, reversals, refunds, chargebacks.

It has an engine of its own. What that measures are the payments and, under the keys of the payment that each
belongs to, the actions on them, each at its own time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.batch import NULL_INT, EventBatch
from ringfence.events.clock import StreamClock
from ringfence.events.model import ACTIONS, Kind
from ringfence.features.engine import Engine
from ringfence.features.payment_lives import FIELDS, KnownPayments, Remembered
from ringfence.walk.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.features.spec import FeatureSpec

_ACTIONS: Final = pa.array(ACTIONS, pa.string())
_AUTHORISED: Final = FIELDS.index("authorised")
_OWN: Final = "engine."  # what the arrays of its engine begin with


class Lives(Stage):
    """Sums over what became of payments (`features.spec.LIFECYCLE_FIELDS`)."""

    name: ClassVar[str] = "lives"
    verb: ClassVar[str] = "measure"

    def __init__(self, engine: Engine, payments: Remembered, clock: StreamClock) -> None:
        self.engine = engine
        self.names = tuple(feature.name for feature in engine.spec.features)
        self._payments = payments
        self._clock = clock
        self._fields = _key_fields(engine.spec)

    @classmethod
    def fresh(cls, spec: FeatureSpec, seed: int) -> Self:
        """See `Stage.fresh`."""
        own = spec.of_lifecycle
        return cls(Engine(own, seed), Remembered(len(_key_fields(own))), StreamClock())

    def prepare(self, events: EventBatch) -> None:
        """See `Stage.prepare`."""
        if self.names:
            self.engine.hash(events)
            events.hashes("currency", self.engine.seed)

    def measure(self, events: EventBatch) -> NDArray[np.float64]:
        """See `Stage.measure`."""
        if not self.names:
            return np.empty((0, int(np.count_nonzero(events.is_transaction))))
        seed = self.engine.seed
        paid = np.flatnonzero(events.is_transaction)
        payments = events if events.only_payments else events.take(paid)
        now_ms = self._clock.now_ms
        clock = self._clock.advance(payments)
        ids = events.hashes("transaction_id", seed)
        currencies = events.hashes("currency", seed)
        keys = np.stack([events.hashes(name, seed) for name in self._fields], axis=1)
        first = self._payments.end
        amounts = events.amount_fixed
        self._payments.add(
            KnownPayments(ids[paid], keys[paid], currencies[paid], amounts[paid], clock), now_ms
        )
        rows, clocks, flows = paid, clock, None
        acting = np.flatnonzero(events.kind == Kind.LIFECYCLE)
        if len(acting):
            before = np.searchsorted(paid, acting)  # payments of the batch in front of each
            told = np.append(NULL_INT if now_ms is None else now_ms, clock)[before]
            places = self._payments.find(ids[acting], first + before, told)
            known = places >= 0
            acting, told, places = acting[known], told[known], places[known]
            actions = pc.index_in(events.column("action").take(pa.array(acting)), _ACTIONS)
            numbers = actions.to_numpy(zero_copy_only=False).astype(np.int64)
            moved = self._payments.act(places, numbers, amounts[acting], currencies[acting])
            keys[acting] = self._payments.keys(places)
            rows = np.concatenate([paid, acting])
            order = np.argsort(rows, kind="stable")
            rows, clocks = rows[order], np.concatenate([clock, told])[order]
            flows = np.concatenate([_of_payments(amounts[paid]), moved], axis=1)[:, order]
        made = _rows(events.event_time_ms[rows], _of_payments(amounts[paid]) if flows is None else flows)
        made.know(seed, dict(zip(self._fields, keys[rows].T, strict=True)))
        return self.engine.measure(made, clocks)[:, np.isin(rows, paid, assume_unique=True)]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Stage.arrays`."""
        if not self.names:
            return {}
        own = self._payments.arrays() | {"clock": self._clock.to_array()}
        return own | {_OWN + name: array for name, array in self.engine.arrays().items()}

    @classmethod
    def restored(cls, spec: FeatureSpec, seed: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See `Stage.restored`."""
        own = spec.of_lifecycle
        if not own.features:
            return cls.fresh(spec, seed)
        prefix = "engine."
        state = {
            name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)
        }
        payments = Remembered.from_arrays(len(_key_fields(own)), arrays)
        return cls(Engine.from_arrays(own, seed, state), payments, StreamClock.from_array(arrays["clock"]))


def _key_fields(spec: FeatureSpec) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for entity in spec.entities for key in entity.keys))


def _of_payments(amounts: NDArray[np.int64]) -> NDArray[np.int64]:
    """What payments themselves move: their amounts are authorised."""
    flows = np.full((len(FIELDS), len(amounts)), NULL_INT)
    flows[_AUTHORISED] = amounts
    return flows


def _rows(times: NDArray[np.int64], flows: NDArray[np.int64]) -> EventBatch:
    """Payments and actions as events that the engine measures alike."""
    columns = {"kind": pa.array(np.zeros(len(times), np.uint8)), "event_time_ms": pa.array(times)}
    made = EventBatch(pa.RecordBatch.from_pydict(columns))
    made.know(0, {}, flows=dict(zip(FIELDS, flows, strict=True)))
    return made
