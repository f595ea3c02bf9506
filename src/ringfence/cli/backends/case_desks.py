"""Where a command about cases goes: to a running server, or to the file of cases itself."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, Literal, Protocol

from ringfence.cli.backends import desks
from ringfence.cli.backends.server_keys import key_given
from ringfence.cli.terminal import options, screen
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.cases import case_policy, open_cases, payment_of, report_pdf
from ringfence.compose.folder.store import open_store, tokenizer_of
from ringfence.compose.folder.tables import open_tables
from ringfence.desks.cases import CaseDesk
from ringfence.errors import InputError, InUseError
from ringfence.rulebook.desk import Who
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ringfence.cases.book import CaseQuery, QueueCount
    from ringfence.cases.model import Case
    from ringfence.cases.wire import Action, CasePage, CaseView, NextCase

_DECIDED: Final = (
    "transaction_id",
    "offset",
    "event_time_ms",
    "decided_at_ms",
    "outcome",
    "score",
    "probability",
    "reasons",
)


class CaseWork(Protocol):
    """What commands about cases need."""

    def case_view(self, case_id: str) -> CaseView: ...
    def case_page(self, query: CaseQuery) -> CasePage: ...
    def queues(self) -> list[QueueCount]: ...
    def next_case(self, asked: NextCase) -> Case | None: ...
    def act(self, case_id: str, asked: Action) -> Case: ...
    def open_case(self, transaction_id: str) -> Case: ...
    def report(self, case_id: str, form: Literal["xml", "pdf"]) -> bytes: ...
    def attach(self, case_id: str, name: str, body: bytes) -> Case: ...
    def file(self, case_id: str, sha256: str) -> bytes: ...
    def deliver(self) -> None: ...


class LocalCases:
    """`CaseWork` of a data folder. A server may run on it meanwhile: the file of cases takes both."""

    def __init__(self, desk: CaseDesk, data: Path | None, author: str) -> None:
        self._desk = desk
        self._data = data
        self._author = author

    def case_view(self, case_id: str) -> CaseView:
        return self._desk.view(case_id, with_reports=True)

    def case_page(self, query: CaseQuery) -> CasePage:
        return self._desk.page(query, now_ms())

    def queues(self) -> list[QueueCount]:
        return self._desk.queues(now_ms())

    def next_case(self, asked: NextCase) -> Case | None:
        return self._desk.next(asked, self._who())

    def act(self, case_id: str, asked: Action) -> Case:
        return self._desk.act(case_id, asked, self._who())

    def open_case(self, transaction_id: str) -> Case:
        folder = options.folder(self._data)
        with open_store(folder, read_only=True) as store:
            lake = open_tables(store)
            decision, paid = lake.find_decision(transaction_id), lake.find_transaction(transaction_id)
            lake.close()
        if decision is None or paid is None:
            raise InputError(f"there is no decision on a transaction {transaction_id!r}")
        known = {name: getattr(decision, name) for name in _DECIDED}
        row = paid | known | {"amount": None if paid["amount"] is None else float(paid["amount"])}
        return self._desk.open(payment_of(row), self._who())

    def report(self, case_id: str, form: Literal["xml", "pdf"]) -> bytes:
        with options.people(self._data) as person:
            return self._desk.report(case_id, self._who(), report_pdf if form == "pdf" else bytes, person)

    def attach(self, case_id: str, name: str, body: bytes) -> Case:
        version = self._desk.view(case_id).case.version
        return self._desk.attach(case_id, version, name, body, self._who())

    def file(self, case_id: str, sha256: str) -> bytes:
        return self._desk.file(case_id, sha256)[1]

    def deliver(self) -> None:
        """Put the labels into the log; where a server runs on the folder, it does."""
        from ringfence.compose.deciding.session import open_session  # noqa: PLC0415 (likewise)
        from ringfence.saving import Snapshotting  # noqa: PLC0415 (likewise)

        settings = load_settings()
        snapshotting = Snapshotting(settings.snapshot_every_events, settings.snapshot_every_ms)
        folder = options.folder(self._data)
        try:
            with open_session(folder, options.definitions(None, None), snapshotting) as session:
                session.deliver(self._desk)
        except InUseError:
            screen.say("A server runs on this folder: it takes the labels within a second.")

    def _who(self) -> Who:
        return Who(self._author, now_ms())


@contextmanager
def working(server: str | None, data: Path | None, author: str | None = None) -> Iterator[CaseWork]:
    """A server, or the data folder."""
    if server is not None:
        from ringfence.cli.backends.remote_desk import RemoteDesk  # noqa: PLC0415 (the data folder needs no HTTP)

        with RemoteDesk(server, key_given()) as remote:
            yield remote
        return
    folder = options.folder(data)
    with open_store(folder, read_only=True) as store:
        guard = tokenizer_of(store).clean
    with closing(open_cases(folder)) as book:
        desk = CaseDesk(book, case_policy(load_settings().cases), guard)
        yield LocalCases(desk, data, author or desks.user())
