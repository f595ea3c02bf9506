"""Ids of any text are found again: by the routes, through a socket, by the client."""

import pytest
from benchmarks.serving import ALONE, Process

from ringfence.client import Client

from .conftest import payment

IDS = [
    "a\nb",
    "\n-",
    "ends\n",
    "a\r\nb",
    "a/b",
    "/",
    "//x//",
    "a/",
    "%",
    "100%25",
    "%2F",
    "%00",
    "a?b=c#d",
    "a b+c&d",
    "\u00fc\u4e2d\U0001f600",
    "e\u0301",
    ".",
    "..",
    "../..",
    "./x",
    "a;b",
    "a\\b",
    "batch",
    "x/explanation",
    "\x01-",
    "\U0001f600" * 1024,
]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("ids"), **ALONE)
    with Client(process.url, tries=1, timeout_seconds=30) as client:
        yield client
    assert process.end() == 0


@pytest.mark.parametrize("identity", IDS, ids=lambda text: ascii(text[:20]))
def test_a_decision_is_found_by_its_id(client, identity):
    client.decide(payment(identity))
    assert client.decision(identity)["decision"]["transaction_id"] == identity


@pytest.mark.parametrize("identity", ["a\nb", "a/b", "%2F", "ends\n", "\u00fc"])
def test_so_are_its_explanation_and_the_entity(client, identity):
    client.decide(payment(f"of-{identity}", merchant_id=identity))
    explained = client._send("GET", f"/v1/decisions/{quoted('of-' + identity)}/explanation").json()
    assert explained["transaction_id"] == f"of-{identity}"
    entity = client._send("GET", f"/v1/entities/merchant/{quoted(identity)}").json()
    assert entity["entity_id"] == identity.strip()  # blanks around a key are no part of it


@pytest.mark.parametrize("identity", ["a\nb", "ends\n", "a/b"])
def test_so_are_its_pages(client, identity):
    client.decide(payment(f"page-{identity}", merchant_id=identity))
    for path in (f"/decisions/{quoted('page-' + identity)}", f"/entities/merchant/{quoted(identity)}"):
        assert client._http.get(path).status_code == 200


def quoted(text):
    return "".join(f"%{byte:02X}" for byte in text.encode())
