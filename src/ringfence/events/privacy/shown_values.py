"""A value of a bad record as a message shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ringfence.events.privacy.nameless import has_word

if TYPE_CHECKING:
    from ringfence.events.privacy.tokens import Tokenizer

_LONGEST: Final = 40


def shown(value: Any, tokenizer: Tokenizer) -> str:
    """A value that was refused: short, without a card number, and without what may name somebody.

    >>> from ringfence.events.privacy.tokens import Tokenizer
    >>> shown("12,3x", Tokenizer(bytes(16)))
    "'12,3x'"
    """
    text = tokenizer.guard_text(str(value)[: 10 * _LONGEST], counted=False)
    if tokenizer.personal is not None and has_word(text):
        return f"a text of {len(text)} characters"
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    return repr(text) if isinstance(value, str) else text
