"""The document says what the server does: cases drawn from it surprise neither side."""

import pytest

from benchmarks import contract
from ringfence.access.roles import Role


def named(told, key):
    """Every value of this name in a document."""
    if isinstance(told, dict):
        yield from (value for name, value in told.items() if name == key and isinstance(value, str))
        told = list(told.values())
    if isinstance(told, list):
        for one in told:
            yield from named(one, key)


def test_whatever_the_document_refers_to_is_in_it(api):
    document = api(lambda client: client.get("/openapi.json")).json()
    described = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(named(document, "$ref")) - described == set()


def test_no_two_schemas_share_a_name(api):
    """Those that do are told apart by their paths in the code, which generated clients would repeat."""
    document = api(lambda client: client.get("/openapi.json")).json()
    assert [name for name in document["components"]["schemas"] if not name.isalnum()] == []


def test_every_route_is_described_with_its_errors(api):
    document = api(lambda client: client.get("/openapi.json")).json()
    assert set(document["paths"]) == {
        "/v1/decisions",
        "/v1/decisions/batch",
        "/v1/decisions/{transaction_id}",
        "/v1/events",
        "/v1/events/batch",
        "/v1/entities/{entity_type}/{entity_id}",
        "/v1/stream",
        "/v1/rules",
        "/v1/decisions/{transaction_id}/explanation",
        "/v1/rules/backtest",
        "/v1/rules/backtest/{job_id}",
        "/v1/rules/backtest/{job_id}/stop",
        "/v1/rules/check",
        "/v1/rules/impact",
        "/v1/rules/shadow",
        "/v1/rules/versions",
        "/v1/rules/versions/{digest}",
        "/v1/rules/versions/{digest}/approve",
        "/v1/rules/versions/{digest}/reject",
        "/v1/rules/versions/{digest}/activate",
        "/v1/rules/rollback",
        "/v1/rules/modes/{rule_id}",
        "/v1/views",
        "/v1/views/{view_id}/remove",
        "/v1/approvals",
        "/v1/approvals/{request_id}/approve",
        "/v1/approvals/{request_id}/decline",
        "/v1/sessions",
        "/v1/sessions/{session_id}/end",
        "/v1/keys",
        "/v1/keys/{key_id}",
        "/v1/keys/{key_id}/revoke",
        "/v1/models",
        "/v1/models/{version}/impact",
        "/v1/models/{version}/promotion",
        "/v1/models/{version}/retirement",
        "/v1/drift",
        "/v1/lists",
        "/v1/lists/entries",
        "/v1/lists/audit",
        "/v1/lists/removals",
        "/v1/lists/import",
        "/v1/audit",
        "/v1/audit/head",
        "/v1/privacy/reveal",
        "/v1/privacy/find",
        "/v1/privacy/export",
        "/v1/privacy/erase",
        "/v1/bus",
        "/v1/bus/test",
        "/v1/bus/subscriptions",
        "/v1/bus/subscriptions/{name}/pause",
        "/v1/bus/subscriptions/{name}/resume",
        "/v1/bus/subscriptions/{name}/remove",
        "/v1/bus/destinations/{destination}/enable",
        "/v1/bus/destinations/{destination}/rotate",
        "/v1/outbox",
        "/v1/outbox/retry",
        "/v1/outbox/purge",
        "/v1/events/stream",
        "/slack/actions",
        "/v1/quarantine/replay",
        "/v1/alerts",
        "/v1/alerts/{alert_id}/acknowledge",
        "/v1/alerts/mutes",
        "/v1/alerts/mutes/removals",
        "/v1/cases",
        "/v1/cases/queues",
        "/v1/cases/next",
        "/v1/cases/bulk",
        "/v1/cases/{case_id}",
        "/v1/graph/rings",
        "/v1/graph/ring/{entity_type}/{entity_id}",
        "/v1/graph/neighbours/{entity_type}/{entity_id}",
        "/v1/cases/{case_id}/report",
        "/v1/cases/{case_id}/files",
        "/v1/cases/{case_id}/files/{sha256}",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    decide = document["paths"]["/v1/decisions"]["post"]
    promised = [200, 400, 401, 403, 408, 409, 413, 415, 421, 422, 429, 431, 503]
    assert sorted(map(int, decide["responses"])) == promised
    assert "example" in decide["requestBody"]["content"]["application/json"]


@pytest.mark.slow
def test_cases_drawn_from_the_document_get_what_it_promises(tmp_path):
    """A few a route; `python -m benchmarks.contract` draws thousands."""
    code, report, served = contract.run(tmp_path, examples=4, phases="examples,fuzzing")
    assert served == 0
    assert code == 0, report[-4000:]


@pytest.mark.slow
def test_a_key_that_may_little_gets_what_the_document_promises(tmp_path):
    code, report, served = contract.run(tmp_path, examples=1, phases="examples,fuzzing", role=Role.VIEWER)
    assert served == 0
    assert code == 0, report[-4000:]
    assert "returned only 401/403 responses" in report
