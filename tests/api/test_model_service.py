"""The model service keeps its contract, whatever it is sent."""

import asyncio
import gzip
import json
import random

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import artifacts

from ringfence.adapters.artifacts import load_scorer, read_folder
from ringfence.api.model_host.contract import Payment, Reader
from ringfence.api.model_host.service import ModelService
from ringfence.errors import InputError, ScorerError

INPUTS = (
    "attributes.age",
    "customer.profile.location",
    "amount",
    "hour",
    "weekday",
    "attributes.channel_code",
)
PAYMENT = {
    "age": 41,
    "gender_code": 1,
    "subscription_type_code": 0,
    "income_bracket_code": 2,
    "location": 17,
    "tenure_months": 30,
    "event_created_at_ts": 1_709_288_100,
    "transaction_value": 129.5,
    "channel_code": 1,
}


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "m"
    artifacts.make(folder, inputs=INPUTS, arrays=artifacts.grow(len(INPUTS), 3, 20, 9, 50.0))
    return load_scorer(read_folder(folder))


@pytest.fixture(scope="module")
def ask(scorer):
    """ask(body, **more): the service's answer."""
    return asking(ModelService(scorer))


def asking(service):
    transport = httpx.ASGITransport(service.application())

    def one(body, path="/invocations", method="POST", **more):
        async def whole():
            async with httpx.AsyncClient(transport=transport, base_url="http://model.test") as client:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                return await client.request(method, path, content=content, **more)

        return asyncio.run(whole())

    return one


def test_ping_says_that_it_is_healthy(ask, scorer):
    answer = ask(b"", "/ping", "GET")
    assert answer.status_code == 200
    assert answer.headers["x-model-version"] == scorer.digest


def test_a_payment_gets_a_flag_and_a_probability_and_the_version(ask, scorer):
    answer = ask(PAYMENT)
    assert answer.status_code == 200
    assert set(answer.json()) == {"fraud_flag", "fraud_probability"}
    row = [41, 17, 129.5, 10, 4, 1]  # a Friday, 10:15 UTC
    assert answer.json()["fraud_probability"] == scorer.score(np.array([row], np.float64))[0]
    assert answer.headers["x-model-version"] == scorer.digest


def test_many_payments_get_what_each_gets_alone(ask):
    payments = [PAYMENT | {"age": age} for age in range(0, 121, 10)]
    alone = [ask(one).json() for one in payments]
    assert ask({"instances": payments}).json() == {"predictions": alone}
    assert ask({"instances": []}).json() == {"predictions": []}


def test_rows_of_the_models_own_inputs_are_scored_in_any_order_of_columns(ask, scorer):
    rows = [[41, 17, 129.5, 10, 4, None], [None] * 6]
    said = ask({"inputs": list(INPUTS), "rows": rows}).json()
    assert said["model"] == scorer.digest
    assert said["probabilities"] == scorer.score(np.array(rows, np.float64)).tolist()
    turned = {"inputs": list(INPUTS)[::-1], "rows": [row[::-1] for row in rows]}
    assert ask(turned).json() == said


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"age": 121}, "age"),
        ({"age": -1}, "age"),
        ({"age": 30.5}, "age"),
        ({"age": True}, "age"),
        ({"age": None}, "age"),
        ({"gender_code": 3}, "gender_code"),
        ({"subscription_type_code": "1"}, "subscription_type_code"),
        ({"income_bracket_code": -1}, "income_bracket_code"),
        ({"location": -1}, "location"),
        ({"tenure_months": -0.5}, "tenure_months"),
        ({"event_created_at_ts": 1e18}, "event_created_at_ts"),
        ({"event_created_at_ts": "2024"}, "event_created_at_ts"),
        ({"transaction_value": -0.01}, "transaction_value"),
        ({"channel_code": 2}, "channel_code"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_field_out_of_its_range_is_named(ask, change, word):
    answer = ask(PAYMENT | change)
    assert answer.status_code == 422
    assert word in answer.json()["detail"]


def test_a_missing_field_is_named(ask):
    for name in PAYMENT:
        answer = ask({key: value for key, value in PAYMENT.items() if key != name})
        assert (answer.status_code, name in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"age": 1e999}',
        b'{"age": NaN}',
        {"instances": [PAYMENT | {"age": 500}]},
        {"instances": [PAYMENT], "more": 1},
        {"inputs": list(INPUTS), "rows": [[1.0]]},
        {"inputs": ["amount"], "rows": [[1.0]]},
        {"inputs": list(INPUTS)},
        {"rows": []},
        json.dumps(PAYMENT)[:-1].encode() + b', "age": 18, "age": 99}',
    ],
)
def test_what_is_no_request_is_422(ask, body):
    answer = ask(body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_may_be_packed_and_has_a_limit(ask):
    packed = gzip.compress(json.dumps(PAYMENT).encode())
    assert ask(packed, headers={"content-encoding": "gzip"}).status_code == 200
    assert ask(gzip.compress(b" " * (7 << 20)), headers={"content-encoding": "gzip"}).status_code == 413
    assert ask(b"{}", headers={"content-encoding": "br"}).status_code == 415


@pytest.mark.parametrize(("threshold", "flag"), [(0.0, True), (1.0, False)])
def test_the_threshold_decides_the_flag(scorer, threshold, flag):
    said = asking(ModelService(scorer, threshold))(PAYMENT).json()
    assert said["fraud_flag"] is flag


def test_a_threshold_that_is_no_probability_is_refused(scorer):
    with pytest.raises(InputError, match="THRESHOLD is a probability"):
        ModelService(scorer, 5.0)


def test_with_a_key_only_those_who_send_it_are_answered(scorer):
    guarded = asking(ModelService(scorer, key="secret"))
    assert guarded(PAYMENT).status_code == 401
    assert guarded(PAYMENT, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert guarded(PAYMENT, headers={"authorization": "Bearer secret"}).status_code == 200
    assert guarded(b"", "/ping", "GET").status_code == 200


class Broken:
    """A model that fails when it is asked."""

    def __init__(self, scorer, says=None):
        self.digest, self.inputs, self.zone, self.says = scorer.digest, scorer.inputs, scorer.zone, says

    def score(self, inputs):
        if self.says is None:
            raise ScorerError("the graph failed")
        return np.full(len(inputs), self.says)


@pytest.mark.parametrize("says", [None, np.nan, 1.5])
def test_a_model_that_gives_no_score_is_400_and_never_a_number(scorer, says):
    answer = asking(ModelService(Broken(scorer, says)))(PAYMENT)
    assert answer.status_code == 400
    assert answer.json()["code"] == "no_score"


def test_a_model_with_other_inputs_takes_rows_and_says_so(tmp_path):
    artifacts.make(tmp_path / "m")
    service = ModelService(load_scorer(read_folder(tmp_path / "m")))
    assert not service.takes_payments
    answer = asking(service)(PAYMENT)
    assert answer.status_code == 422
    assert "card.count_1h" in answer.json()["detail"]
    rows = {"inputs": list(artifacts.INPUTS), "rows": [[1, 2, 3]]}
    assert asking(service)(rows).status_code == 200


def test_hours_are_those_of_the_models_zone():
    payment = Payment(**PAYMENT)
    assert Reader(["hour", "weekday"], "Pacific/Auckland")([payment]).tolist() == [[23, 4]]
    assert Reader(["cents"], "UTC")([payment]).tolist() == [[50]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*PAYMENT, "instances", "rows", "inputs", "other"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=st.dictionaries(FIELDS, JSON, max_size=3))
def test_whatever_stands_in_the_fields_it_answers_within_the_contract(ask, change):
    answer = ask(PAYMENT | change)
    assert answer.status_code in (200, 422)
    if answer.status_code == 200 and "fraud_probability" in answer.json():
        assert 0 <= answer.json()["fraud_probability"] <= 1


def test_random_bytes_are_never_an_error_of_the_server(ask):
    chance = random.Random(1)
    whole = json.dumps(PAYMENT).encode()
    for _ in range(300):
        body = bytearray(chance.randbytes(chance.randrange(60)) if chance.random() < 0.3 else whole)
        for _ in range(chance.randrange(1, 4)):
            if body:
                body[chance.randrange(len(body))] = chance.randrange(256)
        assert ask(bytes(body)).status_code in (200, 422)
