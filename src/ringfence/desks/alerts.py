"""What people do to alerts, the same wherever they do it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ANY = "*"


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
