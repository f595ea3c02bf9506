"""The same questions as openCypher: an embedded property graph, and Neptune's protocol in front of it."""

import http.server
import json
import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import boto3
import pytest
from tests.graph.streams import START_MS
from tests.graph.test_rings import GRAPH, random_rows, taken

from ringfence.adapters.cypher import EmbeddedGraph, NeptuneGraph
from ringfence.adapters.links import StoredLinks
from ringfence.errors import InputError
from ringfence.features.links import Graph, pays, uses
from ringfence.graph.cypher import fill, guarded, lint, paid, ring_in, sharing, shipped
from ringfence.graph.rings import Node, entities_of, ring_around
from ringfence.simulate.micro_macro import RING, micro_macro

MEMBERS = sorted(f"1234-5678-{number}" for number in RING)
S3 = Graph.of(uses("account", "email"), uses("account", "phone"), pays("account", "merchant"), windows=[])


@pytest.fixture(scope="module")
def embedded():
    if find_spec("ladybug") is None:
        if os.environ.get("RINGFENCE_ALL_PARTS"):
            pytest.fail("no openCypher: ladybug is not installed")
        pytest.skip("no openCypher: ladybug is not installed")
    store = EmbeddedGraph()
    yield store
    store.close()


class Endpoint(http.server.BaseHTTPRequestHandler):
    """What a Neptune cluster answers on POST /openCypher, by the embedded graph."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            rows = self.server.store.run(asked["query"], json.loads(asked.get("parameters", "{}")))
            status, body = 200, {"results": rows}
        except InputError as error:
            status = 400
            body = {"code": "MalformedQueryException", "detailedMessage": str(error), "requestId": "r"}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def client_of(port):
    return boto3.client(
        "neptunedata",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="eu-north-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
    )


@pytest.fixture(scope="module")
def arcade(tmp_path_factory):
    """Another engine behind the same protocol, in a process of its own."""
    if find_spec("arcadedb") is None:
        if os.environ.get("RINGFENCE_ALL_PARTS") and sys.platform == "linux":
            pytest.fail("no independent openCypher: arcadedb is not installed")
        pytest.skip("no independent openCypher: arcadedb is not installed")
    folder = tmp_path_factory.mktemp("arcade")
    command = [sys.executable, str(Path(__file__).with_name("arcade_server.py")), str(folder / "graph")]
    with (
        (folder / "errors").open("w+", encoding="utf-8") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder) as process,
    ):
        port = process.stdout.readline().strip()
        errors.seek(0)
        assert port, errors.read()
        client = client_of(port)
        yield NeptuneGraph(client)
        client.close()
        process.kill()


@pytest.fixture(scope="module")
def neptune(embedded):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.store = embedded
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = client_of(server.server_port)
    yield NeptuneGraph(client)
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("s3")
    rows = [
        {
            "transaction_id": f"t{number}",
            "event_time_ms": START_MS + number,
            "account_id": row["account"],
            "email": row["accountemail"],
            "phone": row["phone"],
            "merchant_id": row["merchant"],
        }
        for number, row in enumerate(next(micro_macro(1, 5, START_MS)).to_pylist())
    ]
    taken(folder, rows, S3)
    with StoredLinks.looking(folder) as opened:
        yield opened


@pytest.mark.parametrize("which", ["embedded", "neptune", "arcade"])
def test_all_members_of_the_ring_and_no_other_come_back_from_any_of_them(request, which, book):
    store = request.getfixturevalue(which)
    for _ in range(2):  # what is written twice is there once
        assert fill(store, S3, book.every()) > 100
    [row] = store.run("MATCH (a:account)-[l:account_uses_email]->(e:email) RETURN count(l) AS n", {})
    assert row["n"] == 100
    for member in MEMBERS:
        assert sorted(node.id for node in ring_in(store, S3, Node("account", member))) == MEMBERS
        others = [one["id"] for one in store.run(sharing(S3.links[0]), {"id": member})]
        assert others == [one for one in MEMBERS if one != member]
    assert [node.id for node in ring_in(store, S3, Node("account", "1234-5678-5"))] == ["1234-5678-5"]
    assert store.run(paid(S3.links[2]), {"id": MEMBERS[0]})


@pytest.mark.parametrize("which", ["embedded", "arcade"])
def test_random_rings_are_those_of_the_links_themselves(tmp_path, request, which):
    store = request.getfixturevalue(which)
    taken(tmp_path, random_rows(3))
    with StoredLinks.looking(tmp_path) as links:
        fill(store, GRAPH, links.every())
        for account in {pair.source for pair in links.every()}:
            ours = {one for one in ring_around(links, account).nodes if one.kind in entities_of(GRAPH)}
            assert set(ring_in(store, GRAPH, account)) == ours


def test_every_query_that_is_shipped_is_one_that_neptune_knows():
    for graph in (S3, GRAPH):
        for query in shipped(graph):
            assert lint(query) == []
            assert "(b:" not in query or "MERGE" in query or "count(" in query or "id(b) <> id(a)" in query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("MATCH p = shortestPath((a)-[*..3]-(b)) RETURN p", "shortestPath"),
        ("MANDATORY MATCH (a) RETURN a", "MANDATORY"),
        ("CALL db.labels() YIELD label RETURN label", "YIELD"),
        ("MATCH (a) WHERE any(x IN a.l WHERE x > 1) RETURN a", "any"),
        ("MATCH (a) RETURN reduce(s = 0, x IN a.l | s + x)", "reduce"),
        ("MATCH (a)-[*]-(b) RETURN b", "without an end"),
    ],
)
def test_what_neptune_lacks_is_told_before_it_is_sent(neptune, query, said):
    assert said in " ".join(lint(query))
    with pytest.raises(InputError, match="does not know"):
        neptune.run(query, {})
    assert lint(f"MATCH (a) WHERE a.id = {json.dumps(query)} RETURN a") == []


@pytest.mark.parametrize("which", ["neptune", "arcade"])
def test_a_query_that_the_cluster_refuses_is_an_error_with_its_words(request, which):
    with pytest.raises(InputError, match="refuses this query"):
        request.getfixturevalue(which).run("MATCH (a RETURN a", {})


@pytest.mark.parametrize(
    "query",
    [
        "MATCH (a) DELETE a",
        "match (a) detach delete a",
        "CREATE (a:account {id: 'x'})",
        "MATCH (a) SET a.id = 'x' RETURN a",
        "MATCH (a) RETURN a; MATCH (b) RETURN b",
        "MATCH (a) /* */ RETURN a",
        "CALL show_tables() RETURN *",
        "COPY account TO 'x.csv'",
        "LOAD FROM '/etc/passwd' RETURN *",
        "MATCH (a)-[*]-(b) RETURN b",
        "MATCH (a)-[*2..]-(b) RETURN b",
        "MATCH (a)-[*1..30]-(b) RETURN b",
        "MATCH (a) RETURN a LIMIT 1000000",
        "MATCH (a) RETURN a" + " " * 20_000,
    ],
)
def test_a_text_of_a_user_only_reads_and_ends(query):
    with pytest.raises(InputError):
        guarded(query)


@pytest.mark.parametrize("which", ["embedded", "arcade"])
def test_hostile_ids_are_parameters_and_never_text(request, which, book):
    store = request.getfixturevalue(which)
    fill(store, S3, book.every())
    for name in ("' OR 1=1 //", '"}) DETACH DELETE a //', "a\nb", "\x00", "x" * 4000):
        assert store.run(sharing(S3.links[0]), {"id": name}) == []
    asked = guarded("MATCH (a:account) WHERE a.id = 'DELETE; //' RETURN a.id")
    assert store.run(asked, {}) == []
