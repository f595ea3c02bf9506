"""Text of FQL to its statements: rules with their LETs, conditions and clauses, and velocities."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ringfence.rulebook.foreign.tokens import Token, TokenKind, Untranslatable, check_readable, tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGINNINGS: Final = ("return", "select", "observe", "routeto", "do")
_PARTS: Final = ("when", "as", "from", "groupby")
_KEYWORDS: Final = (*_BEGINNINGS, *_PARTS, "let")
_HEADING: Final = re.compile(
    r"(?://|/\*)\s*(rule|clause|velocity set)\s*:\s*(.+?)\s*(?:\*/)?$", re.IGNORECASE
)


@dataclass(slots=True)
class Statement:
    """One statement: its keyword, the tokens behind it, and those of its parts (`when`, `from`, ...)."""

    keyword: str
    name: str
    at: int
    tokens: list[Token] = field(default_factory=list)
    parts: dict[str, list[Token]] = field(default_factory=dict)

    def end(self) -> int:
        """Where it ends."""
        found = [self.tokens, *self.parts.values()]
        return max((part[-1].end for part in found if part), default=self.at)


@dataclass(slots=True)
class ForeignScope:
    """A rule or velocity set: its variables, its condition (none: always), its statements."""

    name: str
    variables: dict[str, list[Token]] = field(default_factory=dict)
    conditions: list[list[Token]] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)


def scopes_of(text: str) -> list[ForeignScope]:
    """The rules and velocity sets of a text.

    A comment `// Rule: name` begins one, and `// Clause: name` names the next clause; without them the whole
    text is one rule. One that has a condition alone is there, too, as nothing comes of it.
    """
    scopes = [ForeignScope("rule")]
    clause = ""
    for keyword, tokens in _segments(tokens_of(text)):
        scope = scopes[-1]
        if keyword == "rule":
            scopes.append(ForeignScope(tokens[0].text))
        elif keyword == "clause":
            clause = tokens[0].text
        elif keyword == "let":
            _let(scope, tokens)
        elif keyword in _BEGINNINGS:
            name = clause or f"{scope.name} {len(scope.statements) + 1}"
            scope.statements.append(Statement(keyword, name, tokens[0].at, tokens[1:]))
            clause = ""
        elif scope.statements and (keyword != "when" or "when" not in scope.statements[-1].parts):
            scope.statements[-1].parts[keyword] = tokens[1:]
        elif keyword == "when":
            scope.conditions.append(tokens[1:])
        else:
            raise Untranslatable(f"{keyword.upper()} belongs to a SELECT", tokens[0].at)
    return [scope for scope in scopes if scope.statements or scope.conditions]


def _let(scope: ForeignScope, tokens: list[Token]) -> None:
    body = [token for token in tokens[1:] if token.kind is not TokenKind.COMMENT]
    if len(body) < 3 or body[0].kind is not TokenKind.VARIABLE or not body[1].is_sign("="):
        raise Untranslatable("LET is written as LET $name = expression", tokens[0].at)
    if body[0].text in scope.variables:
        raise Untranslatable(f"${body[0].text} is defined twice", body[0].at)
    scope.variables[body[0].text] = body[2:]


def _segments(tokens: list[Token]) -> Iterator[tuple[str, list[Token]]]:
    """Runs of tokens that begin with a keyword outside of brackets; headings in comments by themselves."""
    run: list[Token] = []
    keyword, depth = "", 0
    for token in tokens:
        heading = _HEADING.match(token.text) if token.kind is TokenKind.COMMENT else None
        if heading or (depth == 0 and token.is_word(*_KEYWORDS)):
            if run:
                yield keyword, run
            run, keyword = [], ""
        if heading:
            what = "clause" if heading[1].lower() == "clause" else "rule"
            yield what, [Token(TokenKind.COMMENT, heading[2], token.at, token.end)]
        elif token.kind is TokenKind.COMMENT:
            continue
        elif not run and not token.is_word(*_KEYWORDS):
            check_readable([token])
            raise Untranslatable(
                f"a statement begins with RETURN, SELECT, LET or WHEN, not {token.text!r}", token.at
            )
        else:
            keyword = keyword or token.text.lower()
            run.append(token)
            depth += token.is_sign("(", "[", "{") - token.is_sign(")", "]", "}")
            depth = max(depth, 0)
    if run:
        yield keyword, run
