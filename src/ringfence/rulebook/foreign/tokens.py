"""Text of another product's rules to tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Iterable


class Untranslatable(Exception):  # noqa: N818 (a value that carries a reason up to whoever names it)
    """A part of a foreign rule that has no counterpart; `at` is its offset in the text."""

    def __init__(self, reason: str, at: int = 0) -> None:
        super().__init__(mask_cards(reason))
        self.reason = mask_cards(reason)
        self.at = at


class TokenKind(StrEnum):
    """What a token is."""

    COMMENT = "comment"
    ATTRIBUTE = "attribute"  # @"user.email", or @list in Fraud Detector
    VARIABLE = "variable"  # $amount
    TEXT = "text"
    DURATION = "duration"  # 7d
    NUMBER = "number"
    WORD = "word"
    SIGN = "sign"
    UNREADABLE = "unreadable"  # its text says why


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its text (of texts and attributes, without quotes), where it begins and ends."""

    kind: TokenKind
    text: str
    at: int
    end: int

    def is_sign(self, *signs: str) -> bool:
        """Whether it is one of these signs."""
        return self.kind is TokenKind.SIGN and self.text in signs

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, in either case."""
        return self.kind is TokenKind.WORD and self.text.lower() in words


_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<comment>//[^\n]*|/\*.*?\*/|\#[^\n]*)
      | (?P<attribute>@@?(?:"[^"\n]*"|[A-Za-z_][\w.]*))
      | (?P<variable>\$[A-Za-z_]\w*)
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<duration>[0-9]+[smhd]\b)
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<sign>&&|\|\||[=!<>]=|[<>!+*/%(),.\[\]?:{}=|&-])""",
    re.VERBOSE | re.DOTALL,
)
_TYPOGRAPHIC: Final = str.maketrans(
    dict.fromkeys((0x201C, 0x201D, 0x201E), '"') | dict.fromkeys((0x2018, 0x2019), "'")
)
MAX_TOKENS: Final = 200_000


def tokens_of(text: str) -> list[Token]:
    """Tokens of a text, comments included. Typographic quotes, as documents have them, are plain ones.

    What is no token is an unreadable one, so that the other statements of the text can be read.

    >>> [token.text for token in tokens_of('$amount > 5 and @"user.email" == "a"')]
    ['amount', '>', '5', 'and', 'user.email', '==', 'a']
    """
    text = text.translate(_TYPOGRAPHIC)
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = None if _is_open_comment(text, at) else _TOKEN.match(text, at)
        if match is None:
            found.append(_unreadable(text, at))
        elif (kind := match.lastgroup or "space") != "space":
            found.append(Token(TokenKind(kind), _content(kind, match[0]), at, match.end()))
        if len(found) > MAX_TOKENS:
            raise Untranslatable(f"more than {MAX_TOKENS:,} words and signs: split the file", at)
        at = match.end() if match else found[-1].end
    return found


def check_readable(tokens: Iterable[Token]) -> None:
    """Refuse what has an unreadable part."""
    for token in tokens:
        if token.kind is TokenKind.UNREADABLE:
            raise Untranslatable(token.text, token.at)


def _is_open_comment(text: str, at: int) -> bool:
    return text.startswith("/*", at) and text.find("*/", at + 2) < 0


def _unreadable(text: str, at: int) -> Token:
    """One sign; a quote that is not closed to the end of its line, a comment to the end of the text."""
    if text[at] == "/":
        return Token(TokenKind.UNREADABLE, "a comment that is not closed", at, len(text))
    if text[at] not in "\"'":
        return Token(TokenKind.UNREADABLE, f"{text[at]!r} is no part of an expression", at, at + 1)
    line = text.find("\n", at)
    return Token(TokenKind.UNREADABLE, "a quote that is not closed", at, line if line > 0 else len(text))


def _content(kind: str, text: str) -> str:
    if kind == "attribute":
        return text.lstrip("@").strip('"')
    if kind == "variable":
        return text[1:]
    if kind == "text":
        return re.sub(r"\\([\"'])", r"\1", text[1:-1])
    return text
