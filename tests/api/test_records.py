"""The records of a batch: split exactly, however they come in, and bounded in every direction."""

import asyncio
import gzip
import json
import tracemalloc

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.api.hot import elements as elements_module
from ringfence.api.hot import records as records_module
from ringfence.api.hot.elements import elements
from ringfence.api.hot.records import CHUNK, CHUNK_BYTES, Cutter
from ringfence.api.http.problems import Refusal
from ringfence.events.decoding.decode import RECORD_LIMIT

from .conftest import NDJSON, lines, payment

JSON = {"content-type": "application/json"}
MIB = 1 << 20


def cut(body, size, most=10**9):
    cutter = Cutter(most)
    blocks = [
        list(block)
        for start in range(0, len(body), size)
        for block in cutter.feed(body[start : start + size])
    ]
    return blocks + [list(block) for block in cutter.end()]


def flat(blocks):
    return [line for block in blocks for line in block]


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([b"", b" ", b"{}", b'{"a":1}', b"x" * 50, b"\r"]), max_size=60),
    st.integers(1, 200),
    st.booleans(),
)
def test_lines_are_split_alike_however_the_text_comes_in(parts, size, ends):
    text = b"\n".join(parts) + (b"\n" if ends and parts else b"")
    assert flat(cut(text, size)) == [part for part in parts if part and not part.isspace()]


def test_many_short_lines_and_few_long_ones_are_handed_on_in_blocks():
    short = cut(b"{}\n" * 10_000, 64 << 10)
    assert [len(block) for block in short] == [CHUNK, CHUNK, 10_000 - 2 * CHUNK]
    long = cut((b"y" * 100_000 + b"\n") * 50, 64 << 10)
    assert len(flat(long)) == 50
    assert max(sum(map(len, block)) for block in long) <= CHUNK_BYTES + RECORD_LIMIT


def test_of_a_line_that_never_ends_only_so_much_is_kept_as_shows_that_it_is_too_long():
    body = b'{"a":1}\n' + b"x" * (20 * MIB) + b'\n{"b":2}\n'
    cutter, blocks = Cutter(), []
    for start in range(0, len(body), 1 << 16):
        blocks += map(list, cutter.feed(body[start : start + (1 << 16)]))
        assert cutter.size <= 2 * RECORD_LIMIT
    blocks += map(list, cutter.end())
    first, long, last = flat(blocks)
    assert (first, last) == (b'{"a":1}', b'{"b":2}')
    assert len(long) == RECORD_LIMIT + 1


@pytest.mark.parametrize("blank", [b"\n", b" \n", b"{}\n"])
def test_lines_are_counted_blank_ones_too(blank):
    with pytest.raises(Refusal) as found:
        cut(blank * 1001, 100, most=1000)
    assert (found.value.status, found.value.problem.code) == (413, "too_many_records")
    assert len(flat(cut(blank * 1000, 100, most=1000))) in (0, 1000)


def split(body, chunk=CHUNK, most=10**9):
    async def whole():
        return [part async for part in elements(body, chunk, most)]

    return asyncio.run(whole())


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(["},{", '"},{"', "]", "\\"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(st.lists(JSON_VALUES, max_size=30), st.sampled_from([None, 1]), st.integers(1, 64))
def test_an_array_is_taken_apart_at_its_own_commas(values, indent, size):
    """Slices of a few bytes: commas in texts, in objects and in arrays are all tried, and never taken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elements_module, "_SLICE", size)
        body = json.dumps(values, indent=indent).encode()
        assert [json.loads(one) for one in flat(split(body))] == values


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"]",
        b"[1,]",
        b"[,1]",
        b"[1,,2]",
        b"[1 2]",
        b"{}",
        b"[1]x",
        b"[[1]",
        b'["a]',
        b"[1],[2]",
        b"[" * 9999,
    ],
)
@pytest.mark.parametrize("size", [1, 3, 65536])
def test_what_is_no_array_is_refused_before_its_first_element(body, size, monkeypatch):
    monkeypatch.setattr(elements_module, "_SLICE", size)
    with pytest.raises(Refusal) as found:
        split(body)
    assert (found.value.status, found.value.problem.code) == (400, "malformed_json")


def test_elements_are_handed_on_in_chunks_and_counted():
    body = json.dumps([{"a": number} for number in range(10_000)]).encode()
    assert [len(part) for part in split(body)] == [CHUNK, CHUNK, 10_000 - 2 * CHUNK]
    with pytest.raises(Refusal) as found:
        split(body, most=9_999)
    assert found.value.problem.code == "too_many_records"


def test_records_with_attributes_are_taken_apart_though_their_commas_look_alike():
    records = [payment(f"p{n}", attributes={"a": n, "b": "},{"}, city="x") for n in range(3000)]
    assert [json.loads(one) for one in flat(split(json.dumps(records).encode()))] == records


def test_an_array_of_nothing_but_numbers_never_is_as_many_objects():
    """33 million small numbers took 4 GB."""
    body = b"[" + b"1," * (4 * MIB) + b"1]"
    tracemalloc.start()
    with pytest.raises(Refusal, match="records"):
        split(body, most=1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(body) * 2 + 16 * MIB


BOMBS = {
    "newlines": (NDJSON, b"\n"),
    "spaces": (NDJSON, b" "),
    "numbers": (JSON, b"1,"),
    "arrays": (JSON, b"[],"),
    "open": (JSON, b"["),
    "records": (NDJSON, b"{}\n"),
    "payments": (NDJSON, json.dumps(payment()).encode() + b"\n"),
}
PACK = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("shape", BOMBS)
def test_a_bomb_of_any_shape_is_refused_and_payments_are_decided_meanwhile(api, encoding, shape):
    kind, filling = BOMBS[shape]
    body = PACK[encoding]((b"[" if kind is JSON else b"") + filling * (48 * MIB // len(filling)))

    async def talk(client):
        headers = kind | {"content-encoding": encoding}
        bombs = [client.post(route, content=body, headers=headers) for route in ROUTES]
        waiting = asyncio.gather(*bombs)
        decided = []
        while not waiting.done():
            decided.append(await client.post("/v1/decisions", json=payment(f"m{len(decided)}")))
        return [answer.status_code for answer in await waiting], decided

    statuses, decided = api(talk)
    assert set(statuses) <= {413, 422}
    assert {answer.status_code for answer in decided} == {200}
    assert [answer.json()["degraded"] for answer in decided] == [[]] * len(decided)


ROUTES = ("/v1/decisions/batch", "/v1/events/batch")


@pytest.mark.parametrize(
    "body", [b"\n" * 999_000 + b" " * MIB, b"[" + b"1," * (4 * MIB) + b"1]"], ids=["lines", "array"]
)
def test_everybody_gets_a_turn_while_a_large_body_is_taken_apart(api, body, monkeypatch):
    monkeypatch.setattr("ringfence.api.http.turns.SLICE_SECONDS", 0)
    kind = JSON if body.startswith(b"[") else NDJSON

    async def talk(client):
        turns = 0
        sent = asyncio.ensure_future(client.post("/v1/events/batch", content=body, headers=kind))
        while not sent.done():
            await asyncio.sleep(0)
            turns += 1
        return (await sent).status_code, turns

    status, turns = api(talk)
    assert status == (413 if kind is JSON else 200)
    assert turns > 25


def test_a_batch_of_mostly_bad_records_is_refused_and_the_first_of_them_are_kept(api, monkeypatch):
    monkeypatch.setattr("ringfence.api.handlers.batches._MOST_BAD", 5000)
    body = lines({"n": number} for number in range(30_000))

    async def talk(client):
        answer = await client.post("/v1/events/batch", content=body, headers=NDJSON)
        after = await client.post("/v1/decisions/batch", content=lines([payment()]), headers=NDJSON)
        return answer, after.status_code, len(client.server.session.store.quarantine.records(limit=10**6))

    answer, after, kept = api(talk)
    assert (answer.status_code, answer.json()["code"], after) == (422, "too_many_bad_records", 200)
    assert "ringfence quarantine" in answer.json()["detail"]
    assert 5000 <= kept < 20_000


@pytest.mark.parametrize("count", [1, 65, 257, 5000])
def test_a_batch_without_a_single_good_record_harms_nobody(api, count):
    """From 257 on it stopped the server."""

    async def talk(client):
        answers = [await client.post(route, content=b"{}\n" * count, headers=NDJSON) for route in ROUTES]
        after = await client.post("/v1/decisions", json=payment())
        return answers, after.status_code

    answers, after = api(talk)
    assert after == 200
    for answer in answers:
        found = [json.loads(line)["status"] for line in answer.text.splitlines()]
        assert found == [422] * count


def test_answers_of_a_long_batch_wait_in_a_file_and_come_in_order(api, monkeypatch):
    monkeypatch.setattr("ringfence.api.handlers.batches._IN_MEMORY", 1000)
    body = lines(payment(f"p{number}") for number in range(20_000))

    async def talk(client):
        return await client.post("/v1/decisions/batch", content=body, headers=NDJSON)

    answer = api(talk)
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["index"] for one in found] == list(range(20_000))
    assert [one["decision"]["transaction_id"] for one in found] == [f"p{number}" for number in range(20_000)]


def test_the_bounds_are_those_that_the_docs_name():
    assert (records_module.MOST_LINES, records_module.ARRAY_BYTES) == (1_000_000, 16 * MIB)
