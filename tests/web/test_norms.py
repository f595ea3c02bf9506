"""Who is asked for by e-mail address, phone or IP address is found however that is written."""

from __future__ import annotations

import time
from urllib.parse import quote

import httpx
import pytest

from .conftest import serving

NOW_MS = time.time_ns() // 1_000_000
WRITTEN = [
    ("email", "Bob@Mail.EXAMPLE", "bob@mail.example"),
    ("phone", "+49 (0)170 123-45", "+4917012345"),
    ("ip", "::ffff:10.1.2.3", "10.1.2.3"),
    ("account", "de89 3704 0044 0532 0130 00", "DE89370400440532013000"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    event = {"transaction_id": "tx-1", "event_time": NOW_MS, "amount": "5.00", "currency": "EUR"}
    event |= {"account_id" if kind == "account" else kind: kept for kind, _, kept in WRITTEN}
    folder = tmp_path_factory.mktemp("norms") / "data"
    with serving(folder) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        client.get("/")
        client.headers["x-csrf-token"] = client.get("/session").json()["csrf"]
        assert client.post("/v1/decisions", json=event).status_code == 200
        yield client


@pytest.mark.parametrize(("kind", "typed", "kept"), WRITTEN)
def test_a_filter_a_page_and_the_search_box_find_it(client, kind, typed, kept):
    page = f"/entities/{kind}/{quote(kept, safe='')}"
    assert client.post("/search", data={"q": typed}).headers["location"] == page
    assert "tx-1" in client.get("/decisions", params={"entity": kind, "entity_id": typed}).text
    shown = client.get(f"/entities/{kind}/{quote(typed, safe='')}").text
    assert "tx-1" in shown
    assert f'<h1 class="id">{kept}</h1>' in shown.replace("&#43;", "+")


@pytest.mark.parametrize(("kind", "typed", "kept"), WRITTEN)
def test_the_api_finds_it(client, kind, typed, kept):
    listed = client.get("/v1/decisions", params={"entity": kind, "entity_id": typed}).json()
    assert [one["decision"]["transaction_id"] for one in listed["decisions"]] == ["tx-1"]
    one = client.get(f"/v1/entities/{kind}/{quote(typed, safe='')}").json()
    assert one["entity_id"] == kept
    assert [each["decision"]["transaction_id"] for each in one["recent"]] == ["tx-1"]


def test_the_api_streams_it(client):
    asked = {"entity": "email", "entity_id": "Bob@Mail.EXAMPLE"}
    event = {"transaction_id": "tx-2", "event_time": NOW_MS, "amount": "5.00", "currency": "EUR"}
    with client.stream("GET", "/v1/stream", params=asked) as stream:
        told = stream.iter_lines()
        next(told)
        assert client.post("/v1/decisions", json=event | {"email": "BOB@mail.example"}).status_code == 200
        assert any('"tx-2"' in line for line in told)
