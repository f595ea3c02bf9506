"""Ringfence as a library: a small surface, pinned, and the same pipeline in memory."""

import duckdb
import pyarrow as pa
import pytest

import ringfence as rf

PUBLIC = [
    "CATALOG",
    "NIGHT",
    "BadRecord",
    "Calendar",
    "Decision",
    "DecisionBatch",
    "Entity",
    "EventBatch",
    "FeatureSpec",
    "Graph",
    "Outcome",
    "Pipeline",
    "Points",
    "Policy",
    "RingfenceError",
    "Rule",
    "RuleSet",
    "Step",
    "Where",
    "default_rules",
    "entity",
    "load_rules",
    "pays",
    "to_events",
    "uses",
]
"""Users' programs depend on each of these: adding one is a decision, removing one breaks them."""


def payment(number: int, **more) -> dict:
    return {
        "transaction_id": f"p{number}",
        "event_time": f"2024-05-01T10:{number:02}:00Z",
        "amount": 10,
        "card_id": "c",
    } | more


def test_the_public_surface_is_this():
    assert rf.__all__ == PUBLIC
    assert set(dir(rf)) == set(PUBLIC)
    assert all(getattr(rf, name).__doc__ for name in PUBLIC if name not in {"CATALOG", "NIGHT"})


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rf.nothing


def test_rows_pushed_one_by_one_are_decided_like_rows_in_one_batch():
    rows = [payment(n, amount=2) for n in range(8)]
    spec = rf.CATALOG
    one, many = (rf.Pipeline(spec, rf.default_rules(spec)) for _ in range(2))
    batch = one.step(rf.to_events(rows)).decisions
    single = [next(iter(many.step(rf.to_events([row])).decisions)) for row in rows]
    assert [d.outcome for d in batch] == [d.outcome for d in single]
    assert [d.features for d in batch] == [d.features for d in single]
    assert [d.outcome for d in batch][3:5] == [rf.Outcome.APPROVE, rf.Outcome.DECLINE]


def test_a_table_of_a_known_source_brings_its_labels_to_their_place():
    table = pa.table(
        {
            "TRANSACTION_ID": [1, 2, 3],
            "TX_DATETIME": ["2018-04-01 10:00:00", "2018-04-07 10:00:00", "2018-04-09 10:00:00"],
            "CUSTOMER_ID": [1, 1, 1],
            "TERMINAL_ID": [1, 1, 1],
            "TX_AMOUNT": [1.5, 2.5, 3.5],
            "TX_FRAUD": [1, 0, 1],
        }
    )
    batch = rf.to_events(table, "handbook")
    assert batch.column("transaction_id").to_pylist() == ["1", "2", "1", "3"]
    assert batch.column("label").to_pylist() == [None, None, True, None]


def test_whatever_gives_arrow_data_is_a_table():
    query = (
        "SELECT 'p' || n AS transaction_id, 1714557600000 + n AS event_time, 2.5 AS amount FROM range(3) t(n)"
    )
    batch = rf.to_events(duckdb.connect().sql(query))
    assert batch.column("transaction_id").to_pylist() == ["p0", "p1", "p2"]
    assert batch.amount.tolist() == [2.5, 2.5, 2.5]


def test_a_bad_row_is_an_error_that_names_it_or_a_value_for_who_asks():
    rows = [payment(0), payment(1, amount=-1), payment(2, amount="x")]
    with pytest.raises(rf.RingfenceError, match=r"row 2: amount: .*; 1 more rows are bad"):
        rf.to_events(rows)
    bad: list[rf.BadRecord] = []
    assert len(rf.to_events(rows, on_bad=bad.append)) == 1
    assert [record.reason.value for record in bad] == ["negative_amount", "unparsable_amount"]


def test_a_card_number_becomes_the_same_token_in_every_call_and_another_under_another_key():
    card = {"card_id": None, "card_number": "4111111111111111"}
    one, two = (rf.to_events([payment(n, **card)]).column("card_id")[0].as_py() for n in range(2))
    other = rf.to_events([payment(0, **card)], token_key=b"k" * 32).column("card_id")[0].as_py()
    assert one == two
    assert one.startswith("tok_")
    assert other != one


def test_dicts_in_other_fields_than_ours_are_refused_with_the_remedy():
    with pytest.raises(rf.RingfenceError, match="give a table"):
        rf.to_events([{"TX": 1}], "handbook")


def test_a_rule_book_is_read_from_a_file(tmp_path):
    book = tmp_path / "rules.yaml"
    book.write_text(
        "rules:\n  - {id: big, title: Big, when: amount > 9, outcome: review, reason: BIG, analyst: Big.}\n"
    )
    spec = rf.FeatureSpec.of(rf.entity("card").count("1h"))
    decided = rf.Pipeline(spec, rf.load_rules(book)).step(rf.to_events([payment(0)])).decisions
    assert [d.reasons for d in decided] == [["BIG"]]


def test_a_rule_book_that_is_not_there_is_an_error_with_the_remedy(tmp_path):
    with pytest.raises(rf.RingfenceError, match="cannot be read"):
        rf.load_rules(tmp_path / "rules.yaml")
