"""Events as the kernel takes them: what of an input row needs no state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.errors import SpecError
from ringfence.events.batch import NULL_INT, EventBatch
from ringfence.events.model import Kind
from ringfence.features.calendar import starts_of
from ringfence.features.conditions import holds, local_hour
from ringfence.features.kernel import layout as at
from ringfence.features.program import tables_of
from ringfence.features.spec import LIFECYCLE_FIELDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.features.spec import FeatureSpec, Where

_LARGEST_FIXED = float(1 << 53)


class InputRows:
    """Makes input rows (`kernel.layout`) for engines of one specification and seed."""

    def __init__(self, spec: FeatureSpec, seed: int) -> None:
        self.spec = spec
        self.seed = seed
        self._compiled = tables_of(spec)
        keys = (name for item in spec.entities for name in item.keys)
        categories = (name for name, _ in self._compiled.categories)
        self.hashed = tuple(dict.fromkeys(["transaction_id", *keys, *categories]))

    def hash(self, batch: EventBatch) -> None:
        """Work out beforehand, on any thread, the hashes that are asked for."""
        for name in self.hashed:
            batch.hashes(name, self.seed)

    def of(self, batch: EventBatch) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows (n, input columns) of transactions and labels, and their places (n or 1, 2).

        Left to whoever has the state: the clock, and the fraud that labels tell.
        """
        compiled = self._compiled
        rows = np.empty((len(batch), compiled.input_columns), np.int64)
        rows[:, at.IN_KIND] = batch.kind == Kind.LABEL
        rows[:, at.IN_ROW] = batch.event_time_ms
        for number, (name, where) in enumerate(compiled.values):
            rows[:, at.IN_ROW + 1 + number] = self._fixed(batch, name, where)
        first = at.IN_ROW + compiled.calendar_word
        rows[:, first : first + len(compiled.calendars)] = starts_of(
            batch, compiled.calendars, self.spec.zone
        )
        for number, item in enumerate(self.spec.entities):
            rows[:, compiled.key_column + number] = key_hashes(batch, item.keys, self.seed)
        for number, (name, where) in enumerate(compiled.categories):
            rows[:, compiled.category_column + number] = self._category(batch, name, where)
        if compiled.mark_words:
            first = at.IN_ROW + compiled.marks_word
            rows[:, first] = self._marks(batch)
            rows[:, first + 1 : first + compiled.mark_words] = 0
        if compiled.id_word >= 0:
            rows[:, at.IN_ROW + compiled.id_word] = batch.hashes("transaction_id", self.seed)
        places = np.empty((len(batch) if compiled.needs_places else 1, 2))
        if compiled.needs_places:
            places[:, 0] = batch.number("lat")
            places[:, 1] = batch.number("lon")
        return rows, places

    def _category(self, batch: EventBatch, name: str, where: Where | None) -> NDArray[np.int64]:
        """Hashes of a field, 0 where it is null or the condition does not hold."""
        hashes = batch.hashes(name, self.seed)
        return hashes if where is None else np.where(holds(batch, where, self.spec.zone), hashes, 0)

    def _fixed(self, batch: EventBatch, name: str, where: Where | None) -> NDArray[np.int64]:
        """A numeric field as integers, NULL_INT where it is null or the condition does not hold."""
        if name == "amount":
            values = batch.amount_fixed
        elif name in LIFECYCLE_FIELDS:
            if name not in batch.flows:
                raise SpecError(f"sums of {name} follow payments through their lives: an engine alone cannot")
            values = batch.flows[name]
        else:
            scaled = np.rint(batch.number(name) * self._compiled.scale_of(name))
            usable = np.abs(scaled) <= _LARGEST_FIXED  # false for NaN
            values = np.where(usable, scaled, 0.0).astype(np.int64)
            values[~usable] = NULL_INT
        if where is not None:
            values = np.where(holds(batch, where, self.spec.zone), values, NULL_INT)
        return values

    def _marks(self, batch: EventBatch) -> NDArray[np.int64]:
        """Conditions and hour of each row, in bits."""
        marks = np.zeros(len(batch), np.int64)
        for bit, where in enumerate(self._compiled.conditions):
            marks |= holds(batch, where, self.spec.zone).astype(np.int64) << bit
        if self._compiled.needs_hour:
            marks |= local_hour(batch, self.spec.zone) << at.HOUR_SHIFT
        return marks


def key_hashes(batch: EventBatch, fields: tuple[str, ...], seed: int) -> NDArray[np.int64]:
    """One hash per row over a key's fields, 0 where any is null."""
    first = batch.hashes(fields[0], seed)
    for name in fields[1:]:
        other = batch.hashes(name, seed)
        mixed = (first * np.int64(-7046029254386353131)) ^ (other + (first >> np.int64(29)))
        mixed[mixed == 0] = 1
        mixed[(first == 0) | (other == 0)] = 0
        first = mixed
    return first
