"""Lists, flags, profiles and labels of servers on a sharded host: they count behind their record."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.sharded.test_stages import sent, value
from tests.spine import START_MS

from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.flink_host.sharded import pack_project, plan_of
from ringfence.compose.folder.store import open_store, tokenizer_of
from ringfence.decisions.decision import DecisionBatch
from ringfence.events.activation import Part
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.rulebook.entries import Entry, to_events
from ringfence.scoring.rulesets.actions import AddTo, ListKind
from ringfence.sharded.changes import activation_record
from ringfence.sharded.references import keys_of, reference_record
from ringfence.testing.local_host import LocalHost

NOW_MS = START_MS + 50
CARD = "4111111111111111"
BOOK = """
rules:
  - {id: l, title: L, when: "card_id in list 'stolen'", outcome: decline, reason: LISTED, analyst: A.}
  - {id: f, title: F, when: "card.flagged", outcome: review, reason: FLAGGED, analyst: A.}
  - {id: p, title: P, when: "card.profile.watched", outcome: review, reason: WATCHED, analyst: A.}
  - {id: r, title: R, when: "card.label_rate_1d > 0", outcome: review, reason: KNOWN, analyst: A.}
"""
FEATURES = """
from ringfence.features.spec import FeatureSpec, entity
spec = FeatureSpec.of(entity("card").count("1d"), entity("card").label_rate("1d"))
"""
MAPPING = """
[[records]]
kind = "transaction"
[records.fields]
transaction_id = "id"
event_time = "at"
amount = "eur"
currency = { constant = "EUR" }
card_id = "card"
"""


@pytest.fixture(params=["canonical", "own.toml"])
def made(request, tmp_path):
    """A job and its tokenizer; it reads payments by the canonical mapping, or by one of its own."""
    (tmp_path / "features.py").write_text(FEATURES)
    (tmp_path / "rules.yaml").write_text(BOOK)
    (tmp_path / "own.toml").write_text(MAPPING)
    is_own = request.param != "canonical"
    mapping = load_mapping(str(tmp_path / "own.toml") if is_own else "canonical")
    with open_store(tmp_path / "data") as store:
        definitions = load_definitions(tmp_path / "features.py", tmp_path / "rules.yaml")
        partitions = ["payments/0", "control/0"]
        packed = pack_project(definitions, store.meta, mapping, partitions, controls=["control/0"], shards=2)
        return LocalHost(plan_of(packed)), tokenizer_of(store), paid_as_mapped if is_own else paid


def paid(number, card):
    return value(0, transaction_id=f"tx-{number}", card_id=card)


def paid_as_mapped(number, card):
    return json.dumps({"id": f"tx-{number}", "at": "2023-11-15T00:00:00Z", "eur": 50, "card": card}).encode()


def listed(tokenizer, *ids, removed=False):
    entries = [Entry(one, "card", None, "2030-01-01", "seen") for one in ids]
    return to_events(
        entries,
        "stolen",
        ListKind.BLOCK,
        author="mira",
        now_ms=NOW_MS,
        tokenizer=tokenizer,
        removed=removed,
    )[0]


def said(tokenizer, **fields):
    line = json.dumps({"event_time": NOW_MS, "entity_type": "card"} | fields).encode()
    return JsonDecoder(tokenizer).decode_one(line, NOW_MS)


def records(tokenizer, events, attributes=()):
    return [reference_record(events, row, keys_of(tokenizer), attributes) for row in range(len(events))]


def outcome(host):
    for partition in range(2):
        host.lose_all()
        host.send(host.stage("door", partition).close(), "door", partition)
    host.run()
    rows = [
        row for one in host.outputs["decisions"] for row in DecisionBatch.decode(one.data).table.to_pylist()
    ]
    return {row["transaction_id"]: list(row["reasons"]) for row in rows}


def refused(host):
    return [json.loads(one.data) for one in host.outputs.get("quarantine", [])]


def test_each_decides_behind_the_place_of_its_record(made):
    host, tokenizer, pays = made
    token = tokenizer.token(CARD)
    sent(host, 0, [pays(0, token)], 0)
    sent(host, 1, records(tokenizer, listed(tokenizer, CARD, "card-7")), 50)
    sent(host, 0, [pays(1, token), pays(2, "card-7")], 100)
    sent(host, 1, records(tokenizer, listed(tokenizer, CARD, removed=True)), 150)
    flag = said(tokenizer, kind="flag", entity_id="card-8", effective_at=START_MS)
    profile = said(tokenizer, kind="profile", entity_id="card-9", attributes={"watched": True, "age": 7})
    sent(host, 1, [*records(tokenizer, flag), *records(tokenizer, profile, ["watched"])], 160)
    sent(host, 0, [pays(3, token), pays(4, "card-7"), pays(5, "card-8"), pays(6, "card-9")], 200)
    assert outcome(host) == {
        "tx-0": [],
        "tx-1": ["LISTED"],
        "tx-2": ["LISTED"],
        "tx-3": [],
        "tx-4": ["LISTED"],
        "tx-5": ["FLAGGED"],
        "tx-6": ["WATCHED"],
    }
    assert refused(host) == []


def test_a_label_counts_behind_the_place_of_its_record(made):
    """It says nothing but what the payment was: the words of whoever labelled it stay on the server."""
    host, tokenizer, pays = made
    line = {"kind": "label", "event_time": NOW_MS, "transaction_id": "tx-0", "label": True}
    label = json.dumps({**line, "label_source": "case", "note": "Mira called"}).encode()
    told = records(tokenizer, JsonDecoder(tokenizer).decode_one(label, NOW_MS))
    assert json.loads(told[0])["event"].keys() == {*line, "label_source", "event_id"}
    sent(host, 0, [pays(0, "card-7"), pays(1, "card-8")], 0)
    sent(host, 0, [pays(2, "card-7")], 40)
    sent(host, 1, told, 50)
    sent(host, 0, [pays(3, "card-7"), pays(4, "card-8")], 100)
    assert outcome(host) == {"tx-0": [], "tx-1": [], "tx-2": [], "tx-3": ["KNOWN"], "tx-4": []}
    assert refused(host) == []


def test_tokens_of_other_keys_and_what_is_none_of_them_are_refused_with_the_remedy(made):
    """Nothing of a card's number gets into the topic of quarantine."""
    host, tokenizer, pays = made
    other = Tokenizer(bytes(32))
    foreign = records(other, listed(other, CARD, "card-7"))
    payment = json.dumps({"kind": "reference", "event": json.loads(value(9)), "keys": ""}).encode()
    broken = json.dumps({"kind": "reference", "event": {"entity_id": CARD}, "more": CARD}).encode()
    late = json.loads(records(tokenizer, listed(tokenizer, "card-8"))[0])
    late["event"]["event_time"] = "2040-01-01T00:00:00Z"
    sent(host, 1, [*foreign, payment, broken, json.dumps(late).encode()], 50)
    sent(host, 0, [pays(1, other.token(CARD)), pays(2, "card-7"), pays(3, "card-8")], 100)
    assert outcome(host) == {"tx-1": [], "tx-2": ["LISTED"], "tx-3": []}
    problems = [one["faults"][0]["problem"] for one in refused(host)]
    assert [one for one in problems if "keys of one data folder" in one]
    assert [one for one in problems if "no event of kind 'transaction'" in one]
    assert [one for one in problems if "no list entry, flag, profile or label" in one]
    assert [one for one in problems if "out of range" in one]
    assert len(problems) == 4
    assert CARD not in json.dumps(refused(host))


def test_on_a_topic_of_payments_they_are_no_events(made):
    host, tokenizer, pays = made
    sent(host, 0, records(tokenizer, listed(tokenizer, "card-7")), 50)
    sent(host, 0, [pays(1, "card-7")], 100)
    assert outcome(host) == {"tx-1": []}
    assert len(refused(host)) == 1


def test_rules_that_add_to_a_list_are_refused_with_the_remedy_and_those_of_before_decide(made):
    host, _, pays = made
    book = host.plan.rules.ruleset
    adding = AddTo(list="seen", entity="card", kind=ListKind.WATCH)
    rules = tuple(msgspec.structs.replace(rule, add_to=adding) for rule in book.rules)
    acting = msgspec.structs.replace(book, rules=rules)
    sent(host, 1, [activation_record(Part.RULES, acting.digest, acting.to_json())], 50)
    sent(host, 0, [pays(1, "card-7")], 100)
    assert outcome(host) == {"tx-1": []}
    [one] = host.outputs["decisions"]
    assert DecisionBatch.decode(one.data).table.schema.metadata[b"rules"].decode() == book.digest
    [problem] = [one["faults"][0]["problem"] for one in refused(host)]
    assert "Take add_to out" in problem
