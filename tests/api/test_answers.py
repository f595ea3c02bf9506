"""What a caller is told, row by row: the short way writes what the struct says."""

import time

import msgspec
import numpy as np
import pytest
from benchmarks.api_load import payments

from ringfence.api.hot.answers import Answers, DecisionAnswer
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.decisions.decision import DecisionBatch
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.pipeline import Pipeline


@pytest.fixture(scope="module")
def decisions():
    """Decisions of which many have reasons and some have none."""
    definitions = load_definitions(None, None)
    ruleset = definitions.rules.ruleset
    now_ms = time.time_ns() // 1_000_000
    decoder, pipeline = JsonDecoder(Tokenizer(bytes(32))), Pipeline(definitions.spec, definitions.rules)
    for number in range(12):
        lines = payments(200, f'a\\"{number}\\u00e9', seed=number, people=400)
        events, bad = decoder.decode_lines(lines, now_ms + 10**6, "test")
        assert not bad
        batch = pipeline.step(events, now_ms).decisions
    return batch, ruleset


def test_every_answer_is_the_encoding_of_its_struct(decisions):
    batch, ruleset = decisions
    bodies = Answers({ruleset.digest: ruleset}.get).encode(batch)
    told = [msgspec.json.decode(body, type=DecisionAnswer) for body in bodies]
    assert [msgspec.json.encode(one) for one in told] == bodies
    assert [one.transaction_id for one in told] == batch.table.column("transaction_id").to_pylist()
    explained = [[(why.code, why.analyst, why.customer) for why in one.explain(ruleset)] for one in batch]
    assert [[(why.code, why.analyst, why.customer) for why in one.reasons] for one in told] == explained
    assert [[why.rule for why in one.reasons] for one in told] == batch.table.column("rules").to_pylist()
    assert [one.typologies for one in told] == [
        dict(zip(names, scores, strict=True))
        for names, scores in zip(
            batch.table.column("typologies").to_pylist(),
            batch.table.column("typology_scores").to_pylist(),
            strict=True,
        )
    ]
    fired = np.array([bool(one.reasons) for one in told])
    assert fired.any()
    assert not fired.all()


def test_without_its_rule_set_an_answer_still_has_the_codes(decisions):
    batch, _ = decisions
    told = [msgspec.json.decode(body) for body in Answers(lambda _digest: None).encode(batch)]
    assert [[why["code"] for why in one["reasons"]] for one in told] == batch.table.column(
        "reasons"
    ).to_pylist()


def test_an_answer_given_again_is_the_same_to_the_byte(decisions):
    batch, ruleset = decisions
    answers = Answers({ruleset.digest: ruleset}.get)
    assert [answers.encode_one(batch, row) for row in range(len(batch))] == answers.encode(batch)


def test_many_answers_at_once_are_the_same_bytes_as_one_by_one(decisions, monkeypatch):
    batch, ruleset = decisions
    for rules in ({ruleset.digest: ruleset}.get, lambda _digest: None):
        answers = Answers(rules)
        monkeypatch.setattr("ringfence.api.hot.answers._MANY", len(batch) + 1)
        one_by_one = answers.encode(batch)
        assert isinstance(one_by_one, list)
        monkeypatch.setattr("ringfence.api.hot.answers._MANY", 1)
        assert list(answers.encode(batch)) == one_by_one
        part = DecisionBatch(batch.table.slice(17, 100))
        assert list(answers.encode(part)) == one_by_one[17:117]
