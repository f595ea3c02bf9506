"""Errors as RFC 9457 problem details: one shape for every refusal, with the remedy in `detail`."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.access.roles import holders
from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.access.principal import Principal
    from ringfence.access.roles import Permission
    from ringfence.events.bad import BadRecord
    from ringfence.ports.tracing import RequestTrace

TYPE: Final = b"application/problem+json"
_ENCODER: Final = msgspec.json.Encoder()


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with one field of the request."""

    field: str
    code: str
    problem: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal. `code` is for programs and never changes; `detail` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []
    fields: list[str] = []  # of a conflict: the fields that differ
    trace_id: str = ""  # where requests are traced


class Refusal(Exception):  # noqa: N818 (an answer, not a failure of the program)
    """Raised on the way to an answer; becomes the problem document that it carries."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        fields: Sequence[str] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        detail = mask_cards(detail)
        super().__init__(detail)
        self.headers = list(headers)
        self.problem = Problem(
            type=f"urn:ringfence:problem:{code}",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            code=code,
            errors=[FieldError(*map(mask_cards, msgspec.structs.astuple(error))) for error in errors],
            fields=list(fields),
        )

    @property
    def status(self) -> int:
        return self.problem.status

    @property
    def body(self) -> bytes:
        """The document."""
        return _ENCODER.encode(self.problem)


def traced(body: bytes, trace: RequestTrace | None) -> bytes:
    """A problem document that says in which trace it came about.

    >>> from types import SimpleNamespace
    >>> traced(b'{"status":409}', SimpleNamespace(trace_id="4b"))
    b'{"status":409,"trace_id":"4b"}'
    """
    return body if trace is None else b'%b,"trace_id":"%b"}' % (body[:-1], trace.trace_id.encode())


def check_permission(caller: Principal, needed: Permission) -> None:
    """`Refusal` (403) unless one of the caller's roles permits this."""
    if not caller.may(needed):
        raise Refusal(403, "forbidden", f"this needs the role {holders(needed)}: ask for a key that has it")


def refused_record(bad: BadRecord) -> Refusal:
    """The refusal of a record, field by field."""
    errors = [FieldError(fault.field, fault.reason.value, fault.problem) for fault in bad.faults]
    return Refusal(422, "invalid_event", bad.message, errors=errors)


def overloaded(seconds: int = 1) -> Refusal:
    """The refusal of what would wait too long."""
    return Refusal(
        503,
        "overloaded",
        "more payments are waiting than can be decided in time: try again after the time in Retry-After",
        headers=[(b"retry-after", str(seconds).encode())],
    )


def unavailable(why: str) -> Refusal:
    """The refusal while the server starts, stops or has failed."""
    return Refusal(503, "unavailable", why, headers=[(b"retry-after", b"5")])
