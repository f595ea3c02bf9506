"""Patterns of texts in the rule language: LIKE, from parts of texts and from simple regular expressions."""

from __future__ import annotations

from typing import Final

from ringfence.rulebook.foreign.tokens import Untranslatable

_SPECIAL: Final = frozenset("[](){}+?*|^$")


def quoted(text: str) -> str:
    """A text as the rule language writes it.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def like(text: str, at: int, *, before: str = "", after: str = "") -> str:
    """A LIKE pattern of this very text between two others; refused where the text has LIKE's own signs."""
    if "%" in text or "_" in text:
        raise Untranslatable(f"{text[:40]!r} has % or _, which LIKE takes for any characters", at)
    return quoted(f"{before}{text}{after}")


def of_expression(value: str, pattern: str, at: int) -> str:
    r"""The condition that a value matches a regular expression as a whole, as Java's `matches` asks it.

    Understood are texts, `.`, `.*`, escapes, alternatives in one pair of parentheses or bare, and `(?i)`.

    >>> of_expression("email", r".*@gmail\.com", 0)
    "email LIKE '%@gmail.com'"
    >>> of_expression("country", "US|CA", 0)
    "(country = 'US' OR country = 'CA')"
    """
    pattern = pattern.replace("\\\\", "\\")  # as in a text within a text
    if pattern.startswith("(?i)"):
        return of_expression(f"LOWER({value})", pattern[4:].lower(), at)
    tests = [_one(value, part, at) for part in _alternatives(pattern, at)]
    return tests[0] if len(tests) == 1 else f"({' OR '.join(tests)})"


def _alternatives(pattern: str, at: int) -> list[str]:
    opening, closing = pattern.find("("), pattern.rfind(")")
    if opening < 0 and closing < 0:
        return [part.removeprefix("^").removesuffix("$") for part in pattern.split("|")]
    head, tail = pattern[:opening], pattern[closing + 1 :]
    inner = pattern[opening + 1 : closing].removeprefix("?:")
    if closing < opening or any(sign in head + tail for sign in "()|") or any(s in inner for s in "()"):
        raise Untranslatable(f"the regular expression {pattern[:60]!r} nests alternatives", at)
    return [f"{head}{part}{tail}".removeprefix("^").removesuffix("$") for part in inner.split("|")]


def _one(value: str, pattern: str, at: int) -> str:
    written, index, has_wild = "", 0, False
    while index < len(pattern):
        char = pattern[index]
        if char == "\\":
            index += 1
            char = pattern[index : index + 1]
            if not char or char.isalnum():
                raise Untranslatable(f"the regular expression {pattern[:60]!r} has \\{char}", at)
            written += _plain(char, pattern, at)
        elif char == ".":
            repeated = pattern[index + 1 : index + 2]
            written += "%" if repeated == "*" else "_%" if repeated == "+" else "_"
            index += repeated in ("*", "+") and bool(repeated)
            has_wild = True
        elif char in _SPECIAL:
            raise Untranslatable(f"the regular expression {pattern[:60]!r} has {char}", at)
        else:
            written += _plain(char, pattern, at)
        index += 1
    return f"{value} {'LIKE' if has_wild else '='} {quoted(written)}"


def _plain(char: str, pattern: str, at: int) -> str:
    if char in "%_":
        raise Untranslatable(
            f"the regular expression {pattern[:60]!r} has {char}, which LIKE takes for any", at
        )
    return char
