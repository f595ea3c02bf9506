"""Who a request comes from, and what that allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ringfence.access.restriction import EVERYTHING, Restriction
from ringfence.access.roles import PERMITTED, Permission, Role

__all__ = ["LOCAL", "Principal", "Role"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A recognised caller.

    Attributes:
        rate: requests (or records of a batch) a second, 0 without limit.
        made_by: who made the caller's key, who made theirs, and so on; empty of a person or where not known.
        made_ms: when the key was made.
    """

    name: str
    roles: frozenset[Role]
    rate: float = 0.0
    burst: float = 0.0
    restriction: Restriction = EVERYTHING
    made_by: tuple[str, ...] = ()
    made_ms: int = 0
    permissions: frozenset[Permission] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        found = frozenset[Permission]().union(*(PERMITTED[role] for role in self.roles))
        object.__setattr__(self, "permissions", found)

    @property
    def may_report(self) -> bool:
        """Whether suspicious-activity reports are for these eyes: an admin's alone are not enough."""
        return Permission.REPORT in self.permissions

    def may(self, permission: Permission) -> bool:
        """Whether one of its roles permits this.

        >>> Principal("till", frozenset({Role.DECIDE})).may(Permission.DECIDE)
        True
        """
        return permission in self.permissions

    def widening(self, roles: frozenset[Role], restriction: Restriction) -> str | None:
        """Why it may not grant these: nobody gives away, or takes, what they may not do. None where it may.

        >>> boss = Principal("boss", frozenset({Role.ADMIN}))
        >>> boss.widening(frozenset({Role.COMPLIANCE}), EVERYTHING)
        'the role compliance permits what key or person boss may not do (report)'
        >>> boss.widening(frozenset({Role.ANALYST}), EVERYTHING) is None
        True
        """
        for role in sorted(roles):
            if beyond := sorted(PERMITTED[role] - self.permissions):
                return (
                    f"the role {role} permits what key or person {self.name} may not do ({', '.join(beyond)})"
                )
        if not self.restriction.covers(restriction):
            return (
                f"{self.name} is restricted to {self.restriction.text()}, and this would be less restricted"
            )
        return None


LOCAL: Final = Principal("local", frozenset({Role.ADMIN, Role.COMPLIANCE}))
"""Everybody, where a server on loopback asks for no authentication."""
