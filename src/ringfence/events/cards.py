"""Where card numbers stand in a text: runs of 13 to 19 digits that pass the Luhn check.

Only numbers that begin with 2 to 6 count (every card network's), and a run that touches a letter does not:
otherwise one in ten times in epoch milliseconds, and many a hexadecimal id, would be taken for a card. Nor do
the decimals of a text that is one number, such as a measured 0.4929031830612345.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np

from ringfence.events.buffers import spans

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SHORTEST: Final = 13
LONGEST: Final = 19
_GROUPS: Final = re.compile(r"(?<![0-9A-Za-z])[0-9]+(?:[ -][0-9]+)*(?![0-9A-Za-z])")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,9}\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?")
_ZERO, _NINE, _SPACE, _DASH = 48, 57, 32, 45


def is_card_number(digits: str) -> bool:
    """Whether these digits can be a card number.

    >>> is_card_number("4111111111111111"), is_card_number("4111111111111112")
    (True, False)
    """
    if not SHORTEST <= len(digits) <= LONGEST or digits[0] not in "23456":
        return False
    doubled = "0246813579"
    odd = sum(int(digit) for digit in digits[-1::-2])
    return (odd + sum(int(doubled[int(digit)]) for digit in digits[-2::-2])) % 10 == 0


def replace_cards(text: str, replacement: Callable[[str], str]) -> str:
    """The text with each card number, written in one run or in groups, replaced by a function of its digits.

    >>> replace_cards("card 4111 1111 1111 1111 exp 12/27", lambda digits: "*" + digits[-4:])
    'card *1111 exp 12/27'
    """
    if _DECIMAL.fullmatch(text):
        return text
    return _GROUPS.sub(lambda match: _replace_in_groups(match[0], replacement), text)


def _replace_in_groups(run: str, replacement: Callable[[str], str]) -> str:
    parts = re.split("([ -])", run)  # groups at even places, separators at odd ones
    out, at = "", 0
    while at < len(parts):
        stop = _card_end(parts, at) if at % 2 == 0 else 0
        out += replacement("".join(parts[at:stop:2])) if stop else parts[at]
        at = stop or at + 1
    return out


def _card_end(parts: list[str], start: int) -> int:
    """Place after the last group of a card that begins at group `start`, 0 when none does."""
    digits = ""
    for at in range(start, len(parts), 2):
        digits += parts[at]
        if is_card_number(digits):
            return at + 1
        if len(parts[at]) < 4 or len(digits) > LONGEST:
            return 0
    return 0


def may_hold_card(values: Any) -> NDArray[np.bool_]:
    """Per text, whether `replace_cards` is worth a call: never false for a text that holds a card."""
    return _scan(*spans(values))


@numba.njit(cache=True, nogil=True)
def _scan(data: NDArray[np.uint8], offsets: NDArray[np.int32] | NDArray[np.int64]) -> NDArray[np.bool_]:
    out = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(out)):
        stop = offsets[row + 1]
        at = offsets[row]
        while at + SHORTEST <= stop:
            if data[at] < _ZERO or data[at] > _NINE:
                at += 1
                continue
            first = at
            digits, sum_even, sum_odd = 0, 0, 0
            grouped = False
            while at < stop:
                byte = data[at]
                if _ZERO <= byte <= _NINE:
                    digit = int(byte) - _ZERO
                    doubled = 2 * digit - 9 if digit > 4 else 2 * digit
                    # Which digits are doubled counts from the right: keep both sums.
                    sum_even, sum_odd = sum_odd + digit, sum_even + doubled
                    digits += 1
                elif byte in (_SPACE, _DASH) and at > first:
                    grouped = True
                else:
                    break
                at += 1
            if digits >= SHORTEST and (grouped or (digits <= LONGEST and sum_even % 10 == 0)):
                out[row] = True
                break
    return out
