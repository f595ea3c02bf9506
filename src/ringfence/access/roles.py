"""Roles, and what each of them permits."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ringfence.errors import InputError
from ringfence.events.values.vocabulary import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Permission(StrEnum):
    """One thing that somebody may do. Each route and page asks for one of these."""

    INGEST = "ingest"  # send labels, profiles and other events
    DECIDE = "decide"  # ask for decisions on payments
    READ = "read"  # payments, entities, cases, rules, models and the stream
    ASK = "ask"  # SQL of one's own, and exports
    WORK = "work"  # act on cases and alerts
    LIST = "list"  # change lists
    RULE = "rule"  # try, keep and activate rules
    MODEL = "model"  # promote and retire models
    APPROVE = "approve"  # say yes or no to what somebody else proposes
    OPERATE = "operate"  # quarantine, subscriptions, undelivered messages
    AUDIT = "audit"  # read the audit trail
    ACCESS = "access"  # make and revoke keys, end sessions
    REVEAL = "reveal"  # see originals instead of masked values
    ERASE = "erase"  # find, export and erase everything that is held on a person
    REPORT = "report"  # make suspicious-activity reports, and see that there are some


class Role(StrEnum):
    """What a key or a group stands for. An admin may do everything but see suspicious-activity reports."""

    INGEST = "ingest"
    DECIDE = "decide"
    SERVICE = "service"
    VIEWER = "viewer"
    ANALYST = "analyst"
    SUPERVISOR = "supervisor"
    BUILDER = "builder"
    AUDITOR = "auditor"
    COMPLIANCE = "compliance"
    PRIVACY = "privacy"
    ADMIN = "admin"


_LOOKING: Final = {Permission.READ, Permission.ASK}
_DEFINING: Final = {Permission.RULE, Permission.LIST}
PERMITTED: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.INGEST: frozenset({Permission.INGEST}),
    Role.DECIDE: frozenset({Permission.DECIDE}),
    Role.SERVICE: frozenset({Permission.INGEST, Permission.DECIDE}),
    Role.VIEWER: frozenset({Permission.READ}),
    Role.ANALYST: frozenset({*_LOOKING, *_DEFINING, Permission.WORK}),
    Role.SUPERVISOR: frozenset(
        {*_LOOKING, *_DEFINING, Permission.WORK, Permission.APPROVE, Permission.REVEAL}
    ),
    Role.BUILDER: frozenset({*_LOOKING, *_DEFINING, Permission.MODEL}),
    Role.AUDITOR: frozenset({*_LOOKING, Permission.AUDIT}),
    Role.COMPLIANCE: frozenset({Permission.READ, Permission.REPORT}),
    Role.PRIVACY: frozenset({Permission.ERASE}),
    Role.ADMIN: frozenset(Permission) - {Permission.REPORT},
}
"""What each role permits; somebody with several has all of it."""


def holders(permission: Permission) -> str:
    """The roles that permit something, for people.

    >>> holders(Permission.DECIDE)
    'decide, service or admin'
    """
    *others, last = [role for role in Role if permission in PERMITTED[role]]
    return f"{', '.join(others)} or {last}" if others else str(last)


def parse_roles(words: Iterable[str]) -> frozenset[Role]:
    """Roles by name; `InputError` names one that there is not.

    >>> sorted(parse_roles(["decide", "ingest"]))
    [<Role.DECIDE: 'decide'>, <Role.INGEST: 'ingest'>]
    """
    given = list(words)
    for word in given:
        if word not in list(Role):
            raise InputError(
                f"{word[:100]!r} is no role{nearest(word[:100], Role)}: roles are {', '.join(Role)}"
            )
    roles = frozenset(map(Role, given))
    if not roles:
        raise InputError(f"give at least one role: {', '.join(Role)}")
    return roles
