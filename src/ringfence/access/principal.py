"""Who a request comes from, and what that allows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Role(StrEnum):
    """What a caller may do. An admin may do everything but see suspicious-activity reports."""

    INGEST = "ingest"  # send events
    DECIDE = "decide"  # ask for decisions on payments
    ANALYST = "analyst"  # read decisions, entities and the stream
    COMPLIANCE = "compliance"  # make suspicious-activity reports, which no other role sees
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """A recognised caller. `rate` are requests (or records of a batch) a second, 0 without limit."""

    name: str
    roles: frozenset[Role]
    rate: float = 0.0
    burst: float = 0.0

    @property
    def may_report(self) -> bool:
        """Whether suspicious-activity reports are for these eyes: an admin's alone are not enough."""
        return Role.COMPLIANCE in self.roles or self is LOCAL

    def may(self, *roles: Role) -> bool:
        """Whether one of these roles, or admin, is among its own.

        >>> Principal("till", frozenset({Role.DECIDE})).may(Role.DECIDE, Role.INGEST)
        True
        """
        return Role.ADMIN in self.roles or not self.roles.isdisjoint(roles)


LOCAL: Final = Principal("local", frozenset({Role.ADMIN}))
"""Everybody, where a server on loopback asks for no authentication."""


def parse_roles(words: Iterable[str]) -> frozenset[Role]:
    """Roles by name; `InputError` names one that there is not.

    >>> sorted(parse_roles(["decide", "ingest"]))
    [<Role.DECIDE: 'decide'>, <Role.INGEST: 'ingest'>]
    """
    try:
        roles = frozenset(Role(word) for word in words)
    except ValueError as error:
        raise InputError(f"{error}: roles are {', '.join(Role)}") from None
    if not roles:
        raise InputError(f"give at least one role: {', '.join(Role)}")
    return roles
