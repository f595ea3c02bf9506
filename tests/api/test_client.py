"""The client against a server in a process of its own."""

import asyncio
from pathlib import Path

import pytest
from benchmarks.serving import ALONE, Process
from tests.api.conftest import NOW_MS, payment

from ringfence.client import Answer, AsyncClient, Client, Rejected, ServerError
from ringfence.errors import ConflictError, InputError


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("client"), **ALONE)
    yield process.url
    process.end()


@pytest.fixture
def client(url):
    with Client(url) as client:
        yield client


def test_a_payment_is_decided_and_a_retry_says_so(client):
    first, again = client.decide(payment("one")), client.decide(payment("one"))
    assert isinstance(first, Answer)
    assert (first.outcome, first.replayed, again.replayed) == ("approve", False, True)
    assert again.offset == first.offset
    assert client.decision("one")["decision"]["offset"] == first.offset


def test_errors_are_of_the_projects_own_tree(client):
    client.decide(payment("two"))
    with pytest.raises(ConflictError, match="amount_minor"):
        client.decide(payment("two", amount="99"))
    with pytest.raises(InputError, match="transaction_id"):
        client.decide({"amount": 1})
    with pytest.raises(InputError, match="no decision"):
        client.decision("no/such payment?")


def test_a_batch_gives_an_answer_or_a_rejection_for_each(client):
    found = client.decide_batch([payment("a"), {"x": 1}, payment("b")])
    assert [type(one) for one in found] == [Answer, Rejected, Answer]
    assert client.decide_batch([]) == []


def test_other_events_are_sent_and_take_effect(client):
    entry = {"kind": "list_entry", "event_id": "e", "list_name": "bad", "list_kind": "block"}
    client.send(entry | {"entity_type": "device", "entity_id": "d", "event_time": NOW_MS})
    blocked = client.decide(payment("three", device_id="d"))
    assert blocked.outcome == "decline"
    assert blocked.reasons[0].code == "BLOCK_LIST"


def test_the_asynchronous_client_does_the_same_many_at_a_time(url):
    async def talk():
        async with AsyncClient(url) as client:
            answers = await asyncio.gather(*(client.decide(payment(f"p{n}")) for n in range(50)))
            batch = await client.decide_batch([payment("p1"), payment("q")])
            await client.send(
                {
                    "kind": "label",
                    "event_id": "l",
                    "transaction_id": "p1",
                    "label": True,
                    "event_time": NOW_MS,
                }
            )
            return answers, batch, await client.decision("p7")

    answers, batch, stored = asyncio.run(talk())
    assert [answer.transaction_id for answer in answers] == [f"p{n}" for n in range(50)]
    assert [one.replayed for one in batch] == [True, False]
    assert stored["decision"]["transaction_id"] == "p7"


def test_a_server_that_is_not_there_is_told_after_the_last_try():
    with (
        Client("http://127.0.0.1:9", tries=2) as client,
        pytest.raises(ServerError, match="cannot be reached"),
    ):
        client.decide(payment())


def test_the_program_of_the_page_runs(url, capsys):
    """Against this server, in place of the one that the reader has started."""
    page = (Path(__file__).parents[2] / "docs" / "howto" / "http.md").read_text("utf-8")
    program = page.split("```python\n")[1].split("```")[0]
    assert "http://127.0.0.1:8000" in program
    exec(compile(program.replace("http://127.0.0.1:8000", url), "page", "exec"), {})
    assert capsys.readouterr().out.startswith("approve ")
