"""Which texts a norm may change: a quick look at each, so that the others stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.compiling import compiled
from ringfence.events.values.placeholders import LONGEST_WORD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

ID, EMAIL, PHONE, IP, ACCOUNT, COUNTRY_CODE, NEVER, ANY = range(8)
"""How closely a field's texts are looked at."""


def word_tables(words: Iterable[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Sizes that words with a first byte have, and bytes with which words end; letters in either case."""
    sizes, last = np.zeros((256, LONGEST_WORD + 1), np.bool_), np.zeros(256, np.bool_)
    for word in words:
        for written in (word.encode(), word.upper().encode()):
            if 0 < len(written) <= LONGEST_WORD:
                sizes[written[0], len(written)] = True
                last[written[-1]] = True
    return sizes, last


@compiled(nogil=True)
def worth(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int32] | NDArray[np.int64],
    rules: NDArray[np.uint8],
    sizes: NDArray[np.bool_],
    last: NDArray[np.bool_],
    unseen: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Per text, whether its norm may be another, given how closely it is looked at."""
    out = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(out)):
        rule = rules[row]
        start, stop = offsets[row], offsets[row + 1]
        size = stop - start
        if rule == NEVER or size == 0:
            continue
        if rule == ANY:
            out[row] = True
            continue
        if rule != COUNTRY_CODE and size <= LONGEST_WORD and _may_be_word(data, start, stop, sizes, last):
            out[row] = True
            continue
        if rule in (EMAIL, PHONE) and _may_reach_nobody(data, start, stop, rule, sizes, last):
            out[row] = True
            continue
        if _has_unseen(data, start, stop, unseen):
            out[row] = True
        elif rule == ACCOUNT:
            out[row] = size >= 15 and _is_letter(data[start]) and _is_letter(data[start + 1])
        elif rule != ID:
            out[row] = _is_odd(data, start, stop, rule)
    return out


@compiled(nogil=True)
def _has_unseen(data: NDArray[np.uint8], start: int, stop: int, unseen: NDArray[np.bool_]) -> bool:
    """Whether a text may have blanks on either side, or what `visible` leaves out, in UTF-8."""
    if data[start] <= 32 or data[stop - 1] <= 32:
        return True
    for at in range(start, stop - 1):  # noqa: SIM110 (numba takes no generator)
        if data[at] >= 0xC2 and unseen[data[at], data[at + 1]]:
            return True
    return False


@compiled(nogil=True)
def _may_be_word(
    data: NDArray[np.uint8], start: int, stop: int, sizes: NDArray[np.bool_], last: NDArray[np.bool_]
) -> bool:
    """Whether a text may stand for nothing."""
    first, end = data[start], data[stop - 1]
    if first <= 32 or end <= 32 or (last[end] and sizes[first, stop - start]):
        return True
    if first == 45 or _is_quote(first) or _is_quote(end):
        return True
    if first == end and stop - start >= 8 and first in (57, 70, 102):  # 9, F, f
        return True
    for at in range(start, stop):
        if data[at] < 128 and (_is_letter(data[at]) or 49 <= data[at] <= 57):
            return False
    return True


@compiled(nogil=True)
def _is_odd(data: NDArray[np.uint8], start: int, stop: int, rule: int) -> bool:
    """Whether a text has anything that its norm has not."""
    zero_first = True  # a zero here begins a number of several digits, if one more follows
    after_zero = False
    parts = 0
    for at in range(start, stop):
        byte = data[at]
        is_digit = 48 <= byte <= 57
        if rule == EMAIL:
            plain = 33 <= byte < 128 and not 65 <= byte <= 90
        elif rule == PHONE:
            plain = is_digit or (byte == 43 and at == start)
        elif rule == IP:
            plain = (is_digit and not after_zero) or byte == 46
        else:
            plain = byte > 32 and not 97 <= byte <= 122
        if not plain:
            return True
        after_zero, zero_first = zero_first and byte == 48, byte == 46
        parts += byte == 46
    if rule == EMAIL:
        return bool(data[stop - 1] == 46)
    if rule == IP:
        return parts == 0
    return bool(rule == PHONE and data[start] == 48 and data[min(start + 1, stop - 1)] == 48)


@compiled(nogil=True)
def _may_reach_nobody(
    data: NDArray[np.uint8],
    start: int,
    stop: int,
    rule: int,
    sizes: NDArray[np.bool_],
    last: NDArray[np.bool_],
) -> bool:
    """Whether an e-mail address or a phone number may be one that somebody has made up."""
    size = stop - start
    if rule == PHONE:
        if size < 5 or (data[stop - 1] == data[stop - 2] and data[stop - 2] == data[stop - 3]):
            return True
        return bool(data[stop - 1] == 48 or data[stop - 1] == 57) and bool(49 <= data[start + 1] <= 50)
    at = stop - 1
    while at > start and data[at] != 64:
        at -= 1
    local = at - start
    return 0 < local < sizes.shape[1] and bool(last[data[at - 1]]) and bool(sizes[data[start], local])


@compiled(nogil=True)
def _is_quote(byte: int) -> bool:
    return byte in (34, 39, 44, 59, 96)  # "',;`


@compiled(nogil=True)
def _is_letter(byte: int) -> bool:
    return 97 <= byte <= 122 or 65 <= byte <= 90
