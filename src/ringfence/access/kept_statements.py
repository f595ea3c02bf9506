"""Personal data in a statement of SQL that is kept: tokens take the place of values of personal columns.

The log has tokens, so a statement with a plain value finds nothing and still names a person.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ringfence.errors import InputError
from ringfence.events.model import EVENT_SCHEMA
from ringfence.events.privacy.personal import TOKEN, id_field
from ringfence.events.values.norms import is_iban, norm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.events.privacy.personal import PersonalData

_PIECES: Final = re.compile(
    r"""(?P<comment>--[^\n]*|/\*[\s\S]*?(?:\*/|$))
    |(?P<text>'(?:[^']|'')*(?:'|$)|\$(?P<tag>\w*)\$[\s\S]*?(?:\$(?P=tag)\$|$))
    |(?P<name>"(?:[^"]|"")*(?:"|$)|[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<space>\s+)
    |(?P<sign>!?~~?\*?|<>|!=|<=|>=|==|[\s\S])""",
    re.VERBOSE,
)
_ENDS: Final = frozenset(
    {"AND", "BY", "ELSE", "END", "FROM", "GROUP", "HAVING", "JOIN", "LIMIT", "ON", "OR", "ORDER", "QUALIFY"}
    | {"SELECT", "THEN", "UNION", "WHEN", "WHERE"}
)
_NO_CALLS: Final = frozenset({"IN", "ANY", "ALL", "NOT", "AS", "OVER", "FILTER", "USING"} | _ENDS)
_EQUAL: Final = frozenset({"=", "==", "<>", "!=", "IN", "ANY", "DISTINCT"})
_PATTERNS: Final = frozenset({"LIKE", "ILIKE", "GLOB", "SIMILAR", "~", "~*", "!~", "!~*", "~~", "~~*"})
_OF_TOKENS: Final = re.compile(r"(?:pd|tok)_[0-9a-f_%]*")  # a pattern, too
_QUOTES: Final = re.compile(r"^(?:'|\$\w*\$)|(?:'|\$\w*\$)$")
_ABOUT: Final = re.compile(r"\bentity_type\s*==?\s*'(\w+)'", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[^\s@'\"(),;<>]{1,64}@[^\W_][\w.-]{0,250}\.[^\W\d_]{2,}")
_PHONE: Final = re.compile(r"(?<![\w+])(?:\+|00)[1-9](?:[ ()./-]{0,3}[0-9]){7,14}(?![\w])")
_IBAN: Final = re.compile(
    r"\b[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?:[ -][A-Z0-9]{1,4}){3,8})\b", re.IGNORECASE
)
_ENTITY: Final = "entity_id"
_ID: Final = re.compile(r"(?!\d{4}-\d\d(?:-\d\d)?(?:$|T\d))(?=\D*\d)[\w.:@+-]{4,200}")
_COLUMNS: Final = frozenset(
    {*EVENT_SCHEMA.names, "outcome", "rule", "rules", "rules_digest", "models_digest"}
)


class _Piece(NamedTuple):
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind in ("name", "sign") else ""


def kept_statement(personal: PersonalData, statement: str) -> str:
    """A statement with tokens for what is compared with personal columns, and for e-mail addresses.

    `InputError` for values of a personal column of which no token can be made, such as patterns.
    """
    abouts = {id_field(kind.lower()) for kind in _ABOUT.findall(statement)}
    about = abouts.pop() if len(abouts) == 1 else ""
    out, chosen = "", ""
    for pieces in _segments(statement):
        segment = pieces
        own = next((name for piece in segment if (name := _column(personal, piece))), "")
        words = {piece.word for piece in segment}
        is_branch = bool(segment) and segment[-1].word == "THEN"
        column = own or (chosen if is_branch else "")
        if column:
            segment = _kept(personal, segment, about if column == _ENTITY else column, is_branch and not own)
        out += "".join(piece.text for piece in segment)
        chosen = own if "CASE" in words and segment[-1].word == "WHEN" else chosen
        chosen = "" if "END" in words else chosen
    return personal.guard_text(out)


def person_named(statement: str) -> str:
    r"""What names a person by its form in a text, a comment or a quoted name of a statement; "" for nothing.

    >>> person_named("SELECT 1 -- asked by +49 170 1234567"), person_named("SELECT 'c1' AS \"x\"")
    ('a phone number', '')
    """
    pieces = (one for one in _PIECES.finditer(statement) if one.lastgroup in ("comment", "text", "name"))
    texts = "\n".join(one[0] for one in pieces)
    if _EMAIL.search(texts):
        return "an e-mail address"
    if _PHONE.search(texts):
        return "a phone number"
    groups = (re.split("[ -]", one[0]) for one in _IBAN.finditer(texts))
    found = ("".join(of[:count]) for of in groups for count in range(1, len(of) + 1))
    return "an IBAN" if any(map(is_iban, found)) else ""


def unnamed_id(statement: str) -> str:
    """The first text of a statement that looks like an id and stands beside no column that says whose it is.

    What is compared with a personal column is a token by now, as `kept_statement` makes it.

    >>> unnamed_id("SELECT * FROM decisions WHERE merchant_id = 'm-17' AND outcome IN ('review')")
    ''
    >>> unnamed_id("SELECT * FROM (VALUES ('C-1042')) AS t(who) WHERE event_time > '2026-12-01'")
    'C-1042'
    """
    for segment in _segments(statement):
        if any(piece.text.strip('"').lower() in _COLUMNS for piece in segment if piece.kind == "name"):
            continue
        for piece in segment:
            text = _QUOTES.sub("", piece.text) if piece.kind == "text" else ""
            if _ID.fullmatch(text) and not (TOKEN.fullmatch(text) or _OF_TOKENS.fullmatch(text)):
                return text
    return ""


def _segments(statement: str) -> Iterator[list[_Piece]]:
    """The pieces of each comparison or value: between AND, OR, WHERE, commas outside brackets, and such."""
    segment: list[_Piece] = []
    within: list[bool] = []  # open brackets: whether their commas part values of one comparison
    last = ""
    for found in _PIECES.finditer(statement):
        piece = _Piece(found.lastgroup or "", found[0])
        if piece.kind in ("space", "comment"):
            segment.append(piece)
            continue
        if piece.word in ("(", "["):
            within.append(True)
        elif piece.word in (")", "]") and within:
            within.pop()
        elif piece.word == "SELECT" and within:
            within[-1] = False
        segment.append(piece)
        ends = piece.word in _ENDS and not (piece.word == "FROM" and last == "DISTINCT")
        if ends or (piece.word == "," and not any(within[-1:])) or piece.word == ";":
            yield segment
            segment = []
        last = piece.word
    yield segment


def _is_call(before: list[_Piece]) -> bool:
    """Whether a bracket after these pieces has a function's arguments."""
    piece = next((one for one in reversed(before) if one.kind not in ("space", "comment")), None)
    return piece is not None and piece.kind == "name" and piece.word not in _NO_CALLS


def _column(personal: PersonalData, piece: _Piece) -> str:
    """The personal column that a piece names; the id of an entity may be."""
    name = piece.text.strip('"').lower() if piece.kind == "name" else ""
    if name == _ENTITY:
        return name
    return name if name in EVENT_SCHEMA.names and personal.class_of(name) is not None else ""


def _kept(personal: PersonalData, segment: list[_Piece], field: str, is_branch: bool) -> list[_Piece]:
    """The pieces of a comparison with a field; a branch of CASE compares without a sign."""
    words = {piece.word for piece in segment}
    exact = (is_branch or bool(words & _EQUAL)) and not words & _PATTERNS
    called = any(piece.word == "(" and _is_call(segment[:place]) for place, piece in enumerate(segment))
    kept = []
    for piece in segment:
        text = _QUOTES.sub("", piece.text).replace("''", "'")
        is_value = piece.kind == "text" or (piece.kind == "number" and exact and not called)
        if not is_value or not text or TOKEN.fullmatch(text) or _OF_TOKENS.fullmatch(text):
            kept.append(piece)
            continue
        if not exact or not field:
            raise InputError(
                f"the statement compares {field or 'an id of unknown type'} with a value that "
                "may name a person, and no token can be made of it: use the token, as the tables have it"
            )
        token = personal.as_kept(field, norm(field, text))
        kept.append(piece if token == text else _Piece("text", "'" + token.replace("'", "''") + "'"))
    return kept
