"""What is malformed is told in words: no answer shows a pattern."""

import json

import httpx
import pytest
from fastapi.routing import APIRoute

from ringfence.api.handlers.wording import FORMS
from ringfence.web.site import PAGES

WRONG = {
    "/v1/cases/17": "give the id of a case, such as C-17",
    "/v1/cases?queue=High%20value": "queue: give small letters",
    "/v1/cases?entity=nobody": "entity: give a kind of entity and its id, such as customer:c-17",
    "/v1/rules/versions/NONE!": "give a version of the rules",
    "/v1/decisions?cursor=1": "cursor: give the cursor of the page before, unchanged",
    "/v1/entities/planet/x": "give one of card,",
    "/v1/rules/backtest/x": "give the id of a backtest",
    "/v1/graph/ring/planet/x": "give one of card,",
}
BODIES = {
    "/v1/privacy/reveal": (
        {"token": "anna", "reason": "a request"},
        "token: give a token as answers have it",
    ),
    "/v1/cases/C-1": (
        {"action": "merge", "version": 1, "other": "17", "other_version": 1},
        "other: give the id of a case, such as C-17",
    ),
    "/v1/views": (
        {"name": "mine", "path": "//elsewhere", "query": ""},
        "path: give the path of a page",
    ),
    "/v1/lists/entries": (
        {"list": " x", "kind": "block", "entries": [{"entity_id": "a", "entity_type": "card"}]},
        "give the name of a list",
    ),
}


_DAY = "^20(0[0-9]|1[0-9]|2[0-5])-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_TIME = "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-]0[0-9]:00)$"
OF_EVENTS = {"^[2-6][0-9]{12,18}$", "^[0-9]{1,7}$", _DAY + _TIME}
"""Of fields of events, whose reading has words of its own."""


def patterns(told):
    """Every `pattern` of a document."""
    if isinstance(told, dict):
        yield from (value for name, value in told.items() if name == "pattern" and isinstance(value, str))
        told = list(told.values())
    if isinstance(told, list):
        for one in told:
            yield from patterns(one)


def of_pages():
    routes = [one for module in PAGES for one in module.router.routes if isinstance(one, APIRoute)]
    for route in routes:
        found = route.dependant
        for one in (*found.path_params, *found.query_params, *found.body_params):
            yield from (rule.pattern for rule in one.field_info.metadata if getattr(rule, "pattern", None))


def is_plain(text):
    return not any(sign in text for sign in ("match pattern", "regex", "[0-9", "x00"))


def test_each_pattern_has_words(site):
    told = json.loads(httpx.get(f"{site.url}/openapi.json", timeout=60).content)
    known = set(FORMS)
    found = {one for one in patterns(told) if one.startswith("^")} - OF_EVENTS
    assert len(found) > 10
    assert found - known == set()
    shown = set(of_pages())
    assert len(shown) > 10
    assert shown - known == set()


@pytest.mark.parametrize("path", WRONG)
def test_a_malformed_parameter_is_told_in_words(site, path):
    answer = httpx.get(site.url + path, timeout=60)
    assert answer.status_code in (404, 422)
    assert WRONG[path] in answer.json()["detail"]
    assert is_plain(answer.text)


@pytest.mark.parametrize("path", BODIES)
def test_a_malformed_field_is_told_in_words(site, path):
    body, said = BODIES[path]
    answer = httpx.post(site.url + path, json=body, timeout=60)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert is_plain(answer.text)


@pytest.mark.parametrize("path", ["/cases/17", "/entities/planet/x", "/rule/a%20b", "/cases?queue=A"])
def test_a_malformed_address_of_a_page_is_told_in_words(site, path):
    answer = httpx.get(site.url + path, timeout=60)
    assert answer.status_code == 422
    assert "give " in answer.text.partition("<main")[2].lower()
    assert is_plain(answer.text.partition("<main")[2])
