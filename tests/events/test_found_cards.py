"""Card numbers in long texts: what a check of every run finds, at a few calls a character."""

from __future__ import annotations

import sys
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence import masking
from ringfence.masking import FoundCard, find_cards, is_card_number, luhn

SEPARATORS = [
    " ",
    "-",
    ".",
    "/",
    "\u00a0",
    "\u200b",
    "  ",
    "%20",
    "&nbsp;",
    "+",
    " (+",
    "=",
    "^",
    "D",
    "a",
    "é",
    "",
]
SCRIPTS = ["".join(chr(first + digit) for digit in range(10)) for first in (0x30, 0xFF10, 0x660)]
NUMBERS = ["4111111111111111", "378282246310005", "6759649826438453", "0000004222222222222", "1714557600000"]


def joined(parts: tuple[str, int, str, str]) -> str:
    """Digits in groups of one size, in a script, with one separator."""
    digits, size, separator, script = parts
    groups = [digits[at : at + size] for at in range(0, len(digits), size)]
    return separator.join(groups).translate(str.maketrans("0123456789", script)) + separator


DIGITS = st.one_of(st.text("0123456789", max_size=60), st.text("01", max_size=60), st.sampled_from(NUMBERS))
PARTS = st.tuples(
    DIGITS, st.sampled_from([1, 1, 2, 3, 4, 5, 8, 60]), st.sampled_from(SEPARATORS), st.sampled_from(SCRIPTS)
)
TEXTS = st.lists(PARTS.map(joined), min_size=1, max_size=12).map("".join)


def every_run(text: str, *, strict: bool) -> list[FoundCard]:
    """Card numbers by the rules for groups, checking each run of them by itself."""
    folded, found = masking.fold(text), []
    for sequence in masking._SEQUENCE.finditer(folded):
        if not masking._OTHER.fullmatch(sequence[0]):
            spans = [one.span() for one in masking._DIGITS.finditer(folded, *sequence.span())]
            first = 0
            while first < len(spans):
                last = first_end(folded, spans, first, strict=strict)
                first += 1
                if last is not None:
                    digits = "".join(folded[start:end] for start, end in spans[first - 1 : last + 1])
                    card = masking._with_track(folded, spans[first - 1][0], spans[last][1], digits)
                    found.append(card)
                    first = next(
                        (at for at in range(last + 1, len(spans)) if spans[at][0] >= card.end), len(spans)
                    )
    return found


def first_end(folded: str, spans: list[tuple[int, int]], first: int, *, strict: bool) -> int | None:
    """The first group at which a card ends that begins at group `first`."""
    widths = [end - start for start, end in spans[first:]]
    for count, digits in enumerate(accumulate(widths)):
        before, at = widths[:count], first + count
        if digits > masking.LONGEST:
            return None
        is_long, is_all = all(width >= 4 for width in before), first == 0 and at == len(spans) - 1
        is_even = all(width == widths[0] for width in before) and widths[count] <= widths[0]
        if digits >= masking.SHORTEST and (is_long or is_all or is_even):
            number = "".join(folded[start:end] for start, end in spans[first : at + 1])
            is_number = looks_like_card(number, strict=strict or not is_long)
            if is_number and not masking._is_other(folded, spans[first][0], spans[at][1], digits):
                return at
    return None


def looks_like_card(digits: str, *, strict: bool) -> bool:
    bare = digits.lstrip("0") if len(digits) >= 16 else digits
    is_long = len(bare) >= masking.SHORTEST and bare[0] != "0"
    return is_card_number(bare) or (
        not strict and is_long and luhn(bare) and masking._CLOCK.fullmatch(bare) is None
    )


@given(TEXTS, st.booleans())
def test_finds_what_a_check_of_every_run_finds(text, strict):
    assert find_cards(text, strict=strict) == every_run(text, strict=strict)


@pytest.mark.parametrize("separator", [" ", "-", "\u00a0", "\u200b", "&nbsp;"])
@pytest.mark.parametrize("place", [0, 1, 700, 1499])
def test_a_number_is_found_anywhere_in_a_long_text(separator, place):
    groups = ["111"] * 1500
    groups[place] = separator.join(["4111", "1111", "1111", "1111"])
    assert [card.digits for card in find_cards(separator.join(groups))] == ["4111111111111111"]


def calls(text: str) -> int:
    """Calls that the finder makes for a text."""
    count = 0

    def note(_frame: object, event: str, _what: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        find_cards(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    "unit", ["1 ", "0 ", "12 ", "1234 ", "1-", "1\u00a0", "\uff11 ", "+1 ", "10 ", "1 0 "]
)
def test_a_long_text_costs_a_few_calls_a_character(unit):
    text = unit * 2000
    assert calls(text) < 7 * len(text)
