"""Which texts of a column may hold what is not kept: one compiled pass, before Python looks closely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.compiling import compiled
from ringfence.events.buffers import spans
from ringfence.masking import GAP, LONGEST, SHORTEST, is_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ZERO, _NINE = 48, 57
_NOT_ASCII, _LEAD = 0x80, 0xC0
_PERCENT, _AMPERSAND, _BACKSLASH = b"%&\\"
_PREFIX: Final = 4
_PADDED: Final = 16  # digits from which zeros in front are padding
_BETWEEN: Final = 12  # bytes at most between the letters of a code's name and its digits
_SHORTEST_NAME: Final = 3  # letters; a code has as many digits at least
_NAMES: Final = tuple(int.from_bytes(end) for end in (b"cvv", b"cvc", b"cvn", b"ode", b"pin"))
_LOWER: Final = 32
_is_network = compiled(nogil=True)(is_network)


def may_hold_secret(values: Any, *, spoken: bool = True) -> NDArray[np.bool_]:
    """Per text, whether it may hold a card number or, unless not `spoken`, a code or PIN behind its name.

    Never false where `masking.replace_cards` or `garbled.spoken_secrets` finds something.
    """
    return _scan(*spans(values), spoken)


@compiled(nogil=True)
def _is_letter(byte: int) -> bool:
    return 97 <= byte <= 122 or 65 <= byte <= 90


@compiled(nogil=True)
def _scan(
    data: NDArray[np.uint8], offsets: NDArray[np.int32] | NDArray[np.int64], spoken: bool
) -> NDArray[np.bool_]:
    out = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(out)):
        start, stop = offsets[row], offsets[row + 1]
        out[row] = _may_hold_card(data, start, stop) or (spoken and _names_code(data, start, stop))
    return out


@compiled(nogil=True)
def _may_hold_card(data: NDArray[np.uint8], start: int, stop: int) -> bool:
    if stop - start < SHORTEST:
        return False
    digits, foreign, worth, every, encoded = 0, False, False, 0, False
    for at in range(start, stop):
        byte = data[at]
        if _ZERO <= byte <= _NINE:
            digits += 1
            every += 1
        elif byte >= _NOT_ASCII:
            foreign = True
            digits += byte >= _LEAD  # a digit of another script, perhaps
            every += byte >= _LEAD
        elif _is_letter(byte):
            worth |= digits >= SHORTEST
            digits = 0
        elif byte in (_PERCENT, _AMPERSAND, _BACKSLASH):
            encoded = True  # a separator, perhaps
    if encoded and every >= SHORTEST:
        return True
    return bool((digits >= SHORTEST or worth) and (foreign or _holds_luhn(data, start, stop)))


@compiled(nogil=True)
def _names_code(data: NDArray[np.uint8], start: int, stop: int) -> bool:
    """Whether digits stand a few bytes behind what may be the end of a code's name, such as `CVV2: 737`."""
    for at in range(start + _SHORTEST_NAME + 1, stop - 2):
        if not _ZERO <= data[at] <= _NINE or _ZERO <= data[at - 1] <= _NINE:
            continue
        end = at
        while end > start + _SHORTEST_NAME and not _is_letter(data[end - 1]) and at - end <= _BETWEEN:
            end -= 1
        letters = 0
        for place in range(end - _SHORTEST_NAME, end):
            letters = letters << 8 | data[place] | _LOWER
        if letters in _NAMES:
            return True
    return False


@compiled(nogil=True)
def _holds_luhn(data: NDArray[np.uint8], start: int, stop: int) -> bool:
    """Whether some groups of digits in ASCII text, one after the other, may be a card number."""
    begins = True
    for at in range(start, stop):
        is_digit = _ZERO <= data[at] <= _NINE
        if is_digit and begins and _begins_card(data, at, stop):
            return True
        begins = not is_digit
    return False


@compiled(nogil=True)
def _begins_card(data: NDArray[np.uint8], start: int, stop: int) -> bool:
    digits, bare, prefix, gap, size = 0, 0, 0, 0, 0
    even, odd = 0, 0  # which digits are doubled counts from the right: keep both sums
    long = True  # all groups before this one have four digits or more
    for at in range(start, stop):
        byte = data[at]
        if not _ZERO <= byte <= _NINE:
            gap += 1
            if gap > GAP or _is_letter(byte):
                return False
            continue
        if gap:
            long = long and size >= _PREFIX
            gap, size = 0, 0
        size += 1
        digits += 1
        if digits > LONGEST:
            return False
        digit = int(byte) - _ZERO
        doubled = 2 * digit - 9 if digit > 4 else 2 * digit
        even, odd = odd + digit, even + doubled
        if bare or digit:
            bare += 1
            if bare <= _PREFIX:
                prefix = 10 * prefix + digit
        ends = at + 1 == stop or not _ZERO <= data[at + 1] <= _NINE
        if ends and digits >= SHORTEST and even % 10 == 0:
            padded = bare < digits and digits >= _PADDED
            if padded or (bare == digits and (long or _is_network(prefix, digits))):
                return True
    return False
