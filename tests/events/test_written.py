"""Amounts in the spellings of people and banks."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.events.values.amounts import Status
from ringfence.events.values.vocabulary import FieldSource
from ringfence.events.values.written import read_amounts

MARKS = ["", "€", "$", "£", "EUR", "usd", "CHF", "R$", "US$", "zł"]
SPACES = ["", " ", "\u00a0", "\u202f"]


def minor(texts, **options):
    """Hundredths, None for what is no amount."""
    found = read_amounts(
        pa.array(texts), FieldSource("a", **options), np.full(len(texts), 2), np.full(len(texts), 10**15)
    )
    pairs = zip(found.minor.tolist(), found.status.tolist(), strict=True)
    return [value if status == Status.OK else None for value, status in pairs]


@st.composite
def spelled(draw):
    """A text, how a mapping has to say it, and the hundredths that it means."""
    cents = draw(st.integers(0, 10**12))
    decimal = draw(st.sampled_from([".", ","]))
    thousands = draw(st.sampled_from([",", ".", " ", "'", ""]).filter(lambda mark: mark != decimal))
    spelled_mark = {
        " ": draw(st.sampled_from([" ", "\u00a0", "\u202f"])),
        "'": draw(st.sampled_from("'\u2019")),
    }
    whole = f"{cents // 100:,}".replace(",", spelled_mark.get(thousands, thousands))
    number = f"{whole}{decimal}{cents % 100:02}"
    mark, space = draw(st.sampled_from(MARKS)), draw(st.sampled_from(SPACES))
    number = draw(st.sampled_from([f"{mark}{space}{number}", f"{number}{space}{mark}"]))
    style = draw(st.sampled_from(["{}", "-{}", "{}-", "({})", "+{}", "\u2212{}"]))
    negative = style not in ("{}", "+{}")
    return style.format(number), decimal, thousands, -cents if negative else cents


@given(st.lists(spelled(), min_size=1, max_size=1))
def test_every_spelling_means_its_digits(cases):
    ((text, decimal, thousands, wanted),) = cases
    assert minor([text], decimal=decimal, thousands=thousands) == [wanted], text


@given(st.decimals(-(10**9), 10**9, places=5))
def test_plain_numbers_are_read_as_before(number):
    """Oracle: decimal, half to even."""
    wanted = int((number * 100).quantize(Decimal(1)))
    assert minor([f"{number:f}"]) == [wanted]
    assert minor([f"{number:f}".replace(".", ",")], decimal=",") == [wanted]


@pytest.mark.parametrize(
    "text",
    [
        "1,500",
        "12,34",
        "(5",
        "5)",
        "--5",
        "-5-",
        "-(5)-",
        "5 EUR EUR",
        "5 abcd",
        "EUR",
        "1,2,3.00",
        "1 2",
        "5%",
        "1.2.3",
    ],
)
def test_what_might_mean_two_things_or_nothing_is_no_amount(text):
    assert minor([text]) == [None]


@pytest.mark.parametrize("text", ["1.5", "1,23,4", "1.23,4", "12.34,5.6", "1,500.00"])
def test_with_a_decimal_comma_a_point_parts_thousands_or_nothing(text):
    assert minor([text], decimal=",") == [None]


def test_a_dash_in_place_of_cents_is_no_sign():
    written = ["CHF 12.-", "12.-- Fr.", "-12.-", "12.\u2014", "12.5-"]
    assert minor(written) == [1200, 1200, -1200, 1200, -1250]
    assert minor(["12,-", "1.200,-- \u20ac", "12,--"], decimal=",") == [1200, 120000, 1200]


def test_dr_and_cr_behind_an_amount_are_its_sign():
    written = [
        "12.34 Dr",
        "12.34 CR",
        "1,250.00DR.",
        "Rs. 5.00 (Cr)",
        "Rs. 5.00 (Dr)",
        "-5 Dr",
        "Dr",
        "5 Dram",
    ]
    assert minor(written) == [-1234, 1234, -125000, 500, -500, None, None, None]


def test_indian_groups():
    assert minor(["12,34,567.89", "1,00,000"], thousands=",") == [123456789, 10000000]


def test_no_text_breaks_it():
    assert minor(["", " ", "$", "()", "-", ".", ",", "\u0000", "9" * 400]) == [None] * 9


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "wanted"),
    [
        ("\u0661\u0662\u066b\u0665\u0660\u0660", ",", ".", 1250),
        ("\u0661\u0662\u066b\u0665\u0660", ",", "", 1250),
        ("\u0661\u0662\u066b\u0665\u0660", ".", None, 1250),
        ("\u0661\u066c\u0662\u0663\u0664\u066b\u0665", ",", None, 123450),
        ("\u0661\u066c\u0662\u0663\u0664\u066b\u0665", ".", " ", 123450),
        ("\u0661\u066c\u0662\u0663\u0664", ",", "", None),
        ("\uff11\uff12\uff0e\uff15\uff10\uff10", ",", ".", 1250000),
    ],
)
def test_the_marks_of_arabic_say_themselves_which_they_are(text, decimal, thousands, wanted):
    """Whatever the mapping says of points and commas; those of full width are points and commas."""
    assert minor([text], decimal=decimal, thousands=thousands) == [wanted]
