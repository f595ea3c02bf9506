"""What people do to alerts, the same wherever they do it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ringfence.alerts.book import Mute
from ringfence.alerts.model import ENTITIES
from ringfence.errors import InputError
from ringfence.rulebook.changes import ApprovalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ringfence.alerts.book import Alerts
    from ringfence.events.privacy.tokens import Tokenizer

ANY: Final = "*"
DAY_MS: Final = 86_400_000
LONGEST_DAYS: Final = 366
ANALYST_DAYS: Final = 31
KINDS: Final = (*ENTITIES, "transaction")
"""What an alert is about."""
MOST_MUTES: Final = 10_000
"""All of them are looked at whenever alerts are made."""


class MuteGround(NamedTuple):
    """What there is to mute: names of rules, typologies and reasons, and who payments are about.

    Attributes:
        in_force: names in the rules that decide now.
        earlier: names of rules of before, and reasons of decisions.
        has_paid: whether a payment names an entity, by what it is and its id.
        lately: entities of the latest alerts.
    """

    in_force: frozenset[str]
    earlier: Callable[[], frozenset[str]]
    has_paid: Callable[[str, str], bool]
    lately: Callable[[], Iterable[str]]


class Muted(Mute, frozen=True, kw_only=True):
    """What is muted now, and what whoever muted it should know."""

    remarks: tuple[str, ...] = ()


class MuteList(msgspec.Struct, frozen=True):
    """What is muted now, what ends first first; `total` counts those that are left out, too."""

    mutes: list[Mute]
    total: int


class Muter(NamedTuple):
    """Who mutes, and whether they may approve: others do not lift what they muted."""

    name: str
    may_approve: bool


class MuteChange(NamedTuple):
    """What is muted now, or is not any more.

    Attributes:
        entities: whom the alerts are about, in each form in which the log may have them.
        before: what was muted, of these, and is so no longer.
    """

    typology: str
    entities: tuple[str, ...]
    before: tuple[Mute, ...]

    @property
    def object(self) -> str:
        """What the audit trail calls it."""
        return " ".join((self.typology, *self.entities))

    def details(self) -> dict[str, str]:
        """Who had muted it before, for the audit trail."""
        texts = [f"{one.by} until {one.until_ms} {one.note}".rstrip() for one in self.before]
        return {"before": "; ".join(texts)} if texts else {}


@dataclass(frozen=True, slots=True)
class MuteDesk:
    """What raises no alerts for a while. `ground` is what there is to mute now."""

    book: Alerts
    ground: Callable[[], MuteGround]
    tokenizer: Tokenizer

    def mute(self, wanted: Mute, now_ms: int) -> tuple[Muted, MuteChange]:
        """Raise no such alerts until a time; the latest word on a name and an entity counts.

        `InputError` for a name that never was one, no entity, a time that is past or too far away, and where
        too much is muted; `ApprovalError` where it would take the place of a mute that `wanted` may not lift.
        An entity is kept as the log has it; `KIND=ID` says what it is.
        """
        ground, given = self.ground(), wanted.entity_id.strip()
        if not given:
            raise InputError('name the card, customer or account, or "*" for all')
        remarks = check_mute(wanted.typology, given, ground)
        entities: dict[str, tuple[str, ...]] = {ANY: ()}
        if given != ANY:
            entities, has_paid = self._muted_as(given, ground)
            if not has_paid:
                shown = self.named(given)
                remarks.append(f"no payment names {shown[:80]}{_near(shown, ground.lately())}")
        note = self.tokenizer.clean(wanted.note)
        first = next(iter(entities))
        kept = msgspec.structs.replace(wanted, entity_id=first, note=note, kinds=entities[first])
        change = MuteChange(kept.typology, tuple(entities), self._keep(kept, entities, now_ms))
        return Muted(**msgspec.structs.asdict(kept), remarks=tuple(remarks)), change

    def mute_like(self, alert_id: str, until_ms: int, who: Muter, now_ms: int) -> MuteChange:
        """As `mute`, of what an alert is about; `InputError` without one, or where its id stands for any."""
        alert = self.book.alert(alert_id)
        if ANY in (alert.typology, alert.entity_id):
            raise InputError(f'{alert_id} is about what is called "*", which would mute everybody')
        note = f"from {alert_id}"
        wanted = Mute(
            typology=alert.typology,
            entity_id=alert.entity_id,
            until_ms=until_ms,
            by=who.name,
            note=note,
            approved=who.may_approve,
        )
        entities = {alert.entity_id: (alert.entity,)}
        return MuteChange(alert.typology, tuple(entities), self._keep(wanted, entities, now_ms))

    def unmute(self, typology: str, entity_id: str, now_ms: int, *, may_approve: bool) -> MuteChange:
        """Raise them again; what was muted before, which may be nothing.

        `ApprovalError` where somebody who may approve has muted it, and the caller may not approve. An entity
        that stands in the list in another form than the log's is found by what stands there.
        """
        given = entity_id.strip()
        every = dict.fromkeys(form for forms in self._forms(given).values() for form in forms)
        entities = (ANY,) if given == ANY else tuple(form for form in every if form != ANY)
        asked = entities if given == ANY else tuple(dict.fromkeys((*entities, given, entity_id)))
        kind = given.partition("=")[0]
        if "=" in given and kind in KINDS:  # another entity's mute, with the same id, stays
            others = {
                one.entity_id
                for one in self.book.mutes()
                if one.typology == typology and one.kinds and kind not in one.kinds
            }
            asked = tuple(form for form in asked if form not in others)
        for one in self.book.mutes():
            if one.typology == typology and one.entity_id in asked:
                _check_rank(one, now_ms, may_approve=may_approve)
        before = [found for form in asked if (found := self.book.unmute(typology, form))]
        gone = tuple(self.tokenizer.clean(one.entity_id) for one in before)
        return MuteChange(typology, gone or (self.named(given),), tuple(before))

    def mutes(self, now_ms: int, most: int = MOST_MUTES) -> MuteList:
        """What is muted now."""
        return muted_now(self.book, now_ms, most)

    def named(self, entity_id: str) -> str:
        """What a record calls an entity before anybody has looked who it is; nothing personal in plain."""
        given = entity_id.strip()
        if given == ANY:
            return ANY
        forms = self._forms(given)
        return forms.get("customer", next(iter(forms.values())))[0]

    def _forms(self, given: str) -> dict[str, tuple[str, ...]]:
        return forms_of(self.tokenizer, given)

    def _muted_as(self, given: str, ground: MuteGround) -> tuple[dict[str, tuple[str, ...]], bool]:
        """The forms to mute an entity in, what it is in each, and whether payments have them.

        `InputError` where it may be personal data, and nothing says whether it is.
        """
        forms = self._forms(given)
        every = tuple(dict.fromkeys(one for found in forms.values() for one in found))
        if ANY in every or "" in every:
            raise InputError(f"{given[:80]!r} names nobody")
        paid: dict[str, tuple[str, ...]] = {}
        for kind, found in forms.items():
            for one in found:
                if ground.has_paid(kind, one):
                    paid[one] = (*paid.get(one, ()), kind)
        if paid:
            return paid, True
        if len(forms) > 1 and len(every) > 1 and self.tokenizer.personal is not None:
            card = forms["card"][0]
            if self.tokenizer.card(given).token != card:
                raise InputError("no payment names it: say what it is, such as customer=ID or card=ID")
            return {card: ("card",)}, False
        known = tuple(forms) if len(forms) == 1 else ()
        return dict.fromkeys(every, known), False

    def _keep(self, wanted: Mute, entities: Mapping[str, tuple[str, ...]], now_ms: int) -> tuple[Mute, ...]:
        """Mute these; what that takes the place of."""
        if not now_ms < wanted.until_ms <= now_ms + LONGEST_DAYS * DAY_MS:
            raise InputError(f"a mute ends within {LONGEST_DAYS} days, and not in the past")
        known = {(one.typology, one.entity_id): one for one in self.book.mutes()}
        for one in entities:
            if (earlier := known.get((wanted.typology, one))) is not None:
                _check_rank(earlier, now_ms, may_approve=wanted.approved)
        more = sum((wanted.typology, one) not in known for one in entities)
        if more and len(known) + more > MOST_MUTES:
            ended = [which for which, one in known.items() if one.until_ms <= now_ms]
            if len(known) - len(ended) + more > MOST_MUTES:
                raise InputError(
                    f'{MOST_MUTES:,} are muted, which is the most: unmute some, or mute a rule for all ("*")'
                )
            for which in ended:
                self.book.unmute(*which)
        made = []
        for one, of in entities.items():
            earlier = known.get((wanted.typology, one))
            kinds = of if earlier is None or earlier.until_ms <= now_ms else _kinds_now(earlier, of)
            made.append(msgspec.structs.replace(wanted, entity_id=one, kinds=kinds))
        before = [(one, self.book.mute(one)) for one in made]
        return tuple(earlier for one, earlier in before if earlier is not None and earlier != one)


def _kinds_now(earlier: Mute, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """What a mute in force is of once it is said anew; `InputError` where it would end for another entity.

    A mute of any kind stays one. An id has one mute for each name, with one end.
    """
    if not earlier.kinds:
        return ()
    if wanted and not set(earlier.kinds) <= set(wanted):
        raise InputError(
            f"{earlier.typology} is muted for that id as {' and '.join(earlier.kinds)}: unmute that first, "
            "or leave out what the id is, so that it is muted as everything that payments name by it"
        )
    return wanted


def _check_rank(earlier: Mute, now_ms: int, *, may_approve: bool) -> None:
    """`ApprovalError` where a mute in force was set by somebody who may approve, and this person may not.

    A mute of before this was recorded counts as approved where it is for all.
    """
    if earlier.until_ms > now_ms and not may_approve and _is_approved(earlier):
        raise ApprovalError(
            f"{earlier.by} muted {earlier.typology} for {earlier.entity_id}, with the right to approve: ask "
            "a supervisor or an admin to change or end it"
        )


def _is_approved(mute: Mute) -> bool:
    return mute.approved or ANY in (mute.typology, mute.entity_id)


def forms_of(tokenizer: Tokenizer, given: str) -> dict[str, tuple[str, ...]]:
    """By what an entity may be, its id as the log has it then; `KIND=ID` says what it is."""
    kind, sign, name = given.partition("=")
    kinds = [kind] if sign and kind in KINDS else KINDS
    name = name.strip() if kinds is not KINDS else given
    return {kind: tokenizer.every_kept(f"{kind}_id", name) for kind in kinds}


def muted_now(book: Alerts, now_ms: int, most: int = MOST_MUTES) -> MuteList:
    """What a book has muted now."""
    found = [one for one in book.mutes() if one.until_ms > now_ms]
    found.sort(key=lambda one: (one.until_ms, one.typology, one.entity_id))
    return MuteList(found[:most], len(found))


def is_wide(typology: str, entity_id: str, until_ms: int, now_ms: int) -> bool:
    """Whether a mute is for more than one rule or one entity, or for long: not for an analyst alone."""
    return ANY in (typology, entity_id.strip()) or until_ms > now_ms + ANALYST_DAYS * DAY_MS


def check_mute(typology: str, entity_id: str, ground: MuteGround) -> list[str]:
    """What somebody should know who mutes this name; `InputError` for one that never was one."""
    if typology == entity_id == ANY:
        raise InputError('name a typology or an entity: "*" for both would silence everything')
    remarks = []
    if typology != ANY and typology not in ground.in_force:
        earlier = ground.earlier()
        if typology not in earlier:
            hint = _near(typology, ground.in_force | earlier)
            hint = hint or ": `ringfence rules show` has them"
            raise InputError(f"no rule, typology or reason is called {typology[:80]!r}{hint}")
        remarks.append(f"{typology} is not among the rules in force: it was, or a model gave it")
    return remarks


def _near(name: str, known: Iterable[str]) -> str:
    found = get_close_matches(name, sorted(set(known)), 1)
    return f": did you mean {found[0]}?" if found else ""
