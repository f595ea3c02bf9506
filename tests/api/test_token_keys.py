"""A token key that rotates while a server decides: nothing is lost or doubled, and nobody has two tokens."""

import asyncio
from random import Random

import pytest
from tests.api.conftest import NDJSON, lines, payment, running, session_in
from tests.spine import Rows

from ringfence.adapters.sqlite import Store
from ringfence.api.hot.decoding import Decoding
from ringfence.api.http.problems import Refusal
from ringfence.compose.folder.privacy import begin_vault
from ringfence.compose.folder.store import tokenizer_of
from ringfence.compose.folder.token_keys import listed_token_keys
from ringfence.compose.folder.token_rotation import prepare_token_key
from ringfence.events import codec
from ringfence.ports import DECISIONS, EVENTS

KNOWN, EVERYBODY = range(20), range(400)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "vault")
    monkeypatch.setenv("RINGFENCE_VAULT_KEY", str(tmp_path / "keys.json"))
    with Store.open(tmp_path / "data") as store:
        begin_vault(store)
    return tmp_path / "data"


def served(folder, talk):
    async def whole():
        with session_in(folder, patient=False) as session:
            async with running(session) as client:
                return await talk(client, session)

    return asyncio.run(whole())


def by(person, identity):
    return payment(identity, customer_id=f"C-{person}", email=f"c{person}@mail.example")


def prepare(folder):
    with Store.open(folder, read_only=True) as store:
        return prepare_token_key(store, 1)


def newest(folder):
    with Store.open(folder, read_only=True) as store:
        return listed_token_keys(store)[-1]


async def rotated(folder):
    """Once the server has taken the key over."""
    await asyncio.to_thread(prepare, folder)
    while (found := await asyncio.to_thread(newest, folder)).since_offset is None:
        await asyncio.sleep(0.02)
    return found


def logged(folder):
    """Of each payment in the log: offset, id, and the token of the customer."""
    with Store.open(folder, read_only=True) as store:
        return [
            (one.base_offset + row, told["transaction_id"], told["customer_id"])
            for one in store.log.read(EVENTS)
            for row, told in enumerate(codec.decode(one.payload).table.to_pylist())
        ]


def test_rotation_under_traffic(folder):
    """payments one by one ═══╤═══ and in batches; the key takes effect somewhere between them."""
    sent = {}

    async def pay(client, worker, over):
        chance, number = Random(worker), 0
        while not over.is_set() or number < 5:
            number += 1
            records = []
            for row in range(1 if worker % 2 else 300):
                person, identity = chance.choice(EVERYBODY), f"w{worker}-{number}-{row}"
                sent[identity] = person
                records.append(by(person, identity))
            if worker % 2:
                answer = await client.post("/v1/decisions", json=records[0])
            else:
                answer = await client.post("/v1/decisions/batch", content=lines(records), headers=NDJSON)
            assert answer.status_code == 200
            assert answer.text.count('"outcome"') == len(records)

    async def talk(client, session):
        for person in KNOWN:
            sent[f"k{person}"] = person
            assert (await client.post("/v1/decisions", json=by(person, f"k{person}"))).status_code == 200
        over, first = asyncio.Event(), session.tokenizer.keys
        workers = [asyncio.create_task(pay(client, worker, over)) for worker in range(4)]
        found = await rotated(folder)
        over.set()
        await asyncio.gather(*workers)
        sent["new"] = 1000
        assert (await client.post("/v1/decisions", json=by(1000, "new"))).status_code == 200
        ready = (await client.get("/readyz")).json()
        assert (ready["warnings"], session.tokenizer.keys is first) == ([], False)
        return found, first

    found, first = served(folder, talk)
    rows = logged(folder)
    assert sorted(identity for _, identity, _ in rows) == sorted(sent)
    with Store.open(folder, read_only=True) as store:
        assert store.log.end_offset(DECISIONS) == len(sent)
        of_first = tokenizer_of(store)
    of_first.renew(first)
    tokens, begun = {}, {}
    for offset, identity, token in rows:
        tokens.setdefault(sent[identity], set()).add(token)
        begun.setdefault(sent[identity], offset)
    assert max(map(len, tokens.values())) == 1
    for person, (token,) in tokens.items():
        was_known = begun[person] < found.since_offset
        assert (token == of_first.as_kept("customer_id", f"C-{person}")) == was_known
    with session_in(folder, patient=False) as session:  # replayed, it stands where it stood
        assert session.runner.pipeline.offset == len(sent)


def test_what_was_read_under_a_key_of_before_is_read_again_or_refused(folder):
    async def talk(client, session):
        server = client.server
        door = Decoding(tokenizer_of(session.store), session.runner.pipeline.seed)  # the vault hears nothing
        stale, bad = door(early := [lines([by(7, "t-early")])], session.clock.now_ms())
        assert not bad
        await rotated(folder)
        (result,) = await server.decider.ask(early, "http", prepared=(stale, bad), generation=0)
        assert result.status == 200
        with pytest.raises(Refusal, match="send this again"):
            await server.decider.take_in(Rows(stale), 0)
        await server.decider.take_in(
            Rows(server.decoding([lines([by(8, "t-late")])], session.clock.now_ms())[0]), 1
        )
        return stale.column("customer_id").to_pylist(), session.tokenizer.as_kept("customer_id", "C-7")

    (old,), new = served(folder, talk)
    tokens = {identity: token for _, identity, token in logged(folder)}
    assert (old != new, tokens["t-early"], len(tokens)) == (True, new, 2)


def test_an_erased_person_is_not_known_to_the_running_server_any_more(folder):
    async def talk(client, session):
        await client.post("/v1/decisions", json=by(1, "t1"))
        before = session.tokenizer.as_kept("customer_id", "C-1")
        await rotated(folder)
        assert session.tokenizer.as_kept("customer_id", "C-1") == before
        asked = {"customer": "C-1", "reason": "asked for it"}
        assert (await client.post("/v1/privacy/erase", json=asked)).status_code == 200
        while session.tokenizer.as_kept("customer_id", "C-1") == before:
            await asyncio.sleep(0.02)

    served(folder, talk)
