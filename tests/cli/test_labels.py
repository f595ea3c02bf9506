"""`ringfence labels`: chargeback files in bulk, and what is known of fraud."""

from ringfence.adapters.sqlite import Store
from ringfence.compose.following.followers import declare_all

from .conftest import payment, write_ndjson

FILE = """transaction_id,reported_at,label_source,reason_code
p0,2024-05-04T00:00:00Z,visa,10.4
p1,2024-06-20,visa,10.4
nobodys,2024-05-20T00:00:00Z,visa,83
"""


def test_a_chargeback_file_is_imported_once_and_unknown_payments_are_named(ringfence, project):
    rows = [payment(number, amount=30 if number else 10) for number in range(3)]
    ringfence("run", write_ndjson(project / "rows.ndjson", rows))
    (project / "chargebacks.csv").write_text(FILE)
    first = ringfence("labels", "import", "chargebacks.csv")
    assert first.code == 0, first.err
    assert "1 labelled payments are unknown; their labels wait for them: nobodys" in first.err
    assert ringfence("labels", "import", "chargebacks.csv").code == 0
    found = ringfence("labels", "status", "--json").json
    assert found["sources"] == [
        {"source": "visa", "fraud": 3, "good": 0, "first": "2024-05-04", "last": "2024-06-20"}
    ]
    known = {row["days"]: row["value_known"] for row in found["maturity"]}
    assert (known[1], known[7], known[60]) == (0, 0.25, 1)
    assert [row["transaction_id"] for row in found["unknown"]] == ["nobodys"]
    ringfence("run", write_ndjson(project / "late.ndjson", [payment(5, transaction_id="nobodys")]))
    assert ringfence("labels", "status", "--json").json["unknown"] == []


def test_two_truths_for_one_payment_are_listed_and_bad_rows_quarantined(ringfence, project):
    ringfence("run", write_ndjson(project / "rows.ndjson", [payment(0)]))
    (project / "a.csv").write_text(
        "transaction_id,reported_at,label,label_source\np0,2024-05-04,true,bank\np0,2024-05-09,false,analyst\n"
        "p0,soon,true,bank\n"
    )
    imported = ringfence("labels", "import", "a.csv")
    assert imported.code == 4
    assert (
        "1 payments have labels that differ; what counts: p0 (bank: fraud, analyst: good): good"
        in imported.err
    )
    again = ringfence("labels", "import", "a.csv")
    assert "differ" not in again.err
    (conflict,) = ringfence("labels", "status", "--json").json["conflicts"]
    assert conflict == {"transaction_id": "p0", "said": "bank: fraud, analyst: good", "counts": "good"}
    assert "bank: fraud, analyst: good" in ringfence("labels", "status").out
    (project / "ringfence.toml").write_text('label_sources = ["bank", "analyst"]\n')
    (conflict,) = ringfence("labels", "status", "--json").json["conflicts"]
    assert conflict["counts"] == "fraud"
    (project / "b.csv").write_text("id,when\np0,2024-05-04\n")
    refused = ringfence("labels", "import", "b.csv")
    assert refused.code == 2
    assert "transaction_id" in refused.err


def test_a_follower_that_no_setting_names_is_forgotten(ringfence, project, monkeypatch):
    monkeypatch.setenv("RINGFENCE_LANDING_URL", "zone")
    ringfence("run", write_ndjson(project / "rows.ndjson", [payment(0)]))
    with Store.open(project / "ringfence-data") as store:
        declare_all(store)
    refused = ringfence("followers", "forget", "landing")
    assert refused.code == 2
    assert "take its setting out" in refused.err
    monkeypatch.delenv("RINGFENCE_LANDING_URL")
    assert ringfence("followers", "forget", "landing").code == 0
    names = {row["follower"] for row in ringfence("followers", "list", "--json").json}
    assert names
    assert "landing" not in names
    with Store.open(project / "ringfence-data") as store:
        assert "landing" not in {reader for reader, _, _ in store.log.readers()}
