"""Rules and lists of a running server, over its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from ringfence.analysis.list_history import ListChange, ListSummary
from ringfence.cases.book import CaseQuery, QueueCount
from ringfence.cases.model import Case
from ringfence.cases.wire import CasePage, CaseView, Handed, OpenCase
from ringfence.cli.backends.server_keys import KEY_VARIABLE
from ringfence.decisions.impact import Impact
from ringfence.desks.confirming import UnconfirmedError
from ringfence.errors import ConflictError, InputError, RingfenceError
from ringfence.rulebook import wire
from ringfence.rulebook.changes import Activation, Change
from ringfence.rulebook.desk import BookState, VersionState
from ringfence.rulebook.difference import Difference
from ringfence.rulebook.entries import Entry, ListResult
from ringfence.rulebook.shadow import ShadowReport

if TYPE_CHECKING:
    from ringfence.cases.wire import Action, NextCase
    from ringfence.scoring.rulesets.actions import ListKind
    from ringfence.scoring.rulesets.outcomes import Mode

T = TypeVar("T")
_TIMEOUT_SECONDS: Final = 60.0


class _Refused(msgspec.Struct):
    """As much of a problem document as is told."""

    detail: str
    difference: Difference | None = None
    impact: Impact | None = None


class RemoteDesk:
    """`ringfence.cli.backends.desks.Writing` of a server; its errors are raised with the server's words."""

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS)
        except (httpx.InvalidURL, ValueError) as error:
            raise InputError(f"--server {url!r} is no address: write http://127.0.0.1:8000") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def state(self) -> BookState:
        return self._get("/v1/rules", BookState)

    def version(self, digest: str, against: str | None = None) -> VersionState:
        return self._get(f"/v1/rules/versions/{quote(digest, safe='')}", VersionState, against=against)

    def shadow(self, since_ms: int | None, until_ms: int | None) -> ShadowReport:
        return self._get("/v1/rules/shadow", ShadowReport, since_ms=since_ms, until_ms=until_ms)

    def lists(self) -> list[ListSummary]:
        return self._get("/v1/lists", list[ListSummary])

    def entries(self, name: str, limit: int) -> list[ListChange]:
        return self._get("/v1/lists/entries", list[ListChange], list=name, limit=limit)

    def audit(self, name: str | None, limit: int) -> list[ListChange]:
        return self._get("/v1/lists/audit", list[ListChange], list=name, limit=limit)

    def save(self, text: str, based_on: str, note: str, *, activate: bool, confirm: str = "") -> wire.Saved:
        body = wire.SaveBook(text=text, based_on=based_on, note=note, activate=activate, confirm=confirm)
        return self._post("/v1/rules/versions", body, wire.Saved)

    def set_mode(
        self, rule: str, mode: Mode, based_on: str, note: str, *, activate: bool, confirm: str = ""
    ) -> wire.Saved:
        body = wire.SetMode(mode=mode, based_on=based_on, note=note, activate=activate, confirm=confirm)
        return self._post(f"/v1/rules/modes/{quote(rule, safe='')}", body, wire.Saved)

    def review(self, digest: str, note: str, *, approve: bool) -> Change:
        act = "approve" if approve else "reject"
        return self._post(
            f"/v1/rules/versions/{quote(digest, safe='')}/{act}", wire.ApprovalNote(note=note), Change
        )

    def activate(self, digest: str, note: str, confirm: str = "") -> Activation:
        path = f"/v1/rules/versions/{quote(digest, safe='')}/activate"
        return self._post(path, wire.Activate(note=note, confirm=confirm), Activation)

    def roll_back(self, to: str | None, note: str, confirm: str = "") -> Activation:
        body = wire.RollBack(to=to, note=note, confirm=confirm)
        return self._post("/v1/rules/rollback", body, Activation)

    def impact(self, asked: wire.ImpactOf) -> Impact:
        return self._post("/v1/rules/impact", asked, Impact)

    def add(self, name: str, kind: ListKind, entries: list[Entry]) -> ListResult:
        body = wire.AddEntries(list=name, kind=kind, entries=entries)
        return self._post("/v1/lists/entries", body, ListResult)

    def remove(self, name: str, entries: list[Entry]) -> ListResult:
        return self._post("/v1/lists/removals", wire.RemoveEntries(list=name, entries=entries), ListResult)

    def import_csv(self, name: str, kind: ListKind, text: str) -> ListResult:
        return self._ask(
            "POST",
            "/v1/lists/import",
            ListResult,
            params={"list": name, "kind": str(kind)},
            content=text.encode(),
            headers={"content-type": "text/csv"},
        )

    def case_view(self, case_id: str) -> CaseView:
        return self._get(f"/v1/cases/{quote(case_id, safe='')}", CaseView)

    def case_page(self, query: CaseQuery) -> CasePage:
        params = {
            "state": [str(state) for state in query.states],
            "queue": query.queue,
            "assignee": query.assignee,
            "entity": query.subject and f"{query.subject.entity_type}:{query.subject.entity_id}",
            "overdue": query.overdue,
            "q": query.text,
            "order": query.order,
            "limit": query.limit,
        }
        return self._get("/v1/cases", CasePage, **params)

    def queues(self) -> list[QueueCount]:
        return self._get("/v1/cases/queues", list[QueueCount])

    def next_case(self, asked: NextCase) -> Case | None:
        return self._post("/v1/cases/next", asked, Handed).case

    def act(self, case_id: str, asked: Action) -> Case:
        return self._post(f"/v1/cases/{quote(case_id, safe='')}", asked, Case)

    def open_case(self, transaction_id: str) -> Case:
        return self._post("/v1/cases", OpenCase(transaction_id=transaction_id), Case)

    def report(self, case_id: str, form: Literal["xml", "pdf"]) -> bytes:
        return self._raw("POST", f"/v1/cases/{quote(case_id, safe='')}/report", params={"form": form}).content

    def attach(self, case_id: str, name: str, body: bytes) -> Case:
        params = {"name": name, "version": self.case_view(case_id).case.version}
        headers = {"content-type": "application/octet-stream"}
        path = f"/v1/cases/{quote(case_id, safe='')}/files"
        return self._ask("POST", path, Case, params=params, content=body, headers=headers)

    def file(self, case_id: str, sha256: str) -> bytes:
        path = f"/v1/cases/{quote(case_id, safe='')}/files/{quote(sha256, safe='')}"
        return self._raw("GET", path).content

    def deliver(self) -> None:
        """A server does it by itself."""

    def _get(self, path: str, kind: type[T], **params: Any) -> T:
        given = {name: value for name, value in params.items() if value is not None}
        return self._ask("GET", path, kind, params=given)

    def _post(self, path: str, body: msgspec.Struct, kind: type[T]) -> T:
        headers = {"content-type": "application/json"}
        return self._ask("POST", path, kind, content=msgspec.json.encode(body), headers=headers)

    def _raw(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except (httpx.TransportError, httpx.UnsupportedProtocol) as error:
            raise InputError(
                f"{self._http.base_url} cannot be reached ({error}): check the address, and that it runs"
            ) from error
        if not response.is_success:
            raise _error(response)
        return response

    def _ask(self, method: str, path: str, kind: type[T], **request: Any) -> T:
        response = self._raw(method, path, **request)
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.DecodeError as error:
            raise InputError(
                f"{self._http.base_url} does not answer as this version of Ringfence does: {error}"
            ) from error


def _error(response: httpx.Response) -> RingfenceError:
    try:
        refused = msgspec.json.decode(response.content, type=_Refused)
    except msgspec.DecodeError:
        return InputError(f"the server answers {response.status_code}, and it is no Ringfence server")
    if response.status_code == 409 and refused.impact is not None:
        return UnconfirmedError(refused.impact, refused.detail)
    if response.status_code == 409:
        shown = f"\n{refused.difference.text}" if refused.difference else ""
        return ConflictError(refused.detail + shown)
    if response.status_code == 401:
        return InputError(f"{refused.detail} (this command takes its key from {KEY_VARIABLE})")
    return InputError(refused.detail)
