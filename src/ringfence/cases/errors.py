"""What goes wrong with cases, each with its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.errors import ConflictError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.cases.model import Case, CaseEvent


class UnknownCaseError(InputError):
    """There is no such case."""


class StaleCaseError(ConflictError):
    """Somebody changed the case since the caller saw it.

    Attributes:
        case: as it is now.
        missed: the events since.
    """

    def __init__(self, message: str, case: Case, missed: Sequence[CaseEvent]) -> None:
        super().__init__(message)
        self.case = case
        self.missed = list(missed)


class CaseStateError(ConflictError):
    """The case does not allow this as it stands, such as a disposition of a case that is closed."""


class SecondPersonError(ConflictError):
    """Two people have to agree, and this is the same one."""
