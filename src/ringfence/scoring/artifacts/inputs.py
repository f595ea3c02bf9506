"""A model's inputs by name, for one batch of transactions.

A name is a feature of the specification, a number of the payment as rules speak of it (`amount`, `hour`,
`weekday`, `lat`, `attributes.score`, be it written as text, `card.profile.city_pop`, `card.flagged` as 0 or
1), or an indicator `field=value` (`merchant_category=grocery`): 1 where the text is that value, 0 where it is
another, NaN where there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ringfence.errors import InputError
from ringfence.events.model import ATTRIBUTE_PREFIX
from ringfence.events.values.numbers import to_floats
from ringfence.scoring.columns import LOCAL, places_of
from ringfence.scoring.language.names import ENTITY_NAMES, Names, Type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.scoring.columns import Columns
    from ringfence.scoring.language.text import Text


def input_matrix(columns: Columns, names: Sequence[str], zone: str | None = None) -> NDArray[np.float64]:
    """The inputs of a batch, float64 (n, len(names)), NaN where unknown; not contiguous by row.

    `hour` and `weekday` are those of `zone`, of the columns' own without it.
    """
    matrix = np.empty((len(names), len(columns)))
    rows, measured, others = places_of(columns.spec, tuple(names))
    matrix[measured] = columns.features[rows[measured]]  # most inputs, at once
    for row in others.tolist():
        name = names[row]
        matrix[row] = columns.local(name, zone) if name in LOCAL else _column(columns, name)
    return matrix.T


def _column(columns: Columns, name: str) -> NDArray[np.float64]:
    field, is_indicator, value = name.partition("=")
    if is_indicator:
        return indicator(columns.text(field), value)
    if ENTITY_NAMES.get(name.partition(".")[2]) is Type.BOOLEAN:
        return np.asarray(columns.truth(name)[0], np.float64)
    if name.startswith(ATTRIBUTE_PREFIX):
        return number_of(columns, name)
    return columns.number(name)


def number_of(columns: Columns, attribute: str) -> NDArray[np.float64]:
    """A numeric attribute also where a source gives numbers as text, as CSV does; NaN for any other text."""
    numbers, texts = columns.number(attribute), columns.transactions.text(attribute)
    if texts.null_count == len(texts):
        return numbers
    if pa.types.is_dictionary(texts.type):
        texts = texts.cast(texts.type.value_type)
    return np.where(np.isnan(numbers), to_floats(texts)[0], numbers)


def indicator(text: Text, value: str) -> NDArray[np.float64]:
    """1.0 where the text is `value`, 0.0 where it is another, NaN where it is null."""
    found = np.array([*(float(word == value) for word in text.words), np.nan])  # code -1 is null
    return found[text.codes]


def check_inputs(names: Sequence[str], known: Names) -> None:
    """`InputError` for a name that no payment can have."""
    for name in names:
        field, is_indicator, _ = name.partition("=")
        wanted = Type.TEXT if is_indicator else Type.NUMBER
        if known.is_dynamic(field):
            continue
        if known.fixed.get(field) not in {wanted, Type.BOOLEAN if wanted is Type.NUMBER else wanted}:
            raise InputError(f"no input {name!r}: {known.nearest(field)}")
