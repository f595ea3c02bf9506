"""Rules and lists of a data folder, without a server."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from ringfence.analysis import list_history as lake_lists
from ringfence.cli.terminal import options, screen
from ringfence.compose.clock import now_ms
from ringfence.compose.deciding.rules import book_reader
from ringfence.compose.deciding.session import open_session
from ringfence.compose.folder.store import open_store
from ringfence.compose.folder.tables import open_tables
from ringfence.rulebook.desk import Who
from ringfence.saving import Snapshotting
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ringfence.analysis.list_history import ListChange, ListSummary
    from ringfence.compose.deciding.session import Session
    from ringfence.decisions.impact import Impact
    from ringfence.ports.tables import Tables
    from ringfence.rulebook.changes import Activation, Change
    from ringfence.rulebook.desk import BookState, RuleBookReader, VersionState
    from ringfence.rulebook.entries import Entry, ListResult
    from ringfence.rulebook.shadow import ShadowReport
    from ringfence.rulebook.wire import ImpactOf, Saved
    from ringfence.scoring.rulesets.actions import ListKind
    from ringfence.scoring.rulesets.outcomes import Mode


class LocalReading:
    """`ringfence.cli.backends.desks.Reading` of a store."""

    def __init__(self, desk: RuleBookReader, lake: Tables) -> None:
        self._desk = desk
        self._lake = lake

    def state(self) -> BookState:
        return self._desk.state()

    def version(self, digest: str, against: str | None = None) -> VersionState:
        return self._desk.version(digest, against)

    def shadow(self, since_ms: int | None, until_ms: int | None) -> ShadowReport:
        return lake_lists.shadow_report(self._lake, self._desk.ruleset, since_ms, until_ms)

    def lists(self) -> list[ListSummary]:
        return lake_lists.lists(self._lake, now_ms())

    def entries(self, name: str, limit: int) -> list[ListChange]:
        return lake_lists.entries(self._lake, name, now_ms(), limit=limit)

    def audit(self, name: str | None, limit: int) -> list[ListChange]:
        return lake_lists.audit(self._lake, name, limit=limit)


class LocalDesk(LocalReading):
    """`ringfence.cli.backends.desks.Writing` of a store that is ours alone."""

    def __init__(self, session: Session, lake: Tables, author: str) -> None:
        desk = session.desk(lake)
        super().__init__(desk, lake)
        self._book = desk
        self._rules = session.rules_desk(desk)
        self._lists = session.list_desk()
        self._session = session
        self._author = author

    def save(self, text: str, based_on: str, note: str, *, activate: bool, confirm: str = "") -> Saved:
        return self._warned(
            self._rules.save(text, based_on, self._who(note), activate=activate, confirm=confirm)
        )

    def set_mode(
        self, rule: str, mode: Mode, based_on: str, note: str, *, activate: bool, confirm: str = ""
    ) -> Saved:
        who = self._who(note)
        return self._warned(
            self._rules.set_mode(rule, mode, based_on, who, activate=activate, confirm=confirm)
        )

    def _warned(self, saved: Saved) -> Saved:
        warnings = self._session.warnings_on(self._book.ruleset(saved.change.digest))
        return msgspec.structs.replace(saved, warnings=warnings)

    def review(self, digest: str, note: str, *, approve: bool) -> Change:
        return self._book.review(digest, self._who(note), approve=approve)

    def activate(self, digest: str, note: str, confirm: str = "") -> Activation:
        return self._rules.activate(digest, self._who(note), confirm)

    def roll_back(self, to: str | None, note: str, confirm: str = "") -> Activation:
        return self._rules.roll_back(self._who(note), to, confirm)

    def impact(self, asked: ImpactOf) -> Impact:
        return self._rules.impact(asked)

    def add(self, name: str, kind: ListKind, entries: list[Entry]) -> ListResult:
        return self._lists.add(name, kind, entries, self._who(""))

    def remove(self, name: str, entries: list[Entry]) -> ListResult:
        return self._lists.remove(name, entries, self._who(""))

    def import_csv(self, name: str, kind: ListKind, text: str) -> ListResult:
        return self._lists.import_csv(name, kind, text, self._who(""))

    def _who(self, note: str) -> Who:
        return Who(self._author, self._session.clock.now_ms(), self._session.tokenizer.guard_text(note))


@contextmanager
def open_reading(data: Path | None) -> Iterator[LocalReading]:
    """The store as it is, also while another process writes to it."""
    approval = load_settings().rules_need_approval
    with open_store(options.folder(data), read_only=True) as store:
        lake = open_tables(store)
        yield LocalReading(book_reader(store, lake, require_approval=approval), lake)
        lake.close()


@contextmanager
def open_writing(data: Path | None, author: str) -> Iterator[LocalDesk]:
    """The store, caught up with its log; a rule book on disk that has changed is taken in first."""
    settings = load_settings()
    snapshotting = Snapshotting(settings.snapshot_every_events, settings.snapshot_every_ms)
    found = options.definitions(None, None)
    with open_session(
        options.folder(data), found, snapshotting, require_approval=settings.rules_need_approval
    ) as session:
        for notice in (*session.warnings, *session.notices):
            screen.say(f"Note: {notice}")
        lake = open_tables(session.store)
        yield LocalDesk(session, lake, author)
        lake.close()
