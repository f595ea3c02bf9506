"""Texts without what nobody sees: zero-width characters, marks of direction, and blanks on either side.

They come from web pages, chats and spreadsheets, and would make another key of the same id.
"""

from __future__ import annotations

import unicodedata
from typing import Any, Final

import pyarrow.compute as pc

from ringfence.events.buffers import is_text

_CODES: Final = (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
_MARKS: Final = {"\uff0e": ".", "\uff0c": ",", "\u066b": ".", "\u066c": ",", "\uff0d": "-", "\uff0b": "+"}
_NOTHING: Final = dict.fromkeys(_CODES)

INVISIBLE: Final = r"[\x{00AD}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{FEFF}]"
"""They, as a pattern of Arrow."""


def visible(text: str) -> str:
    r"""A text without them.

    >>> visible("\u200bEUR\u00a0"), visible("c\u200b1")
    ('EUR', 'c1')
    """
    return text.strip() if text.isascii() else text.translate(_NOTHING).strip()


def western(text: str) -> str:
    r"""A text with the digits of ASCII for those of any script, and their decimal and thousands marks.

    >>> western("\uff11\uff12\uff0e\uff15"), western("\u0661\u066b\u0665")
    ('12.5', '1.5')
    """
    if text.isascii():
        return text
    return "".join(_MARKS.get(letter) or str(unicodedata.decimal(letter, letter)) for letter in text)


def trimmed(values: Any) -> Any:
    """A column of texts without what nobody sees; any other column as it is."""
    if not is_text(values):
        return values
    if not pc.all(pc.string_is_ascii(values)).as_py():
        values = pc.replace_substring_regex(values, INVISIBLE, "")
    return pc.utf8_trim_whitespace(values)
