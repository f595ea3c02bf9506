"""Where a command about saved views goes: to a running server, or to the data folder itself."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import msgspec

from ringfence.access.principal import LOCAL
from ringfence.access.views import NewView, SavedView, ViewDesk, ViewList, number_of
from ringfence.cli.backends.server_keys import key_given
from ringfence.cli.backends.server_questions import ask
from ringfence.cli.terminal import options
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.saved_views import open_views
from ringfence.compose.folder.store import open_store, tokenizer_of
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ViewWork(Protocol):
    """What commands about views need."""

    def list(self, path: str | None) -> ViewList: ...
    def save(self, view: NewView) -> SavedView: ...
    def remove(self, view_id: str) -> SavedView | None: ...


class _Local:
    """Views of a data folder, as whoever opens its dashboard without a key sees them."""

    def __init__(self, desk: ViewDesk) -> None:
        self._desk = desk

    def list(self, path: str | None) -> ViewList:
        return self._desk.of(LOCAL, path)

    def save(self, view: NewView) -> SavedView:
        return self._desk.save(view, LOCAL, now_ms())

    def remove(self, view_id: str) -> SavedView | None:
        return self._desk.remove(view_id, LOCAL)


class _Remote:
    """Views of a server, as its key sees them."""

    def __init__(self, url: str) -> None:
        self._url = url

    def list(self, path: str | None) -> ViewList:
        asked = "" if path is None else f"?path={quote(path, safe='')}"
        return msgspec.convert(self._ask(f"/v1/views{asked}"), ViewList)

    def save(self, view: NewView) -> SavedView:
        return msgspec.convert(self._ask("/v1/views", msgspec.to_builtins(view)), SavedView)

    def remove(self, view_id: str) -> SavedView | None:
        return msgspec.convert(self._ask(f"/v1/views/V-{number_of(view_id)}/remove", {}), SavedView)

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return ask(self._url, key_given(), path, body)


@contextmanager
def working(server: str | None, data: Path | None) -> Iterator[ViewWork]:
    """A server, or the data folder: also while a server works on it."""
    if server is not None:
        yield _Remote(server)
        return
    folder = options.folder(data)
    with open_store(folder, read_only=True) as store, options.people(data) as person:
        tokenizer = tokenizer_of(store)
        with closing(open_views(folder)) as views:
            yield _Local(ViewDesk(views, tokenizer, person))


def found(desk: ViewWork, named: str) -> SavedView:
    """The view with an id such as V-3, or the only one with a name; `InputError` where that is not one."""
    views = desk.list(None).views
    number = number_of(named)
    matching = [one for one in views if number_of(one.id) == number] if number else []
    matching = matching or [one for one in views if one.name == named]
    if len(matching) > 1:
        ids = ", ".join(one.id for one in matching)
        raise InputError(f"{len(matching)} views are called {named[:80]!r}: name one by its id, {ids}")
    if not matching:
        raise InputError(
            f"you see no view {named[:80]!r}: `ringfence views list` shows your own and those that are shared"
        )
    return matching[0]
