"""All that is held on somebody: who is meant, which payments are theirs, and what names them elsewhere.

It reads the whole log, once or twice: on a server that is the work of a process beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.desks.lifetimes import dated, last_named
from ringfence.errors import InputError
from ringfence.events import codec
from ringfence.events.model import ATTRIBUTE_PREFIX, EVENT_SCHEMA, Kind
from ringfence.events.privacy.personal import TOKEN
from ringfence.masking import list_ids
from ringfence.ports import EVENTS
from ringfence.ports.vault import Erased, Held, LegalHold  # noqa: TC001 (msgspec reads the annotations)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.ports import EventLog
    from ringfence.ports.vault import Vault

    _Row = tuple[Kind, dict[str, Any]]

_MOST_NAMED: Final = 10
_FIELDS: Final = frozenset(EVENT_SCHEMA.names)
KINDS: Final = {"customer": "customer_id", "account": "account_id"}
"""Whose data can be asked for, and the field that their payments name them in."""


class PersonTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody by the tokens that stand for what names them.

    Attributes:
        person: the token that their data is kept under.
        kind: customer or account.
        own: tokens of values that are theirs alone, their own among them.
        payments: ids of their payments.
        owners: customers and accounts that these payments name.
        texts: tokens of what others wrote about these.
    """

    person: str
    kind: str
    own: frozenset[str]
    payments: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


NOBODY: Final = PersonTokens(person="", kind="", own=frozenset())


class PersonFile(msgspec.Struct, frozen=True, kw_only=True):
    """All that is held on somebody. `hold` keeps them from being erased, be it theirs or another's."""

    person: str
    kind: str
    hold: LegalHold | None
    erased: list[Erased]
    originals: list[Held]
    events: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    elsewhere: dict[str, list[dict[str, Any]]]  # cases, notes, files, alerts, messages, contacts


class PersonPlace(Protocol):
    """Something beside log and vault that holds what people wrote about somebody, or their contacts."""

    def held(self, who: PersonTokens) -> dict[str, list[dict[str, Any]]]:
        """What it holds, by what it is."""
        ...

    def concerned(self, who: PersonTokens) -> frozenset[str]:
        """Tokens of everybody whom an erasure would take something from."""
        ...

    def has_left(self, who: PersonTokens) -> bool:
        """Whether an erasure would take anything out; cases and alerts as such stay."""
        ...

    def erase(self, who: PersonTokens) -> dict[str, int]:
        """Take out texts, files and contacts, so that no page of its file holds them; how many of each."""
        ...


class PersonQuestions(NamedTuple):
    """`PersonSearch.who` and `find`, by whoever answers them: it may be a process beside this one."""

    who: Callable[[str], PersonTokens]
    find: Callable[[str], PersonFile]


@dataclass(frozen=True, slots=True)
class PersonSearch:
    """Says what is held on somebody in one store.

    Attributes:
        decided: the decisions on payments with an entity's id, by entity type and id: so many at most.
        now_ms: milliseconds since 1970.
        check: called between two pieces of the log that are read; it raises where that takes too long.
        most: how many events, and decisions, `find` tells of one person, where that is bounded.
        keep_ms: how long originals are kept after their person's last event, by field or class.
    """

    log: EventLog
    vault: Vault
    tokenizer: Tokenizer
    places: Sequence[PersonPlace]
    decided: Callable[[str, str, int | None], list[dict[str, Any]]]
    now_ms: Callable[[], int]
    check: Callable[[], None] = lambda: None
    most: int | None = None
    keep_ms: Mapping[str, int] = field(default_factory=dict)

    def who(self, asked: str) -> PersonTokens:
        """Somebody by `CUSTOMER`, `account:ID`, `FIELD=VALUE`, or a token.

        `InputError` where nothing is held on them, or where several persons share the value.
        """
        who, rows = self._followed(asked)
        return msgspec.structs.replace(who, texts=self._texts(rows))

    def _followed(self, asked: str) -> tuple[PersonTokens, Iterator[_Row]]:
        """As `who`, but for the texts of others, and the events about them."""
        kind, person = self._named(asked)
        held = self.vault.of_persons([person])
        tokens = {person, *(one.token for one in held), *self.vault.erasing(person)}
        holders = self.vault.holders(tokens)
        own = {one for one in tokens if holders.get(one, frozenset()) <= {person, one}}
        mine = frozenset({person})
        payments, owners = self._paid([KINDS[kind]], mine)
        rows = self._rows([KINDS[kind]], mine, own, payments)
        if not held and not payments and not self.vault.erasures([person]):
            raise InputError(
                f"nothing is held on this {kind}: give the id as payments have it, account:ID for an "
                "account, or a token (pd_...)"
            )
        who = PersonTokens(
            person=person,
            kind=kind,
            own=frozenset(own | {person}),
            payments=payments,
            owners=owners,
        )
        return who, rows

    def _named(self, asked: str) -> tuple[str, str]:
        """Kind and token of whoever is meant."""
        field, equals, value = (part.strip() for part in asked.partition("="))
        if equals and (field in _FIELDS or field.startswith(ATTRIBUTE_PREFIX)):
            known = next((kind for kind, name in KINDS.items() if name == field), None)
            return (known, self.tokenizer.as_kept(field, value)) if known else self._holder(field, value)
        kind, sign, identity = asked.partition(":")
        if not sign or kind not in KINDS:
            kind, identity = "customer", asked
        return kind, self.tokenizer.as_kept(KINDS[kind], identity.strip())

    def _holder(self, field: str, value: str) -> tuple[str, str]:
        """Whose value of a field it is."""
        token = self.tokenizer.as_kept(field, value)
        if not TOKEN.fullmatch(token):
            raise InputError(f"{field[:80]} is no personal data: personal_fields and mappings say what is")
        persons = sorted(self.vault.holders([token]).get(token, frozenset()))
        if not persons:
            raise InputError(f"nothing is held on anybody with this {field[:80]}")
        if len(persons) > 1:
            shown = list_ids(persons[:_MOST_NAMED], "or")
            raise InputError(f"{len(persons)} persons have this {field[:80]}: name one, such as {shown}")
        payments, _ = self._paid([KINDS["customer"]], frozenset(persons))
        return "customer" if payments else "account", persons[0]

    def find(self, asked: str) -> PersonFile:
        """All that is held on somebody; originals are opened. Errors as of `who`."""
        who, following = self._followed(asked)
        rows = list(islice(following, None if self.most is None else self.most + 1))
        decisions = self.decided(who.kind, who.person, None if self.most is None else self.most + 1)
        if self.most is not None and max(len(rows), len(decisions)) > self.most:
            raise InputError(
                f"more than {self.most:,} events are held on this {who.kind}, which is more than an answer "
                "may have: `ringfence privacy export` writes them where the store is"
            )
        who = msgspec.structs.replace(who, texts=self._texts(rows))
        elsewhere: dict[str, list[dict[str, Any]]] = {}
        for place in self.places:
            elsewhere |= place.held(who)
        events = [row for _, row in rows]
        return PersonFile(
            person=who.person,
            kind=who.kind,
            hold=first_hold(self.vault, self.places, who),
            erased=self.vault.erasures([who.person]),
            originals=dated(self.vault.of_persons(who.own | who.texts), events, self.keep_ms, self.now_ms()),
            events=events,
            decisions=decisions,
            elsewhere=elsewhere,
        )

    def note_last_events(self, now_ms: int) -> None:
        """Tell the vault when its persons were last named in the log, which may be shortened thereafter."""
        for last_ms in last_named((events for _, events in self._events()), now_ms):
            self.vault.note_events(last_ms)

    def under_hold(self) -> PersonTokens:
        """Everybody under legal hold, as one: what names them, and their payments."""
        persons = frozenset(one.person for one in self.vault.holds())
        if not persons:
            return NOBODY
        fields, own = list(KINDS.values()), persons | {one.token for one in self.vault.of_persons(persons)}
        payments, owners = self._paid(fields, persons)
        texts = self._texts(self._rows(fields, persons, own, payments))
        return PersonTokens(person="", kind="", own=own, payments=payments, owners=owners, texts=texts)

    def earliest_held_ms(self) -> int | None:
        """Time of the first payment that names somebody under legal hold; None where there is none."""
        held, found = sorted(one.person for one in self.vault.holds()), list[int]()
        mine = pa.array(held, pa.string())
        for _, events in self._events() if held else ():
            rows = np.flatnonzero(_true(_of_persons(events, list(KINDS.values()), mine)))
            found += [int(events.event_time_ms[rows].min())] if len(rows) else []
        return min(found, default=None)

    def _paid(self, fields: Sequence[str], persons: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Ids of payments that name one of these persons in a field; and customers and accounts of these."""
        payments, owners = set[str](), set[str]()
        mine = pa.array(sorted(persons), pa.string())
        for _, events in self._events():
            rows = pa.array(np.flatnonzero(_true(_of_persons(events, fields, mine))))
            if len(rows):
                payments.update(events.column("transaction_id").take(rows).to_pylist())
                for name in KINDS.values():
                    owners.update(filter(None, events.column(name).take(rows).to_pylist()))
        return frozenset(payments), frozenset(owners)

    def _texts(self, rows: Iterable[_Row]) -> frozenset[str]:
        """Tokens of texts in labels and events of payment lives that are nobody's own."""
        found = {
            value
            for what, row in rows
            if what in (Kind.LABEL, Kind.LIFECYCLE)
            for value in row.values()
            if isinstance(value, str) and TOKEN.fullmatch(value)
        }
        holders = self.vault.holders(found)
        return frozenset(one for one in found if holders.get(one, frozenset()) == frozenset({one}))

    def _rows(
        self,
        fields: Sequence[str],
        persons: frozenset[str],
        own: set[str] | frozenset[str],
        payments: frozenset[str],
    ) -> Iterator[_Row]:
        """Events about persons, by kind: theirs, on what is theirs, and on these payments."""
        mine, theirs = pa.array(sorted(persons), pa.string()), pa.array(sorted(own), pa.string())
        about = pa.array(sorted(payments), pa.string())
        for base, events in self._events():
            linked = pc.and_(
                pa.array(~np.asarray(events.is_transaction)),
                pc.is_in(events.column("transaction_id"), value_set=about),
            )
            named = pc.is_in(events.column("entity_id"), value_set=theirs)
            chosen = pc.or_(pc.or_(_of_persons(events, fields, mine), named), linked)
            for row in np.flatnonzero(_true(chosen)).tolist():
                offset, what = base + row, Kind(int(events.kind[row]))
                yield what, {"offset": offset, "kind": what.name.lower(), **_told(events, row)}

    def _events(self) -> Iterator[tuple[int, EventBatch]]:
        """The log from its beginning, and the offset of each piece."""
        for batch in self.log.read(EVENTS):
            self.check()
            yield batch.base_offset, codec.decode(batch.payload)


def first_hold(vault: Vault, places: Sequence[PersonPlace], who: PersonTokens) -> LegalHold | None:
    """The first hold that an erasure would break."""
    concerned = concerned_by(places, who)
    return next((one for one in vault.holds() if one.person in concerned), None)


def concerned_by(places: Sequence[PersonPlace], who: PersonTokens) -> frozenset[str]:
    """Tokens of everybody whom an erasure would take something from."""
    return frozenset({who.person}).union(who.own, who.owners, *(place.concerned(who) for place in places))


def _of_persons(events: EventBatch, fields: Sequence[str], persons: Any) -> Any:
    """Which events are payments that name one of these persons."""
    found = [pc.is_in(events.column(name), value_set=persons) for name in fields]
    return pc.and_(pa.array(events.is_transaction), reduce(pc.or_, found))


def _true(chosen: Any) -> Any:
    return pc.fill_null(chosen, fill_value=False).to_numpy(zero_copy_only=False)


def _told(events: EventBatch, row: int) -> dict[str, Any]:
    (found,) = events.used.slice(row, 1).to_pylist()
    return {name: value for name, value in found.items() if value is not None and name != "kind"}
