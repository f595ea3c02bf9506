"""Rules that were put in force on a Flink job, taken over by a store that follows its control topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.errors import RuleError
from ringfence.events.activation import Part, activation
from ringfence.rulebook.desk import Who
from ringfence.scoring.rulesets.ruleset import RuleSet
from ringfence.sharded.changes import Change, change_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.compose.deciding.session import Session
    from ringfence.events.batch import EventBatch

_LONGEST_NAME: Final = 200
_LONGEST_NOTE: Final = 1000


class FollowedRules:
    """Keeps each version in the store's rule book, and gives the activation for its log."""

    def __init__(self, session: Session, say: Callable[[str], None]) -> None:
        self._session = session
        self._say = say
        self._given: str | None = None  # the last one, which may be on its way to the log, or lost on it

    def __call__(self, value: bytes, append_ms: int) -> EventBatch | None:
        """The activation that a record asks for; `append_ms` is its timestamp, which its sender may choose.

        None where there is nothing to put in force here: a model, which comes with the project's files; rules
        that are in force already; rules that a second person has to approve first, which are kept to be
        shown. `RuleError` where the record is no change, or its rules do not fit the features.
        """
        try:
            told = change_in(value)
            if told.part is Part.MODELS:
                return None
            book = self._book(told)
        except msgspec.MsgspecError as error:
            raise RuleError(f"this is no change of rules: {error}") from error
        at_ms = min(max(append_ms, 0), self._session.clock.now_ms())
        note = self._cleaned(told.note, _LONGEST_NOTE) or "put in force on the Flink job"
        who = Who(self._cleaned(told.author, _LONGEST_NAME) or "flink", at_ms, note)
        desk = self._session.desk()
        desk.force.fit(book)
        may = desk.take_over(book, who)
        if told.digest == desk.force.active() and self._given in (None, told.digest):
            return None
        if not may:
            self._say(
                f"Warning: rules {told.digest} are in force on the Flink job and wait here for somebody to "
                f"approve and activate them (ringfence rules approve {told.digest}, then ringfence rules "
                f"activate {told.digest}): payments that come over HTTP are decided by the rules of before"
            )
            return None
        self._session.library.rules(told.digest)  # compiled here, so that no payment waits for it
        self._given = told.digest
        self._say(f"Rules {told.digest} take effect here, as on the Flink job")
        return activation(Part.RULES, told.digest, at_ms, author=who.name, note=who.note)

    def _cleaned(self, text: str, longest: int) -> str:
        """Text of whoever may write to the topic: without personal data and control characters, cut."""
        shown = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * longest])
        return self._session.tokenizer.clean(shown)[:longest].strip()

    def _book(self, told: Change) -> RuleSet:
        text = told.body or self._session.store.rule_history.body(told.digest)
        if not text:
            raise RuleError(f"rules {told.digest[:64]} came without their text, and are not kept here")
        book = RuleSet.from_json(text)
        if book.digest != told.digest:
            raise RuleError(f"the text is that of rules {book.digest}, not {told.digest[:64]}")
        return book
