"""What people do with personal data: find all of it that is held on somebody, show a value, erase."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InputError
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.events.personal import TOKEN
from ringfence.events.personal_names import PersonalClass
from ringfence.ports import EVENTS
from ringfence.ports.vault import Erased, Held, LegalHold
from ringfence.rulebook.desk import Who

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from ringfence.events.batch import EventBatch
    from ringfence.events.tokens import Tokenizer
    from ringfence.ports import EventLog
    from ringfence.ports.vault import Vault

_DAY_MS: Final = 86_400_000
_SHORTEST_REASON: Final = 5
_LONGEST_REASON: Final = 500
KINDS: Final = {"customer": "customer_id", "account": "account_id"}
"""Whose data can be asked for, and the field that their payments name them in."""


class PersonTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody by the tokens that stand for what names them.

    Attributes:
        person: the token that their data is kept under.
        kind: customer or account.
        own: tokens of values that are theirs alone, their own among them.
        payments: ids of their payments.
        texts: tokens of what others wrote about these.
    """

    person: str
    kind: str
    own: frozenset[str]
    payments: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


class PersonFile(msgspec.Struct, frozen=True, kw_only=True):
    """All that is held on somebody."""

    person: str
    kind: str
    hold: LegalHold | None
    erased: list[Erased]
    originals: list[Held]
    events: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    elsewhere: dict[str, list[dict[str, Any]]]  # cases, notes, files, alerts, messages, contacts


class ErasedData(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure destroyed: how many of each."""

    person: str
    originals: int
    elsewhere: dict[str, int]


class PersonPlace(Protocol):
    """Something beside log and vault that holds what people wrote about somebody, or their contacts."""

    def held(self, who: PersonTokens) -> dict[str, list[dict[str, Any]]]:
        """What it holds, by what it is."""
        ...

    def erase(self, who: PersonTokens) -> dict[str, int]:
        """Take out texts, files and contacts, so that no page of its file holds them; how many of each."""
        ...


Second = Literal["erasure", "reveal"]
"""What may need a second person."""


def nobody_else(_what: Second, _subject: str, _by: Who) -> AbstractContextManager[None]:
    """No second person is needed."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class PrivacyDesk:
    """The personal data of one store.

    Attributes:
        decided: the decisions on payments with an entity's id, by entity type and id.
        reveals_per_hour: how many originals one person may be shown.
        reveals_per_day: how many before `approved` is asked.
        approved: frames what a second person has to have approved; it raises where nobody has.
    """

    log: EventLog
    vault: Vault
    tokenizer: Tokenizer
    places: Sequence[PersonPlace]
    decided: Callable[[str, str], list[dict[str, Any]]]
    now_ms: Callable[[], int]
    reveals_per_hour: int
    reveals_per_day: int = 20
    approved: Callable[[Second, str, Who], AbstractContextManager[None]] = nobody_else

    def who(self, asked: str) -> PersonTokens:
        """Somebody by `CUSTOMER`, `account:ID`, or a token; `InputError` where nothing is held on them."""
        kind, sign, identity = asked.partition(":")
        if not sign or kind not in KINDS:
            kind, identity = "customer", asked
        person = self.tokenizer.as_kept(KINDS[kind], identity.strip())
        held = self.vault.of_persons([person])
        tokens = {person, *(one.token for one in held)}
        holders = self.vault.holders(tokens)
        own = {one for one in tokens if holders.get(one, frozenset()) <= {person, one}}
        payments, texts = self._linked(kind, person, own)
        if not held and not payments and not self.vault.erasures([person]):
            raise InputError(
                f"nothing is held on this {kind}: give the id as payments have it, account:ID for an "
                "account, or a token (pd_...)"
            )
        return PersonTokens(
            person=person, kind=kind, own=frozenset(own | {person}), payments=payments, texts=texts
        )

    def find(self, asked: str) -> PersonFile:
        """All that is held on somebody; originals are opened."""
        who = self.who(asked)
        elsewhere: dict[str, list[dict[str, Any]]] = {}
        for place in self.places:
            elsewhere |= place.held(who)
        return PersonFile(
            person=who.person,
            kind=who.kind,
            hold=self._hold_of(who),
            erased=self.vault.erasures([who.person]),
            originals=self.vault.of_persons(who.own | who.texts),
            events=[row for _, _, row in self._rows(who.kind, who.person, who.own, who.payments)],
            decisions=self.decided(who.kind, who.person),
            elsewhere=elsewhere,
        )

    def erase(self, asked: str, by: str, reason: str) -> ErasedData:
        """Destroy somebody's key, and what people wrote about them; `InputError` under legal hold."""
        reason = _checked(self.tokenizer.clean(reason))
        who = self.who(asked)
        hold = self._hold_of(who)
        if hold is not None:
            raise InputError(
                f"{who.person} is under legal hold since {_day(hold.since_ms)} ({hold.reason}, {hold.by}): "
                "nothing was erased. `ringfence privacy release` ends a hold"
            )
        elsewhere: dict[str, int] = {}
        now_ms = self.now_ms()
        with self.approved("erasure", who.person, Who(by, now_ms, reason)):
            for place in self.places:
                elsewhere |= place.erase(who)
            erased = Erased(person=who.person, by=by, reason=reason, at_ms=now_ms)
            count = self.vault.destroy(who.own | who.texts, erased)
        return ErasedData(person=who.person, originals=count, elsewhere=elsewhere)

    def hold(self, asked: str, by: str, reason: str) -> LegalHold:
        """Keep somebody's data, whoever asks for its erasure."""
        reason = _checked(self.tokenizer.clean(reason))
        made = LegalHold(person=self.who(asked).person, reason=reason, by=by, since_ms=self.now_ms())
        self.vault.hold(made)
        return made

    def release(self, asked: str) -> str:
        """End a hold; whose it was. `InputError` where there is none."""
        person = self.who(asked).person
        if not self.vault.release(person):
            raise InputError(f"{person} is under no legal hold: `ringfence privacy holds` lists them")
        return person

    def reveal(self, token: str, by: str, reason: str) -> Held:
        """The original behind a token, for who gives a reason; `InputError` beyond so many in an hour."""
        _checked(reason)
        if not TOKEN.fullmatch(token):
            raise InputError("give a token as pages show it: pd_ and 32 characters")
        now_ms = self.now_ms()
        many = self.vault.shown_since(by, now_ms - _DAY_MS) >= self.reveals_per_day
        with self.approved("reveal", token, Who(by, now_ms, reason)) if many else nullcontext():
            self.vault.let_see(by, token, now_ms, self.reveals_per_hour)
        found = self.vault.of_token(token)
        if found is None:
            raise InputError(
                f"no original of {token} is held: it was erased, has expired, or never came here"
            )
        return found

    def _hold_of(self, who: PersonTokens) -> LegalHold | None:
        return next((one for one in self.vault.holds() if one.person == who.person), None)

    def _linked(self, kind: str, person: str, own: set[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Ids of somebody's payments, and tokens of texts about them that are nobody's own."""
        payments = frozenset(
            row["transaction_id"]
            for _, what, row in self._rows(kind, person, own, frozenset())
            if what == Kind.TRANSACTION
        )
        found = {
            value
            for _, what, row in self._rows(kind, person, own, payments)
            if what in (Kind.LABEL, Kind.LIFECYCLE)
            for value in row.values()
            if isinstance(value, str) and TOKEN.fullmatch(value)
        }
        holders = self.vault.holders(found)
        return payments, frozenset(one for one in found if holders.get(one, frozenset()) == frozenset({one}))

    def _rows(
        self, kind: str, person: str, own: set[str] | frozenset[str], payments: frozenset[str]
    ) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Events about somebody, with offset and kind: theirs, on them, and on these payments."""
        mine, theirs = pa.array([person]), pa.array(sorted(own), pa.string())
        about = pa.array(sorted(payments), pa.string())
        for batch in self.log.read(EVENTS):
            events = codec.decode(batch.payload)
            for row in np.flatnonzero(_chosen(events, KINDS[kind], mine, theirs, about)).tolist():
                offset, what = batch.base_offset + row, int(events.kind[row])
                yield offset, what, {"offset": offset, "kind": Kind(what).name.lower(), **_told(events, row)}


def _chosen(events: EventBatch, field: str, person: Any, own: Any, payments: Any) -> Any:
    is_payment = pa.array(events.is_transaction)
    theirs = pc.is_in(events.column(field), value_set=person)
    named = pc.is_in(events.column("entity_id"), value_set=own)
    linked = pc.is_in(events.column("transaction_id"), value_set=payments)
    found = pc.or_(pc.or_(pc.and_(is_payment, theirs), named), pc.and_(pc.invert(is_payment), linked))
    return pc.fill_null(found, fill_value=False).to_numpy(zero_copy_only=False)


def _told(events: EventBatch, row: int) -> dict[str, Any]:
    (found,) = events.used.slice(row, 1).to_pylist()
    return {name: value for name, value in found.items() if value is not None and name != "kind"}


def _checked(reason: str) -> str:
    if not _SHORTEST_REASON <= len(reason.strip()) <= _LONGEST_REASON:
        raise InputError(
            f"give a reason of {_SHORTEST_REASON} to {_LONGEST_REASON} characters: it goes on record"
        )
    return reason.strip()


def _day(ms: int) -> str:
    return str(np.datetime64(ms, "ms").astype("datetime64[D]"))


def masked(kind: PersonalClass, value: str) -> str:
    """An original as it may be shown to whoever need not know it.

    >>> masked(PersonalClass.CONTACT, "ada@mail.example"), masked(PersonalClass.NAME, "Ada Lovelace")
    ('a***@mail.example', 'A***')
    >>> masked(PersonalClass.IDENTIFIER, "DE89370400440532013000")
    '***3000'
    """
    if kind is PersonalClass.TEXT:
        return f"a text of {len(value)} characters"
    local, at, domain = value.rpartition("@")
    if at:
        return f"{local[:1]}***@{domain}"
    if kind in (PersonalClass.IDENTIFIER, PersonalClass.CONTACT):
        return f"***{value[-4:]}" if len(value) > 8 else "***"
    return f"{value[:1]}***"
