"""Frauds that repeat another one under an id of their own: copies that flatter every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.features.links import GRAPH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Part

_FEWEST: Final = 10
_SHARE: Final = 0.05  # of the frauds
_TIMES: Final = 3.0  # as often as good payments repeat each other: people pay the same sum again
_OF_ITS_TIME: Final = frozenset({"hour", "weekday"})  # a copy may be dated anew
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


def copied_frauds(data: Dataset, learned: Part, test: Part) -> list[str]:
    """What to say where many frauds are equal in payer, amount and all that their rows hold."""
    alike = _alike(data)
    rows = np.concatenate([learned.rows, test.rows])
    fraud = np.concatenate([learned.fraud, test.fraud])
    frauds, copies = int(fraud.sum()), _repeats(alike[rows[fraud]])
    good, same = int((~fraud).sum()), _repeats(alike[rows[~fraud]])
    if copies < max(_FEWEST, _SHARE * frauds) or copies * good < _TIMES * same * frauds:
        return []
    at_once = _repeats(_mixed(alike[rows[fraud]], [data.time_ms[rows[fraud]].view(np.uint64)]))
    tested = test.rows[test.fraud]
    known = int(np.isin(alike[tested], alike[learned.rows[learned.fraud]]).sum())
    said = (
        f"{copies:,} of {frauds:,} frauds repeat another one under a different id, with the same payer, "
        f"amount and attributes. {at_once:,} of them have the same time, too. Of good payments "
        f"{same / max(good, 1):.1%} repeat."
    )
    if known:
        said += f" {known:,} of {len(tested):,} frauds of the test part repeat one that was learned from."
    advice = (
        " A thief may try an amount again. Oversampling and exports that overlap make copies: remove those "
        "and train again, or the figures and probabilities here mean nothing"
    )
    return [said + advice]


def _repeats(keys: NDArray[np.uint64]) -> int:
    return len(keys) - len(np.unique(keys))


def _alike(data: Dataset) -> NDArray[np.uint64]:
    """A hash of who paid and of what the row itself says; nothing that the engine measured of others."""
    said = [
        data.inputs[row].view(np.uint32).astype(np.uint64)
        for row, name in enumerate(data.names)
        if name not in data.made_of and name not in _OF_ITS_TIME and not name.startswith(GRAPH)
    ]
    return _mixed(data.entity.view(np.uint64), said)


def _mixed(keys: NDArray[np.uint64], more: Iterable[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    for values in more:
        keys = (keys ^ values) * _MIX
        keys = keys ^ (keys >> np.uint64(29))
    return keys
