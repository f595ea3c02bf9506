"""`ringfence approvals` and `ringfence sessions`: a second pair of eyes, and who is signed in."""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ringfence.access.approvals import ApprovalRequest
from ringfence.access.sessions import ShownSession
from ringfence.cli.audited import actor
from ringfence.cli.backends import desks
from ringfence.cli.backends.server_keys import key_given
from ringfence.cli.backends.server_questions import ask
from ringfence.cli.terminal.options import Data, Json, folder
from ringfence.cli.terminal.screen import format_time, say, show_json, show_table
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.approvals import open_approvals
from ringfence.errors import InputError
from ringfence.rulebook.desk import Who

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.access.approvals import ApprovalDesk

approvals = typer.Typer(
    help="Requests that wait for a second person: list, approve, decline.", no_args_is_help=True
)
sessions = typer.Typer(
    help="Sessions of a running server: list, end. Sessions live in it, so --server is required.",
    no_args_is_help=True,
)

_SESSION = re.compile("[0-9a-f]{12}")
RequestId = Annotated[str, typer.Argument(help="Id of a request, such as A-3.", metavar="REQUEST")]


@approvals.command("list")
def list_approvals(server: desks.Server = None, data: Data = None, json: Json = False) -> None:
    """List what waits for a second person, and what became of earlier requests, the newest first.

    Example: ringfence approvals list
    """
    if server is not None:
        found = msgspec.convert(_ask(server, "/v1/approvals"), list[ApprovalRequest])
    else:
        with _desk(data) as desk:
            found = desk.list(now_ms())
    if json:
        show_json(found)
        return
    if not found:
        say("No requests wait, and none were decided.")
        return
    rows = [
        (one.id, one.state, one.deed, one.subject, one.asked_by, format_time(one.asked_ms), one.decided_by)
        for one in found
    ]
    show_table(["request", "state", "deed", "what", "asked by", "asked", "decided by"], rows)


@approvals.command()
def approve(
    request_id: RequestId, note: desks.Note = "", server: desks.Server = None, data: Data = None
) -> None:
    """Approve what somebody else asks for. Whoever asked then does it, within a day.

    Example: ringfence approvals approve A-3 --note "looked at the report"
    """
    _decide(request_id, note, server, data, approve=True)


@approvals.command()
def decline(
    request_id: RequestId, note: desks.Note = "", server: desks.Server = None, data: Data = None
) -> None:
    """Decline what somebody else asks for, or take your own request back.

    Example: ringfence approvals decline A-3 --note "not before the audit"
    """
    _decide(request_id, note, server, data, approve=False)


@sessions.command("list")
def list_sessions(server: desks.Server = None, json: Json = False) -> None:
    """List who is signed in to a running server.

    Example: ringfence sessions list --server http://127.0.0.1:8000
    """
    found = msgspec.convert(_ask(_address(server), "/v1/sessions"), list[ShownSession])
    if json:
        show_json(found)
        return
    if not found:
        say("Nobody is signed in.")
        return
    rows = [
        (one.id, one.person or one.caller, " ".join(one.roles), one.way, one.address, int(one.idle_seconds))
        for one in found
    ]
    columns = ["session", "who", "roles", "signed in by", "address", "seconds idle"]
    show_table(columns, rows, columns[-1:])


@sessions.command()
def end(
    session_id: Annotated[str, typer.Argument(help="Id of a session, as listed.", metavar="SESSION")],
    server: desks.Server = None,
) -> None:
    """Sign somebody out of a running server.

    Example: ringfence sessions end 5f0c9d2e11aa --server http://127.0.0.1:8000
    """
    if not _SESSION.fullmatch(session_id):
        raise InputError(f"there is no session {session_id[:40]!r}: `ringfence sessions list` shows them")
    ended = _ask(_address(server), f"/v1/sessions/{session_id}/end", {})
    say(f"The session of {ended['caller']} has ended.")


def _decide(request_id: str, note: str, server: str | None, data: Any, *, approve: bool) -> None:
    if not (request_id.isascii() and request_id.replace("-", "").isalnum()):
        raise InputError(f"{request_id[:40]!r} is no request: `ringfence approvals list` shows them")
    if server is not None:
        path = f"/v1/approvals/{request_id}/{'approve' if approve else 'decline'}"
        found = msgspec.convert(_ask(server, path, {"note": note}), ApprovalRequest)
    else:
        with _desk(data) as desk:
            found = desk.decide(request_id, Who(actor(), now_ms(), note), approve=approve)
    say(f"{found.id} is {found.state}: {found.deed}, {found.subject}, asked by {found.asked_by}.")


@contextmanager
def _desk(data: Any) -> Iterator[ApprovalDesk]:
    desk = open_approvals(folder(data))
    with closing(desk.book):
        yield desk


def _ask(server: str, path: str, body: dict[str, Any] | None = None) -> Any:
    return ask(server, key_given(), path, body)


def _address(server: str | None) -> str:
    if server is None:
        raise InputError("sessions live in a running server: give --server http://127.0.0.1:8000")
    return server
