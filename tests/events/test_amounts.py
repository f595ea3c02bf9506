"""Amounts are exact: decimal digits as written, rounded half to even."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.events.values.amounts import Status, exact_minor, limit_of, to_minor


def minor(values, digits=2):
    every = np.full(len(values), digits)
    return to_minor(values, every, limit_of(every))


@given(
    st.lists(st.decimals(-(10**14), 10**14, places=5), min_size=1, max_size=30), st.sampled_from([0, 2, 3])
)
def test_texts_floats_and_decimals_agree_with_exact_arithmetic(numbers, digits):
    texts = [format(number, "f") for number in numbers]
    floats = [float(number) for number in numbers]
    for column, written in (
        (pa.array(texts), texts),
        (pa.array(floats), [repr(one) for one in floats]),
        (pa.array(numbers, pa.decimal128(30, 5)), texts),
    ):
        amounts, status, _ = minor(column, digits)
        for amount, state, text in zip(amounts.tolist(), status.tolist(), written, strict=True):
            exact = exact_minor(text, digits)
            absurd = abs(exact) > 10 ** (13 + digits)
            assert (state, amount) == ((Status.ABSURD, 0) if absurd else (Status.OK, exact))


def test_a_half_is_rounded_to_even_on_the_written_digits():
    """The float 1.005 is a little less than it says, 1.015 a little more: neither may show."""
    assert minor(pa.array([1.005, 1.015, 1.025]))[0].tolist() == [100, 102, 102]
    assert minor(pa.array(["1.005", "1.015", "1.0251"]))[0].tolist() == [100, 102, 103]


def test_every_written_form_of_a_number_counts():
    texts = ["12", " 12.3 ", "+1.5", "-2.50", ".5", "5.", "1e2"]
    assert minor(pa.array(texts))[0].tolist() == [1200, 1230, 150, -250, 50, 500, 10000]


def test_what_is_no_number_is_said_so():
    texts = ["", "abc", "1,5", "1.2.3", "- 1", "NaN", "inf", ".", None]
    empty, wrong = Status.EMPTY, Status.NO_NUMBER
    assert minor(pa.array(texts))[1].tolist() == [empty, *[wrong] * 7, empty]
    assert minor(pa.array([float("nan"), float("inf")]))[1].tolist() == [wrong, wrong]


def test_absurd_amounts_are_found_however_large():
    texts = ["10000000000000", "10000000000000.01", "9" * 40, "1e400", "-1e30"]
    assert minor(pa.array(texts))[1].tolist() == [Status.OK, *[Status.ABSURD] * 4]
    assert minor(pa.array([2**63 - 1, -(2**63)]))[1].tolist() == [Status.ABSURD] * 2
    assert minor(pa.array([2**64 - 1], pa.uint64()))[1].tolist() == [Status.ABSURD]
    assert minor(pa.array([1e300]))[1].tolist() == [Status.ABSURD]


def test_the_currency_tells_the_digits():
    values = pa.array([Decimal("7.5")] * 3, pa.decimal128(10, 1))
    digits = np.array([0, 2, 3])
    assert to_minor(values, digits, limit_of(digits))[0].tolist() == [8, 750, 7500]


def test_dates_are_no_amounts():
    assert minor(pa.array([0], pa.timestamp("ms")))[1].tolist() == [Status.NO_NUMBER]


@pytest.mark.parametrize(("digits", "more"), [(0, "0.5"), (2, "1.005"), (3, "7.00001"), (4, "1.00005")])
@pytest.mark.parametrize("kind", [str, float, np.float32, Decimal])
def test_it_tells_which_amounts_had_more_decimals(digits, more, kind):
    """However many more: five were not seen, nor any where the currency has four."""
    texts = [more, "12", "12.0", "1" + "0" * 9, "-" + more]
    values = pa.array([kind(text) for text in texts], pa.float32() if kind is np.float32 else None)
    assert minor(values, digits)[2].tolist() == [True, False, False, False, True]


@given(
    st.lists(st.decimals(-(10**13), 10**13, places=5), min_size=1, max_size=30), st.sampled_from([0, 2, 4])
)
def test_more_decimals_are_those_of_exact_arithmetic(numbers, digits):
    texts = [format(number, "f") for number in numbers]
    wanted = [number != round(number, digits) and abs(number) <= 10**13 for number in numbers]
    assert minor(pa.array(texts), digits)[2].tolist() == wanted
    assert minor(pa.array([f"{text}e0" for text in texts]), digits)[2].tolist() == wanted


def test_what_arithmetic_leaves_behind_is_no_decimal():
    floats = pa.array([0.1 + 0.2, 57.16, 3 * 1.1, 12.345])
    assert minor(floats)[2].tolist() == [False, False, False, True]
    assert minor(floats.cast(pa.float32()))[2].tolist() == [False, False, False, True]


def test_an_amount_that_is_none_had_no_decimals():
    values = pa.array(["x1.005", "99999999999999.005", "", None, "1.005"])
    assert minor(values)[2].tolist() == [False, False, False, False, True]
