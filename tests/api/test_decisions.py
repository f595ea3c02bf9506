"""One payment over HTTP: durable, once, and the same when asked again."""

import asyncio
import json
import threading
from contextlib import closing
from dataclasses import replace

import msgspec
import pytest
from tests.api.conftest import DEFINITIONS, NDJSON, Api, lines, payment

from ringfence.adapters.lake import Lake, LakeFollower
from ringfence.adapters.sqlite import Store
from ringfence.decisions.index import DecisionQuery
from ringfence.errors import StoreFullError
from ringfence.follow import catch_up
from ringfence.ports import DECISIONS
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.rules import Policy, fit


def test_a_payment_is_decided_and_can_be_read_back(api):
    async def talk(client):
        answer = await client.post("/v1/decisions", json=payment())
        details = (await client.get("/v1/decisions/t1")).json()
        return answer, details

    answer, details = api(talk)
    assert answer.status_code == 200
    assert answer.json()["outcome"] == "approve"
    assert details["decision"] == answer.json()
    assert details["features"]["card.count_1h"] == 1.0
    assert details["transaction"]["amount_minor"] == 1250


def test_an_answered_decision_is_there_after_a_restart_and_a_retry_gives_it(api):
    body = payment()
    first = api(lambda client: client.post("/v1/decisions", json=body))
    again = api(lambda client: client.post("/v1/decisions", json=body))
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content


def test_a_retry_counts_in_no_window(api):
    async def talk(client):
        one, other = payment("a"), payment("b")
        for body in (one, one, one, other):
            await client.post("/v1/decisions", json=body)
        return (await client.get("/v1/decisions/b")).json()

    assert api(talk)["features"]["card.count_1h"] == 2.0


def test_the_same_id_with_other_content_is_a_conflict_that_names_the_fields(api):
    async def talk(client):
        await client.post("/v1/decisions", json=payment(attributes={"basket": 1}))
        other = payment(amount="13.00", card_number="4000000000000002", attributes={"basket": 2})
        return await client.post("/v1/decisions", json=other)

    answer = api(talk)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    fields = answer.json()["fields"]
    assert {"amount_minor", "attributes.basket", "card_id"} <= set(fields)
    assert "4000000000000002" not in answer.text
    assert "13" not in answer.json()["detail"]


def test_concurrent_duplicates_get_one_decision(api):
    async def talk(client):
        body = payment()
        return await asyncio.gather(*(client.post("/v1/decisions", json=body) for _ in range(40)))

    answers = api(talk)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


def test_concurrent_requests_share_steps_and_each_gets_its_own_decision(api):
    async def talk(client):
        bodies = [payment(f"t{number}") for number in range(100)]
        answers = await asyncio.gather(*(client.post("/v1/decisions", json=body) for body in bodies))
        metrics = (await client.get("/metrics")).text
        return answers, metrics

    answers, metrics = api(talk)
    assert [answer.json()["transaction_id"] for answer in answers] == [f"t{number}" for number in range(100)]
    steps = next(line for line in metrics.splitlines() if line.startswith("ringfence_step_records_count"))
    assert float(steps.split()[1]) < 100


def test_one_request_cannot_hide_its_record_in_anothers(api):
    """Bodies that would be one record, or three, if they were read as one text."""

    async def talk(client):
        swallowed = b'{"transaction_id":"q","event_time":1,"amount":1,"attributes":'
        bodies = [b"{}{}{}", swallowed, json.dumps(payment("honest")).encode(), b"}"]
        headers = {"content-type": "application/json"}
        return await asyncio.gather(
            *(client.post("/v1/decisions", content=body, headers=headers) for body in bodies)
        )

    answers = api(talk)
    assert [answer.status_code for answer in answers] == [422, 422, 200, 422]
    assert answers[2].json()["transaction_id"] == "honest"


def test_wrong_fields_are_named_one_by_one(api):
    answer = api(lambda client: client.post("/v1/decisions", json={"amount": "x", "currency": "???"}))
    assert answer.status_code == 422
    found = {(error["field"], error["code"]) for error in answer.json()["errors"]}
    assert ("amount", "unparsable_amount") in found
    assert ("transaction_id", "missing_field") in found


def test_an_event_of_another_kind_is_not_decided(api):
    label = {
        "kind": "label",
        "event_id": "l",
        "transaction_id": "t",
        "event_time": 1709288100000,
        "label": True,
    }
    answer = api(lambda client: client.post("/v1/decisions", json=label))
    assert answer.status_code == 422
    assert "/v1/events" in answer.json()["detail"]


def test_a_batch_has_a_result_for_each_record_and_one_bad_record_harms_no_other(api):
    async def talk(client):
        records = [payment("a"), {"nonsense": 1}, payment("b"), payment("a"), payment("a", amount="99")]
        as_array = await client.post("/v1/decisions/batch", json=records)
        as_lines = await client.post("/v1/decisions/batch", content=lines(records), headers=NDJSON)
        return as_array, as_lines

    as_array, as_lines = api(talk)
    found = [json.loads(line) for line in as_array.text.splitlines()]
    assert [one["status"] for one in found] == [200, 422, 200, 200, 409]
    assert [one["replayed"] for one in found] == [False, False, False, True, False]
    again = [json.loads(line) for line in as_lines.text.splitlines()]
    assert [one["replayed"] for one in again] == [True, False, True, True, False]


def test_a_batch_sent_twice_is_decided_once(api):
    async def talk(client):
        body = lines([payment(f"t{number}") for number in range(5000)])
        first = await client.post("/v1/decisions/batch", content=body, headers=NDJSON)
        second = await client.post("/v1/decisions/batch", content=body, headers=NDJSON)
        return first.text.splitlines(), second.text.splitlines()

    first, second = api(talk)
    assert len(first) == 5000
    assert first[4999].startswith('{"index":4999,"status":200,"replayed":false,')
    assert [line.replace('"replayed":true', '"replayed":false') for line in second] == first


def test_bad_records_are_quarantined_under_the_requests_own_positions(api):
    records = [
        payment("a"),
        {"amount": "4111111111111111"},
        payment("b"),
        {"card_number": "4111111111111111"},
    ]

    async def talk(client):
        await client.post("/v1/decisions/batch", content=lines(records), headers=NDJSON)
        return client.server.session.store.quarantine.records()

    found = api(talk)
    assert sorted(record.position for record in found) == [2, 4]
    assert not any(b"4111111111111111" in record.original for record in found)


class SlowJournal:
    """A store on a disk that takes its time: until `goes_on` is set."""

    def __init__(self, store):
        self.store = store
        self.log = store.log
        self.goes_on = threading.Event()

    def commit(self, *args, **more):
        assert self.goes_on.wait(60)
        self.store.commit(*args, **more)


@pytest.mark.parametrize(("on_failure", "outcome"), [("open", "approve"), ("closed", "review")])
def test_at_the_deadline_the_policy_answers_and_the_payment_still_counts(tmp_path, on_failure, outcome):
    ruleset = msgspec.structs.replace(default_book(), policy=Policy(on_failure=on_failure))
    definitions = replace(DEFINITIONS, rules=fit(ruleset, DEFINITIONS.spec)[0])

    async def talk(client):
        journal = client.server.runner.journal = SlowJournal(client.server.session.store)
        answer = await client.post("/v1/decisions", json=payment())
        journal.goes_on.set()
        while (stored := await client.get("/v1/decisions/t1")).status_code == 404:
            await asyncio.sleep(0.01)
        return answer.json(), stored.json()

    answer, stored = Api(tmp_path, definitions)(talk, deadline_ms=100)
    assert (answer["degraded"], answer["outcome"], answer["offset"]) == (["deadline"], outcome, None)
    assert stored["decision"]["degraded"] == []
    assert stored["features"]["card.count_1h"] == 1.0


def test_beyond_the_queue_requests_are_refused_at_once_and_told_when_to_come_back(api):
    async def talk(client):
        journal = client.server.runner.journal = SlowJournal(client.server.session.store)
        bodies = [payment(f"t{number}") for number in range(30)]
        asked = [asyncio.ensure_future(client.post("/v1/decisions", json=body)) for body in bodies]
        while sum(one.done() for one in asked) < 20:
            await asyncio.sleep(0.01)
        journal.goes_on.set()
        return await asyncio.gather(*asked)

    answers = api(talk, most_waiting=10)
    assert sorted({answer.status_code for answer in answers}) == [200, 503]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) == 20
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].json()["code"] == "overloaded"


def test_when_the_store_fails_nobody_is_told_that_a_payment_passed(api):
    """The state is then ahead of the log, so nothing more is decided until the process begins anew."""

    class FullDisk(SlowJournal):
        def commit(self, *_args, **_more):
            raise StoreFullError("no room left")

    async def talk(client):
        client.server.runner.journal = FullDisk(client.server.session.store)
        answers = [await client.post("/v1/decisions", json=payment(f"t{number}")) for number in range(2)]
        return [*answers, await client.get("/readyz"), await client.get("/healthz")]

    first, second, ready, alive = api(talk)
    assert [first.status_code, second.status_code, ready.status_code] == [503, 503, 503]
    assert alive.status_code == 200
    assert api(lambda client: client.get("/v1/decisions/t0")).status_code == 404


def test_lists_leave_out_what_retention_has_taken(api, tmp_path):
    """The first payment is projected for analysis, then trimmed from the log: pages go on without it."""

    async def ask(client):
        listed = await client.get("/v1/decisions")
        card = await client.get("/v1/entities/merchant/m1")
        return [(answer.status_code, answer.json()) for answer in (listed, card)]

    fields = {"merchant_id": "m1"}
    api(lambda client: client.post("/v1/decisions", json=payment("t1", **fields)))
    api(lambda client: client.post("/v1/decisions", json=payment("t2", **fields)))
    folder = next(tmp_path.rglob("ringfence.db")).parent
    with Store.open(folder) as store:
        catch_up(store.log, LakeFollower(store.log, store.tables), all_of_it=True)  # as a long log would
        assert store.log.trim(DECISIONS, 1) == 1
        with closing(Lake(store)) as lake:
            assert lake.decisions(DecisionQuery(limit=10)).num_rows == 2  # its tables still have the first
    (listed, decisions), (known, merchant) = api(ask)
    assert (listed, known) == (200, 200)
    assert [item["decision"]["transaction_id"] for item in decisions["decisions"]] == ["t2"]
    assert len(merchant["recent"]) == 1
