"""Bodies of requests that change definitions, as structs; and what goes wrong with them, as refusals."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from starlette.requests import Request  # noqa: TC002 (FastAPI reads the annotation)
from starlette.responses import Response

from ringfence.access.approvals import UnknownApprovalError
from ringfence.access.roles import Permission
from ringfence.access.table import NEEDED, unrestricted
from ringfence.api.handlers.wording import of_field
from ringfence.api.http.bodies import JSON, content_type, read_body
from ringfence.api.http.problems import FieldError, Problem, Refusal, check_permission
from ringfence.api.services import CaseServices, Surroundings, services_of
from ringfence.cases.errors import StaleCaseError, UnknownCaseError
from ringfence.cases.model import Case, CaseEvent  # noqa: TC001 (msgspec reads the annotations)
from ringfence.compose.worker_process import StarvedError
from ringfence.decisions.impact import Impact  # noqa: TC001 (likewise)
from ringfence.desks.confirming import UnconfirmedError
from ringfence.errors import ConflictError, InputError, RuleError
from ringfence.events.repeated import repeated_fault
from ringfence.rulebook.changes import ApprovalError, NothingToDoError, StaleError, UnknownVersionError
from ringfence.rulebook.desk import Who
from ringfence.rulebook.difference import Difference  # noqa: TC001 (msgspec reads the annotations)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.access.restriction import Restriction
    from ringfence.cases.wire import NextCase

T = TypeVar("T")
BOOK_BYTES: Final = 256 << 10
"""Of a request that holds the text of a rule book: 1,000 rules and more."""

_AT_ONCE: Final = 64 << 10  # bytes of a body whose keys are compared while others wait


class StaleProblem(Problem, frozen=True, kw_only=True, omit_defaults=True):
    """An edit on a version that is not the newest: what has changed since."""

    difference: Difference | None = None


class StaleRefusal(Refusal):
    """409 with the difference between the version that the edit was made on and the newest."""

    def __init__(self, error: StaleError) -> None:
        super().__init__(409, "stale_version", str(error), fields=error.difference.names)
        self.problem = StaleProblem(**msgspec.structs.asdict(self.problem), difference=error.difference)


class StaleCase(Problem, frozen=True, kw_only=True, omit_defaults=True):
    """An action on a case that has changed: the case as it is now, and what happened since."""

    case: Case | None = None
    missed: list[CaseEvent] = msgspec.field(default_factory=list)


class StaleCaseRefusal(Refusal):
    """409 with what the caller has not seen."""

    def __init__(self, error: StaleCaseError) -> None:
        super().__init__(409, "stale_version", str(error), fields=["version"])
        self.problem = StaleCase(**msgspec.structs.asdict(self.problem), case=error.case, missed=error.missed)


class UnconfirmedProblem(Problem, frozen=True, kw_only=True, omit_defaults=True):
    """A change beyond the limits that nobody has confirmed: what it would do to recent payments."""

    impact: Impact | None = None


class UnconfirmedRefusal(Refusal):
    """409 with the impact sheet."""

    def __init__(self, error: UnconfirmedError) -> None:
        super().__init__(409, "needs_confirmation", str(error), fields=["confirm"])
        self.sheet = error.sheet
        self.problem = UnconfirmedProblem(**msgspec.structs.asdict(self.problem), impact=error.sheet)


async def permitted(request: Request) -> None:
    """`Refusal` (403) unless a role of the caller permits what the table asks of this route; before each."""
    path = request.scope["route"].path
    needed = NEEDED[request.method, path]
    if needed is not None:
        caller = request.scope["ringfence.caller"]
        check_permission(caller, needed)
        await keep_to(request, caller.restriction, path)


async def keep_to(request: Request, restriction: Restriction, path: str) -> None:
    """`Refusal` 403 of a route that does not honour a restriction, 404 of a case of another queue."""
    why = unrestricted(restriction, request.method, path) if restriction else None
    if why is not None:
        raise Refusal(403, "restricted", f"you are restricted ({why}), and this does not keep to it")
    if restriction.queues and "case_id" in request.path_params:
        await keep_to_queue(request, request.path_params["case_id"])


async def keep_to_queue(request: Request, case_id: str) -> None:
    """`Refusal` (404) of a case of a queue that the caller is not to see; of none, nothing is said here."""
    services, queues = services_of(request, CaseServices), queues_of(request)
    try:
        case = await services.pools.reading.run(services.case_book.case, case_id.strip().upper())
    except UnknownCaseError:
        return
    _check_queue(case, queues)


def _check_queue(case: Case, queues: tuple[str, ...]) -> None:
    if queues and case.queue not in queues:
        raise Refusal(404, "not_found", f"there is no case {case.id}")


def queues_of(request: Request) -> tuple[str, ...]:
    """The queues that the caller is restricted to; none where it sees all."""
    return tuple(sorted(request.scope["ringfence.caller"].restriction.queues))


def next_in(services: CaseServices, asked: NextCase, who: Who, queues: tuple[str, ...]) -> Case | None:
    """`CaseDesk.next` in one of these queues, or in any where there are none.

    `Refusal` 403 of another queue, 404 of a case that is passed in another one.
    """
    if not queues:
        return services.cases.next(asked, who)
    if asked.passing is not None:
        _check_queue(services.case_book.case(asked.passing.id.strip().upper()), queues)
    if asked.queue is not None and asked.queue not in queues:
        raise Refusal(403, "restricted", f"you are restricted to the queues {', '.join(queues)}")
    for queue in (asked.queue,) if asked.queue else queues:
        found = services.cases.next(msgspec.structs.replace(asked, queue=queue), who)
        if found is not None:
            return found
        asked = msgspec.structs.replace(asked, passing=None)  # it has gone back already
    return None


def as_json(value: object, status: int = 200) -> Response:
    """A struct as an answer."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def body_of(request: Request, kind: type[T], limit: int | None = None, *, strict: bool = True) -> T:
    """The body, of at most `limit` bytes, as a struct; `Refusal` 400, 413, 415 or 422 (which field).

    The limit is that of one event unless given. Not `strict`, 3.0 and "3" are 3.
    """
    body = await raw_body(request, JSON, limit or services_of(request, Surroundings).settings.body_bytes)
    try:
        found = msgspec.json.decode(body, type=kind, strict=strict)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        path = path.rstrip("`")
        told = of_field(problem)
        detail = str(error) if told == problem else f"{path}: {told}"
        raise Refusal(422, "invalid_request", detail, errors=[FieldError(path, "invalid", told)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "malformed", "the body is no JSON: /openapi.json shows what is taken") from None
    if len(body) > _AT_ONCE:
        repeated = await services_of(request, Surroundings).pools.reading.run(repeated_fault, body)
    else:
        repeated = repeated_fault(body)
    if repeated is not None:
        fault = FieldError(repeated.field, repeated.reason, repeated.problem)
        raise Refusal(422, "invalid_request", str(repeated), errors=[fault])
    return found


async def raw_body(request: Request, kind: bytes, limit: int) -> bytes:
    """The bytes of a body of one media type; `Refusal` 400, 413 or 415."""
    headers = request.scope["headers"]
    if content_type(headers) != kind:
        raise Refusal(415, "unsupported_media_type", f"send it as {kind.decode()}")
    body = await read_body(headers, request.receive, limit)
    if not body or body.isspace():
        raise Refusal(400, "empty_body", "the body is empty: /openapi.json shows what is taken")
    return body


def who_asks(request: Request, note: str) -> Who:
    """The caller, as the book records them; card numbers in the note become tokens."""
    services, caller = services_of(request, Surroundings), request.scope["ringfence.caller"]
    kept = services.tokenizer.guard_text(re.sub(r"\s+", " ", note).strip())
    may_approve = caller.may(Permission.APPROVE)
    return Who(caller.name, services.clock.now_ms(), kept, may_approve, caller.made_by, caller.made_ms)


@contextmanager
def refusals() -> Iterator[None]:
    """What the rule book and the lists refuse, as answers."""
    try:
        yield
    except ConflictError as error:
        raise _conflict(error) from error
    except ApprovalError as error:
        raise Refusal(403, "needs_approval", str(error)) from error
    except (UnknownApprovalError, UnknownCaseError, UnknownVersionError) as error:
        raise Refusal(404, "not_found", str(error)) from error
    except RuleError as error:
        found = FieldError("text", "invalid_rules", str(error))
        raise Refusal(422, "invalid_rules", str(error), errors=[found]) from error
    except NothingToDoError as error:
        raise Refusal(409, "nothing_to_do", str(error)) from error
    except StarvedError as error:
        raise Refusal(503, "overloaded", str(error), headers=[(b"retry-after", b"30")]) from error
    except InputError as error:
        raise Refusal(422, "invalid_parameter", str(error)) from error


def _conflict(error: ConflictError) -> Refusal:
    if isinstance(error, StaleError):
        return StaleRefusal(error)
    if isinstance(error, StaleCaseError):
        return StaleCaseRefusal(error)
    if isinstance(error, UnconfirmedError):
        return UnconfirmedRefusal(error)
    return Refusal(409, "conflict", str(error))
