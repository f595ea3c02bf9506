"""What people do with personal data: find all of it that is held on somebody, show a value, erase."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ringfence.desks.person_search import concerned_by, first_hold
from ringfence.errors import InputError
from ringfence.events.privacy.personal import TOKEN
from ringfence.events.values.visible import shows_nothing
from ringfence.ports.vault import Erased, Held, LegalHold, UnderHoldError
from ringfence.rulebook.desk import Who

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection, Iterable, Mapping
    from contextlib import AbstractContextManager

    from ringfence.desks.person_search import (
        PersonFile,
        PersonQuestions,
        PersonSearch,
        PersonTokens,
    )
    from ringfence.events.personal_names import PersonalClass
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.ports.vault import Vault

_SHORTEST_REASON: Final = 5
_LONGEST_REASON: Final = 500
_FEWEST_LETTERS: Final = 3  # and digits, that a reader sees
_ATTRIBUTES: Final = "attributes."


class ErasedData(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure destroyed: how many of each."""

    person: str
    originals: int
    elsewhere: dict[str, int]


Second = Literal["erasure", "reveal"]
"""What may need a second person."""


def nobody_else(_what: Second, _subject: str, _by: Who) -> AbstractContextManager[None]:
    """No second person is needed."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class PrivacyDesk:
    """The personal data of one store.

    Attributes:
        search: the store, and what reads its log here.
        questions: what reads the log for one person.
        reveals_per_hour: how many originals one person may be shown.
        reveals_per_day: how many before `approved` is asked.
        approved: frames what a second person has to have approved; it raises where nobody has.
    """

    search: PersonSearch
    questions: PersonQuestions
    now_ms: Callable[[], int]
    reveals_per_hour: int
    reveals_per_day: int = 20
    approved: Callable[[Second, str, Who], AbstractContextManager[None]] = nobody_else

    @property
    def vault(self) -> Vault:
        """The originals."""
        return self.search.vault

    @property
    def tokenizer(self) -> Tokenizer:
        """What makes tokens of personal data."""
        return self.search.tokenizer

    def find(self, asked: str) -> PersonFile:
        """All that is held on somebody; originals are opened. Errors as of `PersonSearch.who`."""
        return self.questions.find(asked)

    def export(self, asked: str, by: str, reason: str) -> PersonFile:
        """As `find`, for who is shown the originals: they count as revealed, however many they are.

        A second person approves it where reveals need one. `InputError` where no more may be shown this hour.
        A hold on somebody else stays out: the file is for the person.
        """
        reason = _checked(self.tokenizer.clean(reason))
        found = self.find(asked)
        now_ms = self.now_ms()
        with self.approved("reveal", found.person, Who(by, now_ms, reason)):
            self.vault.let_see(by, {one.token for one in found.originals}, now_ms, self.reveals_per_hour)
        is_theirs = found.hold is not None and found.hold.person == found.person
        return found if is_theirs else msgspec.structs.replace(found, hold=None)

    def erase(self, asked: str, by: str, reason: str) -> ErasedData:
        """Destroy somebody's key, and what people wrote about them.

        `InputError` under legal hold, theirs or that of anybody whose payments or cases these are, too. The
        keys go first: a hold that comes later has no original to keep. Who erases again gets the rest. Once
        no original, text, file or contact is left, that takes nobody else's approval.
        """
        reason = _checked(self.tokenizer.clean(reason))
        who = self.questions.who(asked)
        hold = first_hold(self.vault, self.search.places, who)
        if hold is not None:  # also of somebody erased before: messages about them came since
            raise UnderHoldError(hold)
        if self._is_erased(who):  # traces that nobody is shown may be left by an erasure that was cut short
            return ErasedData(person=who.person, originals=0, elsewhere=self._erase_places(who))
        now_ms = self.now_ms()
        with self.approved("erasure", who.person, Who(by, now_ms, reason)):
            erased = Erased(person=who.person, by=by, reason=reason, at_ms=now_ms)
            count = self.vault.destroy(who.own | who.texts, erased, concerned_by(self.search.places, who))
            elsewhere = self._erase_places(who)
        return ErasedData(person=who.person, originals=count, elsewhere=elsewhere)

    def _erase_places(self, who: PersonTokens) -> dict[str, int]:
        counts: dict[str, int] = {}
        for place in self.search.places:
            counts |= place.erase(who)
        self.vault.finish(who.person)
        return counts

    def _is_erased(self, who: PersonTokens) -> bool:
        left = self.vault.of_persons(who.own | who.texts) or any(
            one.has_left(who) for one in self.search.places
        )
        return not left and bool(self.vault.erasures([who.person]))

    def hold(self, asked: str, by: str, reason: str) -> LegalHold:
        """Keep somebody's data, whoever asks for its erasure."""
        reason = _checked(self.tokenizer.clean(reason))
        made = LegalHold(
            person=self.questions.who(asked).person, reason=reason, by=by, since_ms=self.now_ms()
        )
        self.vault.hold(made)
        return made

    def release(self, asked: str) -> str:
        """End a hold; whose it was. `InputError` where there is none."""
        person = self.questions.who(asked).person
        if not self.vault.release(person):
            raise InputError(f"{person} is under no legal hold: `ringfence privacy holds` lists them")
        return person

    def reveal(self, token: str, by: str, reason: str) -> Held:
        """The original behind a token, for who gives a reason; `InputError` beyond so many in an hour."""
        reason = _checked(self.tokenizer.clean(reason))
        if not TOKEN.fullmatch(token):
            raise InputError("give a token as pages show it: pd_ and 32 characters")
        now_ms = self.now_ms()
        if not self.vault.let_see(by, {token}, now_ms, self.reveals_per_hour, self.reveals_per_day):
            with self.approved("reveal", token, Who(by, now_ms, reason)):
                self.vault.let_see(by, {token}, now_ms, self.reveals_per_hour)
        found = self.vault.of_token(token)
        if found is None:
            raise InputError(
                f"no original of {token} is held: it was erased, has expired, or never came here"
            )
        return found

    def expire(self, kinds: Collection[PersonalClass], before_ms: int) -> int:
        """Forget originals of these classes that first came before a time, but for legal holds; how many."""
        return self.vault.expire(kinds, before_ms, self._kept_by_holds())

    def expiring(self, kinds: Collection[PersonalClass], before_ms: int) -> tuple[int, int]:
        """How many originals `expire` would forget, and of how many persons."""
        return self.vault.expiring(kinds, before_ms, self._kept_by_holds())

    def outlive(self, keep_ms: Mapping[str, int], *, dry: bool = False) -> Counter[str]:
        """Forget originals whose person's last event is older than their field is kept; how many by part.

        `keep_ms` is by field, or by class for fields without a time of their own. Legal holds stay. The last
        events are those of the last `PersonSearch.note_last_events`.
        """
        now_ms = self.now_ms()
        before_ms = {part: now_ms - keep for part, keep in keep_ms.items()}
        return self.vault.outlive(before_ms, self._kept_by_holds(), dry=dry)

    def unmet(self, parts: Iterable[str]) -> dict[str, str]:
        """Of these parts of originals, each attribute that the vault holds nothing of, and a remark on it."""
        known, found = self.vault.fields(), {}
        for part in parts:
            if part.startswith(_ATTRIBUTES) and part not in known:
                names = sorted(
                    field.removeprefix(_ATTRIBUTES) for field in known if field.startswith(_ATTRIBUTES)
                )
                near = get_close_matches(part.removeprefix(_ATTRIBUTES), names, 1)
                hint = f": did you mean {_ATTRIBUTES}{near[0]}?" if near else "."
                found[part] = f"The vault holds no original that came in {part}{hint}"
        return found

    def _kept_by_holds(self) -> frozenset[str]:
        """Under which tokens there may be originals of somebody under legal hold, or on their payments."""
        held = self.search.under_hold()
        return held.own | held.owners | held.texts


def _checked(reason: str) -> str:
    said = reason.strip()
    letters = sum(one.isalnum() and not shows_nothing(one) for one in said)
    if letters < _FEWEST_LETTERS or not _SHORTEST_REASON <= len(said) <= _LONGEST_REASON:
        raise InputError(
            f"give a reason in words, of {_SHORTEST_REASON} to {_LONGEST_REASON} characters: it goes on "
            "record"
        )
    return said
