"""Lists change in one way, whoever asks."""

from dataclasses import replace

import pytest

from ringfence.desks.lists import MOST_AT_ONCE
from ringfence.errors import InputError
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.ports import EVENTS
from ringfence.rulebook.desk import Who
from ringfence.scoring.rulesets.actions import ListKind

ROWS = 6000  # more than a step of the API once held
CSV = "entity_id,entity_type,note\r\n" + "".join(
    f"d-{n},{'planet' if n == 4500 else 'device'},seen\r\n" for n in range(ROWS)
)


def written(session):
    """How many list entries each batch of the log holds, and the entries but for their ids and times."""
    batches = [codec.decode(batch.payload) for batch in session.store.log.read(EVENTS)]
    lists = [batch for batch in batches if (batch.kind == Kind.LIST_ENTRY).any()]
    names = ("list_name", "list_kind", "entity_type", "entity_id", "note", "removed")
    rows = [tuple(batch.column(name).to_pylist() for name in names) for batch in lists]
    return [len(batch) for batch in lists], rows


def test_an_import_is_one_change_for_command_line_api_and_dashboard(edges, tmp_path):
    """No payment gets in between: all good rows stand in one batch of the log, and the bad one is told."""
    file = tmp_path / "devices.csv"
    file.write_text(CSV, newline="")
    code, [told] = edges.command("lists", "import", "stolen", file, "--kind", "block")

    async def over_api(client):
        query = {"list": "stolen", "kind": "block"}
        kind = {"content-type": "text/csv"}
        answer = await client.post("/v1/lists/import", params=query, content=CSV, headers=kind)
        return answer.json()

    async def on_the_page(client):
        form = {"name": "stolen", "kind": "block", "rows": CSV}
        return await client.post("/lists/import", data=form)

    answered = edges.serve("api", over_api)
    page = edges.serve("web", on_the_page)
    assert code == 4
    assert told == answered
    assert told["taken"] == ROWS - 1
    [fault] = told["refused"]
    assert fault["line"] == 4502
    assert page.status_code == 200
    assert "4502" in page.text
    sizes, rows = edges.look("cli", written)
    assert sizes == [ROWS - 1]
    assert edges.look("api", written) == (sizes, rows)
    assert edges.look("web", written) == (sizes, rows)


def test_who_is_put_on_a_list_and_taken_off_is_the_same_event(edges):
    def add(edge_words):
        return edges.command("lists", *edge_words)

    assert add(["add", "stolen", "d-5", "--kind", "block", "--entity", "device", "--note", "seen"])[0] == 0
    assert add(["remove", "stolen", "d-5", "--entity", "device"])[0] == 0
    entry = {"entity_id": "d-5", "entity_type": "device"}

    async def over_api(client):
        more = {"list": "stolen", "kind": "block", "entries": [entry | {"note": "seen"}]}
        put = await client.post("/v1/lists/entries", json=more)
        gone = await client.post("/v1/lists/removals", json={"list": "stolen", "entries": [entry]})
        return put.status_code, gone.status_code

    async def on_the_page(client):
        put = await client.post("/lists", data=entry | {"name": "stolen", "kind": "block", "note": "seen"})
        gone = await client.post("/lists/remove", data=entry | {"name": "stolen"})
        return put.status_code, gone.status_code

    assert edges.serve("api", over_api) == (200, 200)
    assert edges.serve("web", on_the_page) == (303, 303)
    found = edges.look("cli", written)
    assert found[0] == [1, 1]
    assert edges.look("api", written) == found
    assert edges.look("web", written) == found


def test_the_desk_says_how_long_a_file_may_be_and_a_server_takes_less_at_once(edges):
    async def over_api(client):
        return client.server.lists.most

    def locally(session):
        desk = replace(session.list_desk(), most=2)
        with pytest.raises(InputError, match="more than 2 rows"):
            desk.import_csv("stolen", ListKind.BLOCK, "entity_id\na\nb\nc\n", Who("eva", 1, ""))
        return session.list_desk().most

    assert edges.serve("api", over_api) == MOST_AT_ONCE
    assert edges.look("cli", locally) > MOST_AT_ONCE
    assert edges.look("cli", written) == ([], [])
