"""Text of a rule to a syntax tree, within bounds, with every refusal pointing at its character.

Only tokens of the rule language get as far as the parser, so nothing else of SQL can be smuggled in.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from ringfence.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 64
_REMEMBERED_LENGTH: Final = 400  # characters; a tree takes some hundred times the memory of its text
_FRAMES_PER_LEVEL: Final = 40
"""Python frames that the parser spends on one level of nesting, generously."""

_DIALECT: Final = sqlglot.Dialect.get_or_raise("duckdb")
_WORDS: Final = {
    *(
        TokenType.AND,
        TokenType.OR,
        TokenType.NOT,
        TokenType.IN,
        TokenType.BETWEEN,
        TokenType.LIKE,
        TokenType.IS,
    ),
    *(TokenType.CASE, TokenType.WHEN, TokenType.THEN, TokenType.ELSE, TokenType.END),
    *(TokenType.NULL, TokenType.TRUE, TokenType.FALSE, TokenType.LIST),
    *(TokenType.FROM, TokenType.TIME),  # EXTRACT(hour FROM event_time AT TIME ZONE 'zone')
}
_SIGNS: Final = {
    *(TokenType.L_PAREN, TokenType.R_PAREN, TokenType.COMMA, TokenType.DOT),
    *(TokenType.PLUS, TokenType.DASH, TokenType.STAR, TokenType.SLASH, TokenType.MOD),
    *(TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE),
}
_ALLOWED: Final = {*_WORDS, *_SIGNS, TokenType.VAR, TokenType.IDENTIFIER, TokenType.NUMBER, TokenType.STRING}
_PREFIXES: Final = {TokenType.NOT, TokenType.DASH, TokenType.PLUS}
_OPENING: Final = {TokenType.L_PAREN, TokenType.CASE}
_CLOSING: Final = {TokenType.R_PAREN, TokenType.END}
_CHAINS: Final = (exp.And, exp.Or)
_ONE: Final = frozenset({"this"})
_TWO: Final = frozenset({"this", "expression"})
_MANY: Final = frozenset({"this", "expressions"})
_NODES: Final[dict[type[exp.Expression], frozenset[str]]] = {
    **dict.fromkeys((exp.And, exp.Or, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is), _TWO),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Nullif), _TWO),
    **dict.fromkeys((exp.Not, exp.Neg, exp.Paren, exp.Boolean, exp.Null), _ONE),
    **dict.fromkeys((exp.Abs, exp.Floor, exp.Ceil, exp.Length, exp.Lower, exp.Upper), _ONE),
    exp.Coalesce: _MANY,
    **dict.fromkeys((exp.Least, exp.Greatest), _MANY | {"ignore_nulls"}),  # always so in this dialect
    exp.Like: _TWO | {"negate"},
    exp.In: _MANY | {"field"},
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.If: frozenset({"this", "true"}),
    exp.Round: frozenset({"this", "decimals"}),
    exp.Column: frozenset({"this", "table", "db", "catalog"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Extract: _TWO,
    exp.AtTimeZone: frozenset({"this", "zone"}),
    exp.Var: _ONE,
}
"""Every part of a tree that is understood, with its arguments: anything else is refused, never ignored."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one expression, for pointing into it."""

    text: str

    def error(self, message: str, start: int, remedy: str = "") -> RuleError:
        """A RuleError that shows the line with a caret under position `start`.

        >>> print(Source("amount > 'a'").error("a number is needed", 9))
        a number is needed (line 1, column 10)
          amount > 'a'
                   ^
        """
        start = min(max(start, 0), len(self.text))
        line_start = self.text.rfind("\n", 0, start) + 1
        number = self.text.count("\n", 0, start) + 1
        column = start - line_start
        line = self.text[line_start:].split("\n", 1)[0].replace("\t", " ")
        cut = max(0, column - 60)
        shown = line[cut : cut + 120]
        where = f"(line {number}, column {column + 1})"
        return RuleError(
            f"{message} {where}\n  {shown}\n  {' ' * (column - cut)}^{remedy and chr(10) + remedy}"
        )


@dataclass(frozen=True, slots=True)
class Parsed:
    """A syntax tree with its source; `lists` are the positions of list names (`IN LIST 'name'`)."""

    source: Source
    tree: exp.Expression
    lists: frozenset[int]

    def error(self, message: str, node: exp.Expression, remedy: str = "") -> RuleError:
        """A RuleError that points at the first character of this part of the tree."""
        return self.source.error(message, position(node), remedy)

    def position(self, node: exp.Expression) -> int:
        """Offset in the text of the first character of a part of the tree."""
        return position(node)


def position(node: exp.Expression) -> int:
    """Offset of the first character that the tree remembers of this node."""
    starts = [
        part.meta["start"]
        for part in node.walk()
        if isinstance(part, exp.Expression) and "start" in part.meta
    ]
    return int(min(starts, default=0))


def parse(text: str) -> Parsed:
    """Syntax tree of one expression; RuleError for anything that is not of the language.

    >>> parse("amount > 100 and card_id in list 'stolen'").tree.key
    'and'
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise RuleError(
            f"the expression is longer than {MAX_BYTES} bytes: split it into several rules, or use a list"
        )
    if len(text) > _REMEMBERED_LENGTH:
        return _parsed(text)
    found = _remembered(text)
    return replace(found, tree=found.tree.copy())


@lru_cache(maxsize=512)
def _remembered(text: str) -> Parsed:
    """A book's expressions are read again at each start, check and edit. Nobody changes these trees."""
    return _parsed(text)


def _parsed(text: str) -> Parsed:
    source = Source(text)
    tokens = _tokens(source)
    _check_nesting(source, tokens)
    lists = _list_names(source, tokens)
    tokens = [token for token in tokens if token.token_type is not TokenType.LIST]
    trees = _parse(source, tokens)
    if len(trees) != 1 or trees[0] is None:
        raise source.error("an expression is missing", len(text))
    _place_keywords(trees[0], tokens)
    parsed = Parsed(source, trees[0], lists)
    _check_tree(parsed)
    return parsed


def _tokens(source: Source) -> list[Token]:
    try:
        tokens = _DIALECT.tokenize(source.text)
    except (SqlglotError, ValueError, IndexError) as error:
        raise source.error("a quote or comment is not closed", len(source.text.rstrip()) - 1) from error
    for index, token in enumerate(tokens):
        beside_dot = any(
            tokens[near].token_type is TokenType.DOT
            for near in (index - 1, index + 1)
            if 0 <= near < len(tokens)
        )
        part_of_name = beside_dot and token.text.isidentifier()
        if token.token_type not in _ALLOWED and not part_of_name:
            raise source.error(f"{_shown(token)} is not part of the rule language", token.start)
    return list(tokens)


def _shown(token: Token) -> str:
    return repr(token.text if len(token.text) <= 40 else token.text[:40] + "…")


def _check_nesting(source: Source, tokens: list[Token]) -> None:
    depth = run = 0
    for token in tokens:
        kind = token.token_type
        run = run + 1 if kind in _PREFIXES else 0
        depth += (kind in _OPENING) - (kind in _CLOSING)
        if depth + run > MAX_DEPTH:
            raise source.error(f"nested deeper than {MAX_DEPTH} levels", token.start)


def _list_names(source: Source, tokens: list[Token]) -> frozenset[int]:
    names = set()
    for index, token in enumerate(tokens):
        if token.token_type is not TokenType.LIST:
            continue
        before = tokens[index - 1].token_type if index else None
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if before is not TokenType.IN or after is None or after.token_type is not TokenType.STRING:
            raise source.error("a list is named as in: card_id IN LIST 'name'", token.start)
        names.add(after.start)
    return frozenset(names)


def _parse(source: Source, tokens: list[Token]) -> list[Any]:
    try:
        with _room_to_recurse():
            return _DIALECT.parser().parse(tokens, source.text)
    except SqlglotError as error:
        found: list[dict[str, object]] = getattr(error, "errors", None) or [{}]
        at = _offset(source.text, found[0].get("line"), found[0].get("col"))
        raise source.error(_plain(str(found[0].get("description"))), at) from error


def _plain(message: str) -> str:
    """The parser's message in words that fit a rule."""
    if message.startswith("Expecting"):
        return f"{message.removeprefix('Expecting').strip()} is missing here"
    if message.startswith("Required keyword"):
        return "something is missing here"
    if "number of provided arguments" in message:
        return "too many arguments"
    return "this was not expected here"


def _place_keywords(tree: exp.Expression, tokens: list[Token]) -> None:
    """Give NULL, TRUE and FALSE their positions, which the parser does not keep."""
    places = [
        token.start
        for token in tokens
        if token.token_type in (TokenType.NULL, TokenType.TRUE, TokenType.FALSE)
    ]
    nodes = [node for node in tree.dfs() if isinstance(node, (exp.Null, exp.Boolean))]
    if len(places) == len(nodes):
        for node, start in zip(nodes, places, strict=True):
            node.meta["start"] = start


@contextmanager
def _room_to_recurse() -> Iterator[None]:
    # The parser recurses a bounded number of levels (checked before), each many frames: more than
    # Python's default.
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 2000 + MAX_DEPTH * _FRAMES_PER_LEVEL))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _offset(text: str, line: object, col: object) -> int:
    if not isinstance(line, int) or not isinstance(col, int):
        return len(text)
    starts = [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]
    return starts[min(line, len(starts)) - 1] + max(col - 1, 0)


def _check_tree(parsed: Parsed) -> None:
    pending = [(parsed.tree, 1)]
    while pending:
        node, depth = pending.pop()
        _check_node(parsed, node)
        if depth > MAX_DEPTH:
            raise parsed.error(
                f"nested deeper than {MAX_DEPTH} levels: use parentheses less, or several rules", node
            )
        for child in node.iter_expressions():
            same_chain = isinstance(child, _CHAINS) and type(child) is type(node)
            pending.append((child, depth if same_chain or isinstance(child, exp.Paren) else depth + 1))


def _check_node(parsed: Parsed, node: exp.Expression) -> None:
    known = _NODES.get(type(node))
    if known is None:
        name = "this name for another" if isinstance(node, exp.Alias) else node.key.upper()
        raise parsed.error(f"{name} is not part of the rule language", node)
    unread = [name for name, value in node.args.items() if value and name not in known]
    if unread:
        raise parsed.error(f"{node.key.upper()} with {unread[0]} is not part of the rule language", node)


def chain(node: exp.Expression) -> list[exp.Expression]:
    """Operands of a run of the same AND or OR, in order of the text, without recursion."""
    operands: list[exp.Expression] = []
    pending = [node]
    while pending:
        part = pending.pop()
        if type(part) is type(node):
            pending += [part.args["expression"], part.this]
        else:
            operands.append(part)
    return operands
