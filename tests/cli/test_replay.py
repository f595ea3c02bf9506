import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ringfence.adapters.sqlite import Store
from ringfence.decisions.decision import DecisionBatch
from ringfence.ports import DECISIONS, LogBatch
from ringfence.scoring.rulesets.books import default_book_text

from .conftest import payment, write_ndjson


@pytest.fixture
def decided(ringfence, project):
    """A tested card with a label, decided in two runs."""
    one = [payment(n, amount=2.0) for n in range(4)]
    label = {
        "kind": "label",
        "event_id": "l",
        "transaction_id": "p2",
        "label": True,
        "event_time": "2024-05-01T12:04:00Z",
    }
    two = [label, *(payment(n, amount=2.0) for n in range(4, 8))]
    ringfence("run", write_ndjson(project / "one.ndjson", one))
    ringfence("run", write_ndjson(project / "two.ndjson", two), "--batch-rows", "2")


def stricter(project):
    """The shipped rules, but two small payments are enough."""
    text = default_book_text()
    assert "card.count_small_10m >= 5" in text
    path = project / "stricter.yaml"
    path.write_text(text.replace("card.count_small_10m >= 5", "card.count_small_10m >= 2"))
    return path


@pytest.mark.usefixtures("decided")
def test_the_log_leads_to_the_stored_decisions(ringfence):
    ended = ringfence("replay", "--verify", "--json")
    assert ended.code == 0
    assert (ended.json["compared"], ended.json["differing"]) == (8, 0)


@pytest.mark.usefixtures("decided")
def test_decisions_by_several_versions_are_each_verified_by_their_own(ringfence, project):
    rows = write_ndjson(project / "more.ndjson", [payment(n, amount=2.0) for n in range(8, 10)])
    ringfence("run", rows, "--rules", stricter(project))
    (project / "features.py").write_text(
        "import ringfence as rf\nspec = rf.CATALOG.with_features(rf.entity('card').count('3h'))\n"
    )
    rows = write_ndjson(project / "last.ndjson", [payment(n, amount=2.0) for n in range(10, 12)])
    ringfence("run", rows)
    ended = ringfence("replay", "--verify", "--json")
    assert (ended.code, ended.json["compared"], ended.json["differing"]) == (0, 12, 0)
    assert ringfence("decision", "p11", "--json").json["features"]["card.count_3h"] == 12


@pytest.mark.usefixtures("decided")
def test_a_stored_decision_that_was_tampered_with_is_found(ringfence, project):
    with Store.open(project / "ringfence-data") as store:
        batch = next(iter(store.log.read(DECISIONS)))
        table = DecisionBatch.decode(batch.payload).table
        changed = table.set_column(5, table.schema.field(5), pa.array([99.0] * len(table)))
        forged = LogBatch(DECISIONS, 0, batch.count, 0, 0, DecisionBatch(changed).encode())
        with store.log.transaction() as connection:
            connection.execute(
                "UPDATE batch SET payload = ?, checksum = ?, first_time_ms = 0, last_time_ms = 0 "
                "WHERE base_offset = 0 AND topic_id = (SELECT id FROM topic WHERE name = 'decisions')",
                (forged.payload, forged.checksum()),
            )
    ended = ringfence("replay", "--verify", "--json")
    assert ended.code == 1
    assert ended.json["columns"] == {"score": 4}
    assert ended.json["examples"][0] == "p0"


@pytest.mark.usefixtures("decided")
def test_other_rules_show_which_outcomes_change_and_what_that_does_to_fraud(ringfence, project):
    ended = ringfence("replay", "--rules", stricter(project), "--json")
    assert ended.code == 0
    assert ended.json["outcomes"]["approve"] == {"approve": 1, "challenge": 0, "review": 0, "decline": 3}
    assert ended.json["labelled_fraud"] == 1
    assert ended.json["fraud"]["approve"]["decline"] == 1
    assert "labelled fraud" in ringfence("replay", "--rules", stricter(project)).out


@pytest.mark.usefixtures("decided")
def test_a_replay_changes_nothing_and_may_write_what_it_decided(ringfence, project):
    ringfence("replay", "--rules", stricter(project), "--out", "again.parquet")
    made = pq.read_table(project / "again.parquet")
    assert made["outcome"].to_pylist() == ["approve", *["decline"] * 7]
    assert [file.name for file in project.glob(".*partial")] == []
    stored = ringfence(
        "sql", "SELECT count(*) AS n FROM decisions WHERE outcome = 'decline'", "--format", "json"
    )
    assert stored.json == {"n": 4}
