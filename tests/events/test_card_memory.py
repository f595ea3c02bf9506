"""Numbers that have come before get the same token as when they first came."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ringfence.events.privacy.card_memory import CardMemory
from ringfence.events.privacy.tokens import Tokenizer

KEY = b"0123456789abcdef"
TOKENIZER = Tokenizer(KEY)
NUMBERS = st.integers(10**11, 10**19 - 1).map(str)


def expected(numbers):
    """Tokens, last four digits, first six of 14 and more, first eight of 16 and more."""
    return (
        [number and TOKENIZER.token(number) for number in numbers],
        [number and number[-4:] for number in numbers],
        [number[:6] if number and len(number) >= 14 else None for number in numbers],
        [number[:8] if number and len(number) >= 16 else None for number in numbers],
    )


@given(st.lists(st.lists(st.none() | NUMBERS, min_size=1, max_size=20), min_size=1, max_size=5))
def test_tokens_are_the_same_however_often_a_number_comes_and_whatever_is_forgotten(batches):
    memory = CardMemory(TOKENIZER.token, most=25)
    for numbers in [*batches, *batches]:
        texts = pa.array([None, *numbers, None], pa.string()).slice(1, len(numbers))
        columns = memory.columns(texts)
        assert columns is not None
        for column in columns:
            column.validate(full=True)
        assert tuple(column.to_pylist() for column in columns) == expected(numbers)


def test_many_numbers_are_remembered_apart():
    numbers = [str(4_000_000_000_000_000 + 7919 * n) for n in range(5000)]
    columns = CardMemory(TOKENIZER.token).columns(pa.array(numbers))
    assert columns is not None
    assert tuple(column.to_pylist() for column in columns) == expected(numbers)


def test_what_is_not_a_plain_number_is_for_somebody_else():
    memory = CardMemory(TOKENIZER.token)
    good = "4111111111111111"
    for odd in ("4111 1111 1111 1111", "0111111111111111", "4" * 11, "4" * 20, "", "٤" * 16):
        assert memory.columns(pa.array([good, odd])) is None
    assert memory.columns(pa.array([good])) is not None


def test_more_numbers_at_once_than_are_remembered_are_for_somebody_else():
    numbers = [str(10**15 + n) for n in range(40)]
    assert CardMemory(TOKENIZER.token, most=30).columns(pa.array(numbers)) is None
    cards, refused = TOKENIZER.cards(pa.array([*numbers, None]))
    assert tuple(column.to_pylist() for column in cards) == expected([*numbers, None])
    assert not np.asarray(refused).any()
