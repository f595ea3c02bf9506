"""What a draft does not keep, by row, so that each value is counted once: sensitive data, further decimals.

A row that becomes an event counts what it lost here. A row that is refused is kept in quarantine as it came,
and what is left out there counts instead (`Tokenizer.sanitize_json`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.privacy.sensitive import Secret, is_secret, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.events.privacy.tokens import Tokenizer


class Dropped:
    """What the rows of one draft have lost; a row may stand here more than once."""

    def __init__(self) -> None:
        self.found: list[tuple[Secret, NDArray[np.int64]]] = []
        self._rounded: list[NDArray[np.int64]] = []

    def note(self, secret: Secret, rows: Sequence[int] | NDArray[np.int64]) -> None:
        """These rows have lost one value each."""
        if len(rows):
            self.found.append((secret, np.asarray(rows, np.int64)))

    def note_rounded(self, rounded: NDArray[np.bool_]) -> None:
        """The amounts of these rows have lost decimals."""
        if rounded.any():
            self._rounded.append(np.flatnonzero(rounded))

    def without(self, values: Any, *names: str) -> Any:
        """A column without such data, by the names it has; None where it is all that."""
        meant = next(filter(None, map(named, names)), None)
        if meant is None or pa.types.is_boolean(values.type):
            return values
        if meant.surely:
            self.note(meant.secret, np.flatnonzero(np.asarray(pc.is_valid(values))))
            return None
        secret = is_secret(meant.secret, values)
        self.note(meant.secret, np.flatnonzero(secret))
        return pc.if_else(pa.array(secret), None, values) if secret.any() else values

    def count(self, tokenizer: Tokenizer, good: NDArray[np.int64]) -> None:
        """Count what the rows lost that have become events."""
        for secret, rows in self.found:
            tokenizer.drop(secret, int(np.isin(rows, good).sum()))
        for rows in self._rounded:
            tokenizer.rounded += int(np.isin(rows, good).sum())
