"""`ringfence graph` over the generator of a hundred accounts with a ring of eleven."""

import csv
import xml.etree.ElementTree as ET

import pytest

FEATURES = """
import ringfence as rf

graph = rf.Graph.of(
    rf.uses("account", "email", cap=20),
    rf.uses("account", "phone", cap=20),
    rf.pays("account", "merchant"),
    windows=("1h",),
)
spec = rf.CATALOG.with_graph(graph)
"""
RULES = """
rules:
  - id: ring
    title: Large payment of a large group
    when: graph.component_accounts > 10 AND amount > 500
    outcome: review
    reason: RING
    analyst: "{graph.component_accounts} accounts share an e-mail address or a phone"
"""
RING = [f"1234-5678-{number}" for number in range(20, 31)]


@pytest.fixture
def decided(ringfence, project):
    (project / "features.py").write_text(FEATURES)
    (project / "rules.yaml").write_text(RULES)
    made = ringfence("simulate", "payments.ndjson", "--schema", "micro-macro", "--days", "1")
    assert made.code == 0, made.err
    ended = ringfence("run", "payments.ndjson", "--mapping", "micro-macro")
    assert ended.code == 0, ended.err
    return ringfence


def test_all_members_of_the_ring_and_no_other_come_back_from_any_of_them(decided):
    for member in RING:
        ring = decided("graph", "ring", f"account={member}", "--json").json
        accounts = [one["id"] for one in ring["members"] if one["kind"] == "account"]
        assert sorted(accounts) == sorted(RING)
    (found,) = decided("graph", "rings", "--json").json["rings"]
    assert found["members"] == len(RING)
    assert any("made payments that were reviewed" in reason for reason in found["why"])
    assert "1 email is used by 11 accounts" in ring["why"]


def test_only_members_of_the_ring_are_reviewed_and_all_large_payments_come_from_them(decided):
    asked = (
        "SELECT DISTINCT account_id FROM decisions JOIN transactions USING (transaction_id) "
        "WHERE outcome = 'review'"
    )
    rows = decided("sql", asked, "--format", "json").json_lines
    assert {one["account_id"] for one in rows} <= set(RING)
    assert rows


def test_sql_joins_measures_decisions_and_rings(decided):
    decided("graph", "rings")  # the command has the links brought up
    asked = (
        "SELECT m.id, count(*) AS n, max(f.graph.component_accounts) AS size FROM graph_members m "
        "JOIN graph_rings r USING (ring) JOIN transactions t ON t.account_id = m.id AND m.kind = 'account' "
        "JOIN decisions d USING (transaction_id) JOIN features f USING (transaction_id) "
        "WHERE r.members = 11 GROUP BY 1 ORDER BY 1"
    )
    rows = decided("sql", asked, "--format", "json").json_lines
    assert [row["id"] for row in rows] == sorted(RING)
    assert max(row["size"] for row in rows) == len(RING)
    [row] = decided(
        "sql", "SELECT count(*) AS n FROM graph_links WHERE type = 'account uses email'", "--format", "json"
    ).json_lines
    assert row["n"] == 100


def test_opencypher_asks_the_same_links_and_only_reads(decided):
    pytest.importorskip("ladybug")
    query = "MATCH (a:account)-[:account_uses_email]->(e:email) WHERE a.id = '1234-5678-20' RETURN e.id AS id"
    rows = [{"id": "ring@example.com"}]
    assert decided("graph", "cypher", query, "--json").json == {"rows": rows, "cut": False}
    longer = decided("graph", "cypher", "MATCH (a:account) RETURN a.id AS id", "--limit", "2", "--json")
    assert (len(longer.json["rows"]), longer.json["cut"]) == (2, True)
    assert "only 2 are shown" in longer.err
    own = decided("graph", "cypher", "MATCH (a:account) RETURN a.id AS id LIMIT 2", "--limit", "2", "--json")
    assert (len(own.json["rows"]), own.json["cut"]) == (2, False)  # the query asked for two
    ended = decided("graph", "cypher", "MATCH (a) DETACH DELETE a")
    assert ended.code != 0
    assert "DETACH is refused" in ended.err


def test_neighbours_and_paths(decided):
    ring = decided("graph", "ring", "account=1234-5678-5", "--json").json
    assert [one["kind"] for one in ring["members"]] == ["account", "email", "phone"]

    found = decided("graph", "path", "account=1234-5678-20", "account=1234-5678-30")
    assert len(found.out.splitlines()) == 2
    assert "account 1234-5678-20 uses" in found.out

    found = decided("graph", "neighbours", "account=1234-5678-25", "--json").json
    kinds = {one["target"]["kind"] for one in found["links"]}
    assert kinds == {"email", "phone", "merchant"}


def test_an_answer_says_what_it_leaves_out(decided):
    found = decided("graph", "neighbours", "account=1234-5678-25", "--limit", "1", "--json")
    assert sorted(one["target"]["kind"] for one in found.json["links"]) == ["email", "merchant", "phone"]
    assert found.json["cut"] == ["account pays merchant"]
    said = " ".join(found.err.split())
    assert "account pays merchant: only the newest 1 are shown; --limit shows more" in said
    assert "uses" not in said  # all of those are shown

    same = decided("graph", "path", "account=1234-5678-25", "account=1234-5678-25")
    assert (same.code, "both ends are account 1234-5678-25: name two" in " ".join(same.err.split())) == (
        2,
        True,
    )

    done = decided("graph", "export", "--out", "part.csv", "--ring", f"account={RING[0]}", "--most", "5")
    assert "There are more members: --most looks for more than 5" in " ".join(done.err.split())


def test_a_ring_is_exported_for_other_programs(decided, project):
    assert decided("graph", "export", "--out", "all.csv").code == 0
    with (project / "all.csv").open(newline="") as file:
        assert {row["link"] for row in csv.DictReader(file)} >= {
            "account uses email",
            "account pays merchant",
        }
    done = decided("graph", "export", "--out", "ring.graphml", "--ring", f"account={RING[0]}")
    assert done.code == 0, done.err
    tree = ET.parse(project / "ring.graphml")
    nodes = [one.get("id") for one in tree.iter("{http://graphml.graphdrawing.org/xmlns}node")]
    assert sum(one.startswith("account:") for one in nodes) == len(RING)


def test_what_cannot_be_asked_says_why(decided):
    for arguments, said in (
        (["ring", "25"], "write KIND=ID"),
        (["ring", "wallet=25"], "the graph knows no 'wallet'"),
        (["ring", "account=nobody"], "has no live link"),
        (["export", "--out", "ring.xlsx"], "name it .graphml, .csv or .json"),
        (["export", "--out", "nowhere/ring.csv"], "cannot be written"),
    ):
        ended = decided("graph", *arguments)
        assert ended.code != 0
        assert said in " ".join(ended.err.split())


def test_without_a_graph_the_remedy_is_told(ringfence, project):
    ringfence("simulate", "payments.ndjson", "--schema", "micro-macro", "--days", "1")
    ringfence("run", "payments.ndjson", "--mapping", "micro-macro")
    ended = ringfence("graph", "ring", "account=1234-5678-25")
    assert ended.code != 0
    assert "declare a graph in features.py" in " ".join(ended.err.split())
