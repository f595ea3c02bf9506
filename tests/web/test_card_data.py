"""No card number and no verification code is kept, told or logged, by whatever door of a server it came."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from urllib.parse import quote

import httpx
import pytest
from tests.card_data import SPELLINGS, leaks, leaks_under

from ringfence.access.authoriser import Authoriser
from ringfence.api.app import build
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.saving import Snapshotting
from ringfence.web import Site

NOW_MS = time.time_ns() // 1_000_000
NUMBER = "4111111111111111"
CODE = "9081726354"  # so long that no digest has it by chance
PLANTED = {name: spell(NUMBER) for name, spell in SPELLINGS.items()}
FIELDS = ("transaction_id", "customer_id", "card_id", "card_number", "merchant_id", "ip", "email", "phone")
OTHERS = ("city", "currency", "event_time", "lat", "amount", "kind", "no_such_field")
JSON = {"content-type": "application/json"}
NDJSON = {"content-type": "application/x-ndjson"}
RULE = """
name: own
rules:
  - {{id: big, title: {0}, when: amount > 100 and city != {0}, outcome: review, reason: BIG, analyst: {0}}}
"""
API_PATHS = [
    "decisions",
    "entities/card",
    "entities",
    "rules/versions",
    "nothing",
    "rules/backtest",
    "models",
]
API_QUERIES = ["entity=card&entity_id", "entity", "rule", "cursor", "since_ms", "limit", "cvv", "list"]
HEADERS = ["x-request-id", "idempotency-key", "user-agent", "x-api-key", "referer", "accept", "cookie"]
FORMS = [
    "search",
    "lists",
    "lists/remove",
    "lists/import",
    "rules/check",
    "rules/save",
    "rules/rates",
    "rules/mode",
    "rules/backtest",
    "sign-in",
    "quarantine/replay",
]
FORM_FIELDS = [
    "q",
    "name",
    "text",
    "note",
    "key",
    "entity_id",
    "expires",
    "entity_type",
    "mode",
    "rule",
    "based_on",
    "since",
    "until",
    "id",
    "next",
    "outcome",
]
PAGES = [
    "decisions",
    "explained",
    "labels",
    "entities/card",
    "entities/ip",
    "entities",
    "neighbours/email",
    "lists",
    "streams",
    "quarantine",
    "rules/versions",
    "models",
    "backtests",
    "static",
]
FILTERS = ["entity", "rule", "reason", "since", "min_score", "min_amount", "outcome", "before", "shadow"]
SHOWN = [
    "decisions",
    "lists",
    "rules",
    "rules/versions",
    "quarantine",
    "system",
    "streams",
    "streams/events",
    "streams/quarantine",
    "streams/decisions",
]


def payment(identity, **fields):
    base = {"transaction_id": identity, "event_time": NOW_MS, "amount": "12.50", "currency": "EUR"}
    return base | {"merchant_id": "m1"} | fields


def records(name, text):
    """Events of every kind that have the text somewhere, a verification code beside it; some are refused."""
    code = {"cvv": CODE, "cardCVV2": CODE}
    for field in (*FIELDS, *OTHERS):
        yield payment(f"{name} {field}", attributes=code) | {field: text}
    yield payment(f"{name} attribute", attributes={"note": text, text: text, "deep": 1.0} | code)
    yield payment(f"{name} bad", amount="none", attributes={"note": text} | code)
    yield payment(f"{name} top", cvv=CODE, pin=CODE)
    at = {"event_time": NOW_MS, "note": text, "entity_id": text}
    yield {"kind": "profile", "entity_type": "customer", "attributes": {"a": text} | code} | at
    yield {"kind": "profile", "entity_type": text} | at
    yield {"kind": "flag", "entity_type": "card", "effective_at": NOW_MS} | at
    yield {"kind": "list_entry", "list_name": text, "list_kind": "block"} | at
    del at["entity_id"]
    yield {"kind": "label", "transaction_id": text, "label": True, "label_source": text} | at


async def events_over_the_api(client, name, text):
    every = [json.dumps(record) for record in records(name, text)]
    for body, path in product(every, ("decisions", "events")):
        yield await client.post(f"/v1/{path}", content=body, headers=JSON)
    again = "\n".join(re.sub(r'"transaction_id": "', '"transaction_id": "again ', body) for body in every)
    broken = f'\n{{"note": "{text}", "cvv": "{CODE}"\n{text}\n[{json.dumps(text)}]\n'
    for path in ("decisions", "events"):
        yield await client.post(f"/v1/{path}/batch", content=again + broken, headers=NDJSON)
        body = f'{{"transaction_id": "{text}", "cvv": "{CODE}"'
        yield await client.post(f"/v1/{path}", content=body, headers=JSON)
        yield await client.post(f"/v1/{path}", content=text, headers={"content-type": text.encode()})
    for header in HEADERS:
        headers = JSON | {header: text.encode()}
        yield await client.post("/v1/decisions", content=every[0], headers=headers)
        yield await client.get("/v1/decisions", headers=headers)


async def changes_over_the_api(client, name, text):
    entry = {"entity_id": text, "entity_type": "card", "note": text}
    odd = [entry | {"expires_at": text, "entity_type": text, text: text}]
    for path in ("lists/entries", "lists/removals"):
        yield await client.post(f"/v1/{path}", json={"list": text, "kind": "block", "entries": [entry]})
        yield await client.post(f"/v1/{path}", json={"list": "l", "kind": text, "entries": odd})
        yield await client.post(f"/v1/{path}", json={"list": "l", "kind": "block", "entries": odd})
    rows = f'entity_id,entity_type,expires_at,note\n"{text}",card,,"{text}"\nx,"{text}",,\nx,card,"{text}",\n'
    for where, body in product(("l", text), (rows, f'entity_id,"{text}",cvv\nx,y,{CODE}\n')):
        asked = {"params": {"list": where}, "headers": {"content-type": "text/csv"}}
        yield await client.post("/v1/lists/import", content=body, **asked)
    books = RULE.format(json.dumps(text)), RULE.format(text), f"{text}: 1", f"rules: [{{id: '{text}'}}]"
    for book, path in product(books, ("rules/check", "rules/versions", "rules/backtest")):
        more = {"based_on": "head", "note": text, "activate": True} if path == "rules/versions" else {}
        yield await client.post(f"/v1/{path}", json={"text": book} | more)
    for path in ("rules/versions", "rules/rollback", "rules/modes/big", "models/1/promotion"):
        given = dict.fromkeys(("to", "note", "mode", "based_on", "text"), text)
        yield await client.post(f"/v1/{path}", json=given)


async def questions_over_the_api(client, name, text):
    part = quote(text, safe="")
    for path in API_PATHS:
        yield await client.get(f"/v1/{path}/{part}")
        yield await client.post(f"/v1/{path}/{part}", json={})
    for query, path in product(API_QUERIES, ("decisions", "lists/entries", "lists/audit", "rules/shadow")):
        yield await client.get(f"/v1/{path}?{query}={part}")
    for path in ("decisions", "lists", "lists/audit", "rules", "rules/versions"):
        yield await client.get(f"/v1/{path}")


async def over_the_pages(client, name, text):
    form = dict.fromkeys(FORM_FIELDS, text)
    form |= {"cvv": CODE, "kind": "watch", "rows": f"entity_id,note\n{text},{text}\n"}
    entry = form | {"entity_type": "card", "expires": ""}
    book = form | {"text": RULE.format(json.dumps(text)), "based_on": "head"}
    for path, fields in product(FORMS, (form, entry, book)):
        yield await client.post(f"/{path}", data=fields)
    part = quote(text, safe="")
    query = f"q={part}&key={part}&reason={part}&entity=ip&entity_id={part}&cvv={CODE}"
    for path in PAGES:
        yield await client.get(f"/{path}/{part}")
        yield await client.get(f"/{path}?{query}")
        yield await client.get(
            f"/{path}", headers=dict.fromkeys(("referer", "hx-current-url"), text.encode())
        )
    for field in FILTERS:
        yield await client.get(f"/decisions?entity_id=x&{field}={part}")
    for path in ("", *SHOWN):
        yield await client.get(f"/{path}")


DOORS = events_over_the_api, changes_over_the_api, questions_over_the_api, over_the_pages


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Everything that a server said and wrote: by request its answer, its logs, its folder."""
    folder, access, log = tmp_path_factory.mktemp("planted") / "data", io.BytesIO(), io.StringIO()
    noted = logging.StreamHandler(log)
    logging.getLogger().addHandler(noted)
    answers = {}

    async def note(asked):
        async for answer in asked:
            headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
            key = f"{answer.request.method} {answer.request.url} {answer.request.content[:300]!r}"
            answers[key] = headers.encode() + b"\n" + answer.content

    async def whole(session):
        server = Server(session, ServeSettings(deadline_ms=60_000), Authoriser())
        dashboard = Site(server)
        app = build(server, access, dashboard)
        server.start()
        dashboard.start()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.get("/")
            client.headers["x-csrf-token"] = (await client.get("/session")).json()["csrf"]
            for (name, text), door in product(PLANTED.items(), DOORS):
                await note(door(client, name, text))
        await dashboard.stop()
        await server.stop()
        app.log.flush()

    with (
        open_session(folder, load_definitions(None, None), Snapshotting()) as session,
        ThreadPoolExecutor(1) as apart,  # the browser tests of this process have a loop on this thread
    ):
        apart.submit(lambda: asyncio.run(whole(session))).result()
    logging.getLogger().removeHandler(noted)
    return answers, access.getvalue(), log.getvalue().encode(), folder


def test_no_answer_and_no_page_repeats_one(told):
    found = {asked: leaks(answer) for asked, answer in told[0].items()}
    assert {asked: numbers for asked, numbers in found.items() if numbers} == {}
    assert [asked for asked, answer in told[0].items() if CODE.encode() in answer] == []


def test_no_log_holds_one(told):
    _, access, log, _ = told
    assert b'"route":"/v1/decisions"' in access
    assert leaks(access + log) == []
    assert CODE.encode() not in access + log


def test_no_file_of_the_folder_holds_one(told):
    folder = told[3]
    assert leaks_under(folder) == {}
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert [str(path) for path in files if CODE.encode() in path.read_bytes()] == []
