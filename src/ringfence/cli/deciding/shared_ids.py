"""Ids that most payments of a run share: a word for nothing, perhaps, that nobody has named."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.events.batch import EventBatch

_FIELDS: Final = ("customer_id", "account_id", "card_id", "device_id", "ip", "email", "phone")
_ENOUGH: Final = 20  # payments that have the field
_MOST: Final = 20_000  # payments that are looked at
_OTHERS: Final = 5  # different values of another of these fields, without which the file is about one payer


class Majority:
    """Counts the ids of the first payments."""

    def __init__(self) -> None:
        self._seen = 0
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in _FIELDS}

    def look(self, events: EventBatch) -> None:
        """Take in a batch, unless enough have been seen."""
        if self._seen >= _MOST:
            return
        self._seen += len(events)
        for name, counts in self._counts.items():
            column = events.column(name)
            if column.null_count < len(column):
                found = pc.value_counts(column.drop_null())
                pairs = zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
                counts.update(dict(pairs))

    def remarks(self) -> Iterator[str]:
        """What somebody should look at."""
        varied = sum(len(counts) >= _OTHERS for counts in self._counts.values())
        for name, counts in self._counts.items():
            total = counts.total()
            if total < _ENOUGH or varied == (len(counts) >= _OTHERS):
                continue
            [(value, most)] = counts.most_common(1)
            if 2 * most > total:
                yield (
                    f"{name} is {value!r} in {most:,} of {total:,} payments that have one: if it stands for "
                    "nothing, add it to null_values in the mapping or the settings"
                )
