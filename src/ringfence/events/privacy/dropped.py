"""What a draft does not keep as it came, by row, so that each value is counted once.

Sensitive data is left out; decimals are rounded; credits count as payments; clocks skip times.

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

    from ringfence.events.privacy.altered import Altered
    from ringfence.events.privacy.tokens import Tokenizer


class Dropped:
    """What the rows of one draft have lost; a row may stand here more than once."""

    def __init__(self) -> None:
        self.found: list[tuple[Secret, NDArray[np.int64]]] = []
        self._altered: list[tuple[Altered, NDArray[np.int64]]] = []

    def note(self, secret: Secret, rows: Sequence[int] | NDArray[np.int64]) -> None:
        """These rows have lost one value each."""
        if len(rows):
            self.found.append((secret, np.asarray(rows, np.int64)))

    def note_altered(self, how: Altered, rows: NDArray[np.bool_]) -> None:
        """These rows have a value that was altered so."""
        if rows.any():
            self._altered.append((how, np.flatnonzero(rows)))

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
        for how, rows in self._altered:
            tokenizer.altered[how] += int(np.isin(rows, good).sum())
