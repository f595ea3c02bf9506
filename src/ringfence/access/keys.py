"""API keys as they may be shown; where they are kept says `ringfence.access.key_store`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ringfence.access.principal import Principal
from ringfence.access.restriction import EVERYTHING, Restriction
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.access.roles import Role

PREFIX: Final = "rf"
MOST_MAKERS: Final = 20
"""Keys that were made under one another, one by one."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What may be shown of a key. `id` is the part of it that names it.

    `made_by` are who made it, who made their key, and so on; empty where that is not known.
    """

    id: str
    name: str
    roles: frozenset[Role]
    rate: float
    burst: float
    created_ms: int
    revoked_ms: int | None
    restriction: Restriction = EVERYTHING
    made_by: tuple[str, ...] = ()

    @property
    def principal(self) -> Principal:
        return Principal(
            f"key:{self.id}",
            self.roles,
            self.rate,
            self.burst,
            self.restriction,
            self.made_by,
            self.created_ms,
        )


def check_makers(made_by: Sequence[str]) -> None:
    """`InputError` where a key would come after too many that were made under one another."""
    if len(made_by) > MOST_MAKERS:
        raise InputError(
            f"{MOST_MAKERS} keys were made under one another already: make this one under an older key"
        )
