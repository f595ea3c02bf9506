"""Versions that were put in force on a Flink job, taken over by a store that follows its control topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ringfence.compose.deciding.activations import Activations
from ringfence.compose.deciding.models import IN_FORCE
from ringfence.desks.model_desk import Signed
from ringfence.errors import RingfenceError, RuleError
from ringfence.events.activation import Part, activation
from ringfence.ports import EVENTS
from ringfence.rulebook.changes import ApprovalError
from ringfence.rulebook.desk import Who
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.rulesets.ruleset import RuleSet
from ringfence.sharded.changes import Change, change_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.compose.deciding.session import Session
    from ringfence.events.batch import EventBatch
    from ringfence.sharded.changes import ControlRecord

LONGEST_NAME: Final = 200
_LONGEST_NOTE: Final = 1000


class _Given(NamedTuple):
    """What was handed over for the log last, where it stands in the topic, and where the log ended then."""

    digest: str
    place: str
    end: int


class FollowedVersions:
    """Keeps each version in the store, and gives the activation for its log."""

    def __init__(self, session: Session, say: Callable[[str], None]) -> None:
        self._session = session
        self._say = say
        self._activations = Activations(session.store.log)
        self._given: dict[Part, _Given] = {}  # which may be on its way to the log, or lost on it

    def check(self, record: ControlRecord) -> Part:
        """Keep the version that a record names; which part it is of.

        `RuleError` where the record is no change, its rules do not fit the features, or a model of it is not
        in the registry of this store, whole.
        """
        try:
            told = change_in(record.value)
            if told.part is Part.RULES:
                book = self._book(told)
                self._session.desk().force.fit(book)
                self._session.desk().take_over(book, self._who(told, record))
            else:
                self._ready(self._deployment(told))
        except msgspec.MsgspecError as error:
            raise RuleError(f"this is no change of rules or models: {error}") from error
        return told.part

    def put(self, record: ControlRecord) -> EventBatch | None:
        """The activation that a record asks for, which `check` has taken.

        None where there is nothing to put in force here: what is in force already; what a second person has
        to approve first; a change that was made here, and that another one made here has followed.
        """
        told = change_in(record.value)
        given = self._given.get(told.part)
        if told.digest == self._active(told.part) and (given is None or given.digest == told.digest):
            return None
        if self._was_made_here(told, record) and self._stands(told.part, record):
            return None
        who = self._who(told, record)
        if not self._may(told, who):
            return None
        self._given[told.part] = _Given(told.digest, record.place, self._session.store.log.end_offset(EVENTS))
        self._say(f"{told.part.capitalize()} {told.digest or 'none'} take effect here, as on the Flink job")
        if told.part is Part.MODELS:
            self._session.store.remember(IN_FORCE, told.digest)
        return activation(
            told.part, told.digest, who.now_ms, author=who.name, note=who.note, place=record.place
        )

    def _active(self, part: Part) -> str:
        return self._session.runner.pipeline.versions[part]

    def _was_made_here(self, told: Change, record: ControlRecord) -> bool:
        """Whether a record came from this log, which has that very activation where the record says.

        Whoever may write to the topic can claim so, and a store that was restored may have lost it since.
        What the log keeps no more is believed.
        """
        log = self._session.store.log
        if record.log != log.identity:
            return False
        if record.offset < log.start_offset(EVENTS):
            return True
        logged = self._activations.at(record.offset)
        return logged is not None and not logged.place and logged.version == (told.part, told.digest)

    def _stands(self, part: Part, record: ControlRecord) -> bool:
        """Whether what is in force here came after a change that was made here.

        It did where another one was made here, whose record comes later, and where it was taken over from a
        later place of the topic. One from an earlier place was on its way when this one was made.
        """
        given = self._given.get(part)
        begin = record.offset if given is None else min(record.offset, given.end)
        logged = [one for one in self._activations.since(begin) if one.version.part is part]
        if given is not None and all(one.place != given.place for one in logged):
            return given.digest == _digest(record)
        last = next((one.place for one in reversed(logged) if one.offset >= record.offset), "")
        return not last or _number(last) > _number(record.place)

    def _may(self, told: Change, who: Who) -> bool:
        """Whether nobody has to approve it first here; else says so."""
        if told.part is Part.RULES:
            if self._session.desk().take_over(self._book(told), who):
                self._session.library.rules(told.digest)  # compiled here, so that no payment waits for it
                return True
            asked, then = f"ringfence rules approve {told.digest}", f"ringfence rules activate {told.digest}"
        else:
            deployment = self._deployment(told)
            try:
                self._session.model_desk().take_over(deployment, Signed(who.name, who.now_ms, who.note))
            except ApprovalError as error:
                asked, then = str(error), f"ringfence models promote {deployment.champion}"
            else:
                return True
        self._say(
            f"Warning: {told.part} {told.digest} are in force on the Flink job and wait here for somebody to "
            f"approve and activate them ({asked}, then {then}): payments that come over HTTP are decided by "
            "those of before"
        )
        return False

    def _who(self, told: Change, record: ControlRecord) -> Who:
        at_ms = min(max(record.append_ms, 0), self._session.clock.now_ms())
        clean = self._session.tokenizer.clean
        note = cleaned(told.note, _LONGEST_NOTE, clean) or "put in force on the Flink job"
        return Who(cleaned(told.author, LONGEST_NAME, clean) or "flink", at_ms, note)

    def _book(self, told: Change) -> RuleSet:
        text = told.body or self._session.store.rule_history.body(told.digest)
        if not text:
            raise RuleError(f"rules {told.digest[:64]} came without their text, and are not kept here")
        book = RuleSet.from_json(text)
        if book.digest != told.digest:
            raise RuleError(f"the text is that of rules {book.digest}, not {told.digest[:64]}")
        return book

    def _deployment(self, told: Change) -> Deployment:
        if not told.digest:
            return Deployment()
        kept = self._session.store.registry.find(Part.MODELS, told.digest)
        text = told.body or (kept.body if kept else "")
        if not text:
            raise RuleError(
                f"models {told.digest[:64]} came without their names, as older versions wrote them, and are "
                "not kept here: put them in force with `ringfence models promote MODEL`"
            )
        deployment = Deployment.from_json(text)
        if deployment.digest != told.digest:
            raise RuleError(f"the text is that of models {deployment.digest}, not {told.digest[:64]}")
        return deployment

    def _ready(self, deployment: Deployment) -> None:
        """`RuleError` with the remedy where a model is missing, was changed, or is retired."""
        stored = self._session.library.stored_models
        try:
            out = stored.registry.retired()
            retired = [one for one in deployment.models if one in out]
            if retired:
                raise RuleError(f"model {retired[0]} is retired here")
            stored.ready(deployment)
        except RingfenceError as error:
            told = (
                f"the Flink job decides by models {deployment.digest}, which are not put in force here: "
                f"{error}. Import what is missing (`ringfence models import FOLDER`), then put it in force "
                f"(`ringfence models promote {deployment.champion}`)"
            )
            self._say(f"Warning: {told}")
            raise RuleError(told) from error


def cleaned(text: str, longest: int, clean: Callable[[str], str]) -> str:
    """Text of whoever may write to the topic: without personal data and control characters, cut."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * longest])
    return clean(shown)[:longest].strip()


def _digest(record: ControlRecord) -> str:
    return change_in(record.value).digest


def _number(place: str) -> int:
    return int(place.rpartition("/")[2])
