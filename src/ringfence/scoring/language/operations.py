"""The vectorised operations of the rule language.

Null is NaN in numbers; a truth set holds the rows where something is TRUE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ringfence.scoring.language.text import Text, like, ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Rows = NDArray[np.bool_]


def not_equal(left: Numbers, right: Numbers) -> Rows:
    """TRUE where both are known and differ."""
    return (left < right) | (left > right)


def divide(left: Numbers, right: Numbers) -> Numbers:
    """Quotient; null where the divisor is 0."""
    return np.divide(left, np.where(right == 0, np.nan, right))


def round_half_away(x: Numbers, digits: int = 0) -> Numbers:
    """Rounded as SQL does: halves away from zero.

    >>> round_half_away(np.array([2.5, -2.5, 0.49999999999999994])).tolist()
    [3.0, -3.0, 0.0]
    """
    scale = 10.0 ** abs(digits)
    scaled = x if digits == 0 else x * scale if digits > 0 else x / scale
    whole = np.trunc(scaled)
    rounded = whole + np.copysign(1.0, scaled) * (np.abs(scaled - whole) >= 0.5)
    result: Numbers = rounded if digits == 0 else rounded / scale if digits > 0 else rounded * scale
    return result


def is_one_of(x: Numbers, values: tuple[float, ...]) -> Rows:
    """TRUE where x equals one of the sorted values."""
    if len(values) <= 4:
        any_of: Any = np.logical_or.reduce([x == value for value in values])
        return cast("Rows", any_of)
    known = np.array(values, np.float64)
    nearest = known[np.minimum(np.searchsorted(known, x), len(values) - 1)]
    return cast("Rows", nearest == x)


def known_number(x: Numbers) -> Rows:
    return np.equal(x, x)


def minus(rows: Rows, less: Rows) -> Rows:
    """Rows of the first set that are not in the second."""
    return rows & ~less


def choose(condition: Rows, value: Numbers, otherwise: Numbers) -> Numbers:
    return np.where(condition, value, otherwise)


def first_known(x: Numbers, otherwise: Numbers) -> Numbers:
    return np.where(np.isnan(x), otherwise, x)


def null_where(x: Numbers, mask: Rows) -> Numbers:
    return np.where(mask, np.nan, x)


def text_is(text: Text, test: tuple[str, Any]) -> Rows:
    """TRUE where the text passes a test.

    One of < <= = != > >= with a word, `in` some words, `like` a pattern.
    """
    name, wanted = test
    if name == "in":
        return text.where(frozenset(wanted).__contains__)
    if name == "like":
        return text.where(like(wanted))
    return text.where(_WORD_TESTS[name](wanted))


def text_is_not(text: Text, test: tuple[str, Any]) -> Rows:
    """TRUE where the text is known and fails the test."""
    return ~(text_is(text, test) | text.is_null)


# `wanted.__lt__(word)` says wanted < word: the mirrored method makes a predicate on the word
# without a lambda per call.
_WORD_TESTS = {
    "=": lambda wanted: wanted.__eq__,
    "<": lambda wanted: wanted.__gt__,
    "<=": lambda wanted: wanted.__ge__,
    ">": lambda wanted: wanted.__lt__,
    ">=": lambda wanted: wanted.__le__,
    "!=": lambda wanted: wanted.__ne__,
}


def text_ranks(left: Text, right: Text) -> tuple[Numbers, Numbers]:
    return ranks(left, right)


def first_of(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def second_of(pair: tuple[Any, Any]) -> Any:
    return pair[1]


def text_null(text: Text) -> Rows:
    return text.is_null


def text_known(text: Text) -> Rows:
    return text.codes >= 0


def text_lower(text: Text) -> Text:
    return text.map(str.lower)


def text_upper(text: Text) -> Text:
    return text.map(str.upper)


def text_length(text: Text) -> Numbers:
    return text.lengths()


def text_choose(condition: Rows, value: Text, otherwise: Text) -> Text:
    return value.otherwise(condition, otherwise)


def text_first_known(text: Text, otherwise: Text) -> Text:
    return text.otherwise(text.codes >= 0, otherwise)


def text_null_where(text: Text, mask: Rows) -> Text:
    return text.null_where(mask)


NO_TEXT = Text(np.full(1, -1, np.int32), ())


WEIGHT_SCALE = 10_000
"""Weights are added as integers of this fraction, so that no order of adding matters."""


def weigh(*fired_and_weights: Any) -> Numbers:
    """Sum of the weights, given last, of what is TRUE, kept between 0 and 100."""
    *fired, weights = fired_and_weights
    total: Any = 0
    for rows, weight in zip(fired, weights, strict=True):
        total = total + np.multiply(rows, np.int32(round(weight * WEIGHT_SCALE)))
    return bounded_score(total)


def bounded_score(total: Any) -> Numbers:
    """Score of a sum of scaled weights."""
    score: Numbers = np.minimum(np.maximum(total, 0), 100 * WEIGHT_SCALE) / WEIGHT_SCALE
    return score
