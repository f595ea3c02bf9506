"""Texts without what nobody sees: zero-width characters, marks of direction, and blanks on either side.

They come from web pages, chats and spreadsheets, and would make another key of the same id.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.buffers import is_text, spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_CODES: Final = (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
_MARKS: Final = {"\uff0e": ".", "\uff0c": ",", "\uff0d": "-", "\uff0b": "+"}
_NOTHING: Final = dict.fromkeys(_CODES)
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})  # general categories
_FILLERS: Final = frozenset(
    "\u115f\u1160\u2800\u3164\uffa0\u034f"
)  # letters and signs that are drawn as nothing

INVISIBLE: Final = "[" + "".join(f"\\x{{{code:04X}}}" for code in _CODES) + "]"
"""A pattern of Arrow for zero-width characters and marks of direction."""


def visible(text: str) -> str:
    r"""A text without what nobody sees.

    >>> visible("\u200bEUR\u00a0"), visible("c\u200b1")
    ('EUR', 'c1')
    """
    return text.strip() if text.isascii() else text.translate(_NOTHING).strip()


def unseen_bytes() -> NDArray[np.bool_]:
    """Which pairs of bytes begin, in UTF-8, a character that `visible` may leave out: 256 x 256.

    Those of ASCII are not among them.
    """
    pairs = np.zeros((256, 256), np.bool_)
    blanks = filter(str.isspace, map(chr, range(128, 0x10000)))
    for letter in (*map(chr, _CODES), *blanks):
        first, second = letter.encode()[:2]
        pairs[first, second] = True
    return pairs


def western(text: str, decimal: str, thousands: str) -> str:
    r"""A text with the digits of ASCII for those of any script, and these marks for the Arabic ones.

    >>> western("\uff11\uff12\uff0e\uff15", ",", "."), western("\u0661\u066c\u0660\u066b\u0665", ",", ".")
    ('12.5', '1.0,5')
    """
    if text.isascii():
        return text
    marks = _MARKS | {"\u066b": decimal, "\u066c": thousands}
    return "".join(marks.get(letter) or str(unicodedata.decimal(letter, letter)) for letter in text)


def shows_nothing(text: str) -> bool:
    r"""Whether a reader sees no character of a text.

    >>> shows_nothing(" \u200b\u3164"), shows_nothing(" 7"), shows_nothing("\u540d")
    (True, False, False)
    """
    return all(
        letter in _FILLERS or "\ufe00" <= letter <= "\ufe0f" or unicodedata.category(letter) in _UNSEEN
        for letter in text
    )


def may_show_nothing(texts: Sequence[str]) -> bool:
    """Whether any of these texts, of which none is empty, may: each that surely does not begins in ASCII."""
    return min(texts)[0] <= " " or max(texts)[0] > "~"


def without_unseen(texts: Any) -> Any:
    """A text column with null for what shows nothing; what shows something stays byte for byte."""
    data, offsets = spans(texts)
    begins = offsets[:-1][np.diff(offsets) > 0]
    if not len(begins) or not ((data[begins] <= ord(" ")) | (data[begins] > ord("~"))).any():
        return texts
    empty = [text is not None and shows_nothing(text) for text in texts.to_pylist()]
    return pc.if_else(pa.array(empty), None, texts) if any(empty) else texts


def trimmed(values: Any) -> Any:
    """A column of texts without what nobody sees; any other column as it is."""
    if not is_text(values):
        return values
    if not pc.all(pc.string_is_ascii(values)).as_py():
        values = pc.replace_substring_regex(values, INVISIBLE, "")
    return pc.utf8_trim_whitespace(values)
