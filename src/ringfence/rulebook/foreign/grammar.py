"""Expressions of Fraud Detector and FQL as trees: C's operators, words for them, calls, methods, choices."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ringfence.rulebook.foreign.tokens import Token, TokenKind, Untranslatable, check_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_DEPTH: Final = 40
MAX_RUN: Final = 100
_DURATION_CHARACTERS: Final = 12
_END: Final = Token(TokenKind.SIGN, "", 0, 0)


@dataclass(frozen=True, slots=True)
class ForeignNode:
    """A part of an expression; `at` is where it begins in the text."""

    at: int


@dataclass(frozen=True, slots=True)
class Literal(ForeignNode):
    """A number, a text, true, false or null."""

    value: float | str | bool | None


@dataclass(frozen=True, slots=True)
class Duration(ForeignNode):
    """A length of time, such as 7d."""

    text: str


@dataclass(frozen=True, slots=True)
class Attribute(ForeignNode):
    """What begins with @: an attribute of the event in FQL, a list in Fraud Detector."""

    path: str


@dataclass(frozen=True, slots=True)
class Variable(ForeignNode):
    """What begins with $."""

    name: str


@dataclass(frozen=True, slots=True)
class Call(ForeignNode):
    """A function, `Math.Min(a, b)`; a method or property, `.Length`, whose first argument is its object."""

    name: str
    arguments: tuple[ForeignNode, ...] = ()


@dataclass(frozen=True, slots=True)
class Unary(ForeignNode):
    """`!` or `-`."""

    sign: str
    of: ForeignNode


@dataclass(frozen=True, slots=True)
class Binary(ForeignNode):
    """An operator between two parts: `and or == != < <= > >= in + - * / %`."""

    sign: str
    left: ForeignNode
    right: ForeignNode


@dataclass(frozen=True, slots=True)
class ForeignChoice(ForeignNode):
    """`test ? yes : no`."""

    test: ForeignNode
    yes: ForeignNode
    no: ForeignNode


@dataclass(frozen=True, slots=True)
class Items(ForeignNode):
    """`[1, 2, 3]`."""

    values: tuple[ForeignNode, ...]


class Parser:
    """Reads one expression of a sequence of tokens."""

    def __init__(self, tokens: Sequence[Token], end: int) -> None:
        self._tokens = [token for token in tokens if token.kind is not TokenKind.COMMENT]
        self._end = end
        self._next = 0
        self._depth = 0
        check_readable(self._tokens)

    def whole(self) -> ForeignNode:
        """The expression that all tokens together are."""
        node = self.expression()
        if self._next < len(self._tokens):
            raise Untranslatable(f"{self._peek().text!r} was not expected here", self._peek().at)
        return node

    def expression(self) -> ForeignNode:
        """The next expression."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Untranslatable(f"nested deeper than {MAX_DEPTH} levels", self._at)
        node = self._chain(self._both, "or", "||")
        if self._takes("?"):
            yes = self.expression()
            self._needs(":")
            node = ForeignChoice(node.at, node, yes, self.expression())
        self._depth -= 1
        return node

    def _chain(self, part: Callable[[], ForeignNode], word: str, sign: str) -> ForeignNode:
        node = part()
        while self._peek().is_word(word) or self._peek().is_sign(sign):
            self._next += 1
            node = Binary(node.at, word, node, part())
        return node

    def _both(self) -> ForeignNode:
        return self._chain(self._negation, "and", "&&")

    def _negation(self) -> ForeignNode:
        token = self._peek()
        if not token.is_word("not"):
            return self._comparison()
        self._next += 1
        self._deeper(token)
        node = Unary(token.at, "!", self._negation())
        self._depth -= 1
        return node

    def _comparison(self) -> ForeignNode:
        node = self._sum()
        token = self._peek()
        if token.is_sign("==", "!=", "<", "<=", ">", ">=", "="):
            self._next += 1
            return Binary(node.at, "==" if token.text == "=" else token.text, node, self._sum())
        if token.is_word("in"):
            self._next += 1
            return Binary(node.at, "in", node, self._sum())
        if token.is_word("not") and self._peek(1).is_word("in"):
            self._next += 2
            return Unary(node.at, "!", Binary(node.at, "in", node, self._sum()))
        return node

    def _sum(self) -> ForeignNode:
        return self._operators(self._product, "+", "-")

    def _product(self) -> ForeignNode:
        return self._operators(self._prefixed, "*", "/", "%")

    def _operators(self, part: Callable[[], ForeignNode], *signs: str) -> ForeignNode:
        node = part()
        for run in itertools.count():
            if not self._peek().is_sign(*signs):
                return node
            if run > MAX_RUN:
                raise Untranslatable(f"more than {MAX_RUN} terms in one sum or product", self._at)
            sign = self._tokens[self._next].text
            self._next += 1
            node = Binary(node.at, sign, node, part())
        raise AssertionError

    def _prefixed(self) -> ForeignNode:
        token = self._peek()
        if not token.is_sign("!", "-"):
            return self._postfixed()
        self._next += 1
        self._deeper(token)
        node = Unary(token.at, token.text, self._prefixed())
        self._depth -= 1
        return node

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Untranslatable(f"nested deeper than {MAX_DEPTH} levels", token.at)

    def _postfixed(self) -> ForeignNode:
        node = self._primary()
        while True:
            if self._peek().is_sign("["):
                raise Untranslatable("an element of an array: a payment here has no arrays", self._at)
            if not self._takes("."):
                return node
            name = self._word()
            node = Call(node.at, f".{name}", (node, *self._arguments()))

    def _primary(self) -> ForeignNode:  # noqa: PLR0911 (one line a kind)
        token = self._peek()
        if token is _END:
            raise Untranslatable("the expression ends too early", self._end)
        self._next += 1
        if token.kind is TokenKind.NUMBER:
            return Literal(token.at, _number(token))
        if token.kind is TokenKind.TEXT:
            return Literal(token.at, token.text)
        if token.kind is TokenKind.DURATION:
            return Duration(token.at, _duration(token))
        if token.kind is TokenKind.ATTRIBUTE:
            return Attribute(token.at, token.text)
        if token.kind is TokenKind.VARIABLE:
            return Variable(token.at, token.text)
        if token.kind is TokenKind.WORD:
            return self._named(token)
        if token.is_sign("("):
            node = self.expression()
            self._needs(")")
            return node
        if token.is_sign("["):
            return Items(token.at, self._until("]"))
        raise Untranslatable(f"{token.text!r} was not expected here", token.at)

    def _named(self, token: Token) -> ForeignNode:
        constants: dict[str, bool | None] = {"true": True, "false": False, "null": None}
        if token.text.lower() in constants:
            return Literal(token.at, constants[token.text.lower()])
        name = token.text
        while self._peek().is_sign(".") and self._peek(1).kind is TokenKind.WORD:
            name += f".{self._peek(1).text}"
            self._next += 2
        return Call(token.at, name, self._arguments())

    def _arguments(self) -> tuple[ForeignNode, ...]:
        return self._until(")") if self._takes("(") else ()

    def _until(self, closing: str) -> tuple[ForeignNode, ...]:
        found: list[ForeignNode] = []
        while not self._takes(closing):
            if found:
                self._needs(",")
            found.append(self.expression())
        return tuple(found)

    @property
    def _at(self) -> int:
        return self._peek().at if self._peek() is not _END else self._end

    def _peek(self, ahead: int = 0) -> Token:
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else _END

    def _takes(self, sign: str) -> bool:
        found = self._peek().is_sign(sign)
        self._next += found
        return found

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            raise Untranslatable(f"{sign!r} is missing here", self._at)

    def _word(self) -> str:
        token = self._peek()
        if token.kind is not TokenKind.WORD:
            raise Untranslatable("a name is missing after the point", self._at)
        self._next += 1
        return token.text


def _number(token: Token) -> float:
    number = float(token.text)
    if math.isinf(number):
        raise Untranslatable(f"{token.text[:40]} is too large for a number", token.at)
    return number


def _duration(token: Token) -> str:
    if len(token.text) > _DURATION_CHARACTERS:
        raise Untranslatable("a time that is too long", token.at)
    return token.text
