"""What people do to alerts, the same wherever they do it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ringfence.alerts.book import Mute
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ringfence.alerts.book import Alerts
    from ringfence.events.privacy.tokens import Tokenizer

ANY: Final = "*"
DAY_MS: Final = 86_400_000
LONGEST_DAYS: Final = 366
MOST_MUTES: Final = 10_000
"""All of them are looked at whenever alerts are made."""


class MuteGround(NamedTuple):
    """What there is to mute: names of rules, typologies and reasons, and who payments are about.

    Attributes:
        in_force: names in the rules that decide now.
        earlier: names of rules of before, and reasons of decisions.
        has_paid: whether a payment names an entity.
        lately: entities of the latest alerts.
    """

    in_force: frozenset[str]
    earlier: Callable[[], frozenset[str]]
    has_paid: Callable[[str], bool]
    lately: Callable[[], Iterable[str]]


class Muted(Mute, frozen=True, kw_only=True):
    """What is muted now, and what whoever muted it should know."""

    remarks: tuple[str, ...] = ()


class MuteList(msgspec.Struct, frozen=True):
    """What is muted now, what ends first first; `total` counts those that are left out, too."""

    mutes: list[Mute]
    total: int


@dataclass(frozen=True, slots=True)
class MuteDesk:
    """What raises no alerts for a while. `ground` is what there is to mute now."""

    book: Alerts
    ground: Callable[[], MuteGround]
    tokenizer: Tokenizer

    def mute(self, wanted: Mute, now_ms: int) -> Muted:
        """Raise no such alerts until a time; the latest word on a name and an entity counts.

        `InputError` for a name that never was one, no entity, a time that is past or too far away, and where
        too much is muted. A card number is kept as its token.
        """
        kept = msgspec.structs.replace(
            wanted,
            entity_id=self._kept(wanted.entity_id),
            note=self.tokenizer.guard_text(wanted.note),
        )
        if not kept.entity_id:
            raise InputError('name the card, customer or account, or "*" for all')
        remarks = check_mute(kept.typology, kept.entity_id, self.ground())
        self._keep(kept, now_ms)
        return Muted(**msgspec.structs.asdict(kept), remarks=tuple(remarks))

    def mute_like(self, alert_id: str, until_ms: int, by: str, now_ms: int) -> None:
        """As `mute`, of what an alert is about; `InputError` where there is none."""
        alert = self.book.alert(alert_id)
        note = f"from {alert_id}"
        wanted = Mute(typology=alert.typology, entity_id=alert.entity_id, until_ms=until_ms, by=by, note=note)
        self._keep(wanted, now_ms)

    def unmute(self, typology: str, entity_id: str) -> bool:
        """Raise them again; whether they were muted."""
        return self.book.unmute(typology, self._kept(entity_id))

    def mutes(self, now_ms: int, most: int = MOST_MUTES) -> MuteList:
        """What is muted now."""
        found = [one for one in self.book.mutes() if one.until_ms > now_ms]
        found.sort(key=lambda one: (one.until_ms, one.typology, one.entity_id))
        return MuteList(found[:most], len(found))

    def _kept(self, entity_id: str) -> str:
        return self.tokenizer.guard_text(entity_id.strip(), strict=True)

    def _keep(self, wanted: Mute, now_ms: int) -> None:
        if not now_ms < wanted.until_ms <= now_ms + LONGEST_DAYS * DAY_MS:
            raise InputError(f"muted until when? Between now and {LONGEST_DAYS} days from now")
        known = {(one.typology, one.entity_id): one for one in self.book.mutes()}
        if len(known) >= MOST_MUTES and (wanted.typology, wanted.entity_id) not in known:
            ended = [which for which, one in known.items() if one.until_ms <= now_ms]
            if not ended:
                raise InputError(
                    f'{MOST_MUTES:,} are muted, which is the most: unmute some, or mute a rule for all ("*")'
                )
            for which in ended:
                self.book.unmute(*which)
        self.book.mute(wanted)


def check_mute(typology: str, entity_id: str, ground: MuteGround) -> list[str]:
    """What somebody should know who mutes this; `InputError` for a name that never was one.

    A card that has not paid yet may be muted before it does.
    """
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
    if entity_id != ANY and not ground.has_paid(entity_id):
        remarks.append(f"no payment names {entity_id[:80]}{_near(entity_id, ground.lately())}")
    return remarks


def _near(name: str, known: Iterable[str]) -> str:
    found = get_close_matches(name, sorted(set(known)), 1)
    return f": did you mean {found[0]}?" if found else ""
