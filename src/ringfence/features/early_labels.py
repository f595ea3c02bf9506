"""Labels that came before their transaction and wait for it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.features.kernel import layout as at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

MOST: Final = 1 << 20
"""Labels that wait; of more, those that came first are forgotten."""


class EarlyLabels:
    """The latest label, 0 or 1, of each transaction that has not come, by the hash of its id."""

    def __init__(self) -> None:
        self._labels: OrderedDict[int, int] = OrderedDict()  # whose first is found at once, however many went

    def __len__(self) -> int:
        return len(self._labels)

    def note(self, key: int, label: int) -> None:
        """A label came."""
        self._labels.pop(key, None)
        self._labels[key] = label
        if len(self._labels) > MOST:
            self._labels.popitem(last=False)

    def settle(self, row_of: Mapping[int, int], marks: NDArray[np.int64]) -> None:
        """Transactions came: their labels go into the marks of their rows, in place of what these say."""
        for key in self._labels.keys() & row_of.keys():
            row = row_of[key]
            unlabelled = int(marks[row]) & ~(1 << at.LABEL_BIT)
            marks[row] = unlabelled | self._labels.pop(key) << at.LABEL_BIT

    def adopt(self, other: EarlyLabels, knows: Callable[[NDArray[np.int64]], NDArray[np.bool_]]) -> None:
        """Have also another's, but for transactions that `knows` finds to be here."""
        ids, labels = other.to_arrays()
        missing = ~knows(ids)
        for key, label in zip(ids[missing].tolist(), labels[missing].tolist(), strict=True):
            self.note(key, label)

    def to_arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids and labels, in the order in which they came."""
        count = len(self._labels)
        ids = np.fromiter(self._labels.keys(), np.int64, count)
        return ids, np.fromiter(self._labels.values(), np.int64, count)

    @classmethod
    def from_arrays(cls, ids: NDArray[np.int64], labels: NDArray[np.int64]) -> EarlyLabels:
        """Those whose `to_arrays` these were."""
        found = cls()
        found._labels.update(zip(ids.tolist(), labels.tolist(), strict=True))
        return found
