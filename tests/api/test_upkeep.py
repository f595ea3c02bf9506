"""Work by the clock as a server tells of it, whatever becomes of settings and files beside it."""

import asyncio

import httpx
import pytest

from ringfence.access.authoriser import Authoriser
from ringfence.adapters.watchbook import WatchBook
from ringfence.api.app import build
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.compose.upkeep.scheduled_commands import RETRAINING, WATCHING
from ringfence.errors import StoreError
from ringfence.follow.timetable import ErrandEnd
from ringfence.web import Site

from .conftest import NOW_MS, session_in

FAILED = ErrandEnd(NOW_MS, 2, "no frauds of payment t-17")


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Has a server started in a project's folder; then `change` is made, and three answers are read."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"

    async def talk(session, change):
        server = Server(session, ServeSettings(), Authoriser(None))
        dashboard = Site(server)
        app = build(server, None, dashboard)
        server.start()
        try:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://localhost"
            ) as client:
                change(WatchBook(folder))
                answers = [await client.get(path) for path in ("/readyz", "/metrics", "/system")]
        finally:
            await dashboard.stop()
            await server.stop()
        assert [one.status_code for one in answers] == [200, 200, 200], answers[0].text
        return answers[0].json()["warnings"], answers[1].text, answers[2].text

    def ask(change):
        with session_in(folder) as session:
            return asyncio.run(talk(session, change))

    return ask


def test_a_settings_file_that_is_edited_wrongly_is_no_matter_of_a_server_that_decides(asked, tmp_path):
    (tmp_path / "ringfence.toml").write_text('retrain_every = "30d"\n')

    def change(book):
        book.keep_outcome(RETRAINING, FAILED)
        (tmp_path / "ringfence.toml").write_text('backup_to = "/secret/place"\nretrain_every = sometimes')

    warnings, figures, page = asked(change)
    assert len(warnings) == 1
    assert warnings[0].startswith("retraining failed at ")
    assert warnings[0].endswith("(exit code 2): see this server's log")
    assert 'ringfence_scheduled_failed{work="retraining"} 1.0' in figures
    assert "no frauds of payment t-17" in page


def test_what_is_not_scheduled_any_more_is_no_figure_and_no_warning(asked):
    def change(book):
        book.keep_outcome(RETRAINING, FAILED)
        book.keep_outcome(WATCHING, ErrandEnd(NOW_MS, 0))

    warnings, figures, page = asked(change)
    assert warnings == []
    assert 'work="retraining"' not in figures
    assert f'ringfence_scheduled_failed{{work="{WATCHING}"}} 0.0' in figures
    assert "retraining failed" not in page


DAMAGED = {
    "cut off": b'{"retraining": {"ended',
    "no UTF-8": b'{"watching the models": {"ended_ms": 1, "code": 1, "said": "\xff"}}',
    "another form": b'{"watching the models": 1}',
    "a time beyond all calendars": b'{"watching the models": {"ended_ms": 99999999999999999, "code": 1}}',
    "nested without end": b'{"watching the models": {"ended_ms": 1, "code": 1, "x": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_of_outcomes_is_a_warning_until_the_next_outcome(asked, tmp_path, content):
    path = tmp_path / "data" / "watch" / "errands.json"

    def change(_book):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    warnings, figures, page = asked(change)
    assert warnings == ["how scheduled work ended last is not known: see the System page"]
    assert "ringfence_scheduled_failed{" not in figures
    assert f"{path} is damaged" in page
    WatchBook(tmp_path / "data").keep_outcome(WATCHING, FAILED)
    assert WatchBook(tmp_path / "data").outcomes() == {WATCHING: FAILED}


def test_a_file_of_outcomes_that_cannot_be_read_is_a_warning_and_is_left_alone(asked, tmp_path):
    """A folder in its place stands for whatever the system refuses to read."""
    path = tmp_path / "data" / "watch" / "errands.json"
    warnings, _, page = asked(lambda _book: path.mkdir(parents=True))
    assert warnings == ["how scheduled work ended last is not known: see the System page"]
    assert f"{path} cannot be read (Is a directory)" in page
    with pytest.raises(StoreError, match="cannot be read"):
        WatchBook(tmp_path / "data").keep_outcome(WATCHING, FAILED)
