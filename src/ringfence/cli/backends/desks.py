"""Where a command about rules and lists goes: to a running server, or to the data folder itself."""

from __future__ import annotations

import os
import pwd
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from ringfence.cli.backends.server_keys import KEY_VARIABLE, key_given
from ringfence.errors import ConflictError, InUseError, StoreError
from ringfence.rulebook.changes import StaleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ringfence.analysis.list_history import ListChange, ListSummary
    from ringfence.decisions.impact import Impact
    from ringfence.rulebook.changes import Activation, Change
    from ringfence.rulebook.desk import BookState, VersionState
    from ringfence.rulebook.entries import Entry, ListResult
    from ringfence.rulebook.shadow import ShadowReport
    from ringfence.rulebook.wire import ImpactOf, Saved
    from ringfence.scoring.rulesets.actions import ListKind
    from ringfence.scoring.rulesets.outcomes import Mode

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        help=f"Ask a running server instead of the data folder; its key is in {KEY_VARIABLE}.",
        envvar="RINGFENCE_SERVER",
        metavar="URL",
    ),
]
Author = Annotated[
    str | None,
    typer.Option(
        "--author",
        help="Name on record. [default: your user name on this machine; a server takes it from the key]",
        show_default=False,
    ),
]
Note = Annotated[str, typer.Option("--note", "-n", help="Reason, kept on record.")]


class DeskReading(Protocol):
    """What can be asked without changing anything."""

    def state(self) -> BookState: ...
    def version(self, digest: str, against: str | None = None) -> VersionState: ...
    def shadow(self, since_ms: int | None, until_ms: int | None) -> ShadowReport: ...
    def lists(self) -> list[ListSummary]: ...
    def entries(self, name: str, limit: int) -> list[ListChange]: ...
    def audit(self, name: str | None, limit: int) -> list[ListChange]: ...


class DeskWriting(DeskReading, Protocol):
    """And what changes something; each is on record with its note."""

    def save(self, text: str, based_on: str, note: str, *, activate: bool, confirm: str = "") -> Saved: ...
    def set_mode(
        self, rule: str, mode: Mode, based_on: str, note: str, *, activate: bool, confirm: str = ""
    ) -> Saved: ...
    def review(self, digest: str, note: str, *, approve: bool) -> Change: ...
    def activate(self, digest: str, note: str, confirm: str = "") -> Activation: ...
    def roll_back(self, to: str | None, note: str, confirm: str = "") -> Activation: ...
    def impact(self, asked: ImpactOf) -> Impact: ...
    def add(self, name: str, kind: ListKind, entries: list[Entry]) -> ListResult: ...
    def remove(self, name: str, entries: list[Entry]) -> ListResult: ...
    def import_csv(self, name: str, kind: ListKind, text: str) -> ListResult: ...


@contextmanager
def reading(server: str | None, data: Path | None) -> Iterator[DeskReading]:
    """A server, or the data folder: also while a server writes to it."""
    if server is not None:
        with _remote(server) as remote:
            yield remote
        return
    from ringfence.cli.backends.local_desk import open_reading  # noqa: PLC0415 (a server's answer needs no store)

    with open_reading(data) as local:
        yield local


@contextmanager
def writing(server: str | None, data: Path | None, author: str | None) -> Iterator[DeskWriting]:
    """A server, or the data folder, which nobody else may be writing to."""
    if server is not None:
        with _remote(server) as remote:
            yield remote
        return
    from ringfence.cli.backends.local_desk import open_writing  # noqa: PLC0415 (likewise)

    try:
        with open_writing(data, author or user()) as local:
            yield local
    except InUseError as error:
        raise StoreError(
            f"{error}. If that process is `ringfence serve`, let it make the change: give its address, as in "
            f"--server http://127.0.0.1:8000, and a key in {KEY_VARIABLE} if it asks for one"
        ) from error
    except StaleError as error:
        raise ConflictError(f"{error}\n{error.difference.text}") from error


def _remote(server: str) -> Any:
    from ringfence.cli.backends.remote_desk import RemoteDesk  # noqa: PLC0415 (the data folder's answer needs no HTTP)

    return RemoteDesk(server, key_given())


def user() -> str:
    """Name of the user of this machine."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
