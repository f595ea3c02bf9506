"""Routes are read when somebody asks for them, and each asks first who may."""

import asyncio
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query

from ringfence.api.http.lazy_routes import LazyRoute, add_routes


class Asked:
    """An application of one route, and what its requests have passed."""

    def __init__(self):
        self.passed = []
        router = APIRouter(route_class=LazyRoute)

        @router.get("/double")
        async def double(number: Annotated[int, Query(le=10)]) -> int:
            self.passed.append("route")
            return 2 * number

        async def permitted() -> None:
            self.passed.append("permitted")

        self.router, self.permitted = router, permitted
        self.route = router.routes[0]

    def app(self):
        made = FastAPI(openapi_url=None)
        add_routes(made, [self.router], self.permitted)
        return made


def answers(app, *asked):
    async def whole():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.request(*one) for one in asked]

    return asyncio.run(whole())


def test_parameters_are_read_at_the_first_request_that_is_for_the_route():
    asked = Asked()
    app = asked.app()
    assert [one.status_code for one in answers(app, ("GET", "/none"), ("POST", "/double"))] == [404, 405]
    assert "dependant" not in vars(asked.route)
    found = answers(app, ("GET", "/double?number=4"), ("GET", "/double?number=11"))
    assert [one.status_code for one in found] == [200, 422]
    assert found[0].json() == 8
    assert "dependant" in vars(asked.route)


def test_each_request_passes_the_question_first_in_every_application():
    asked = Asked()
    for app in (asked.app(), asked.app()):
        answers(app, ("GET", "/double?number=4"))
    assert asked.passed == ["permitted", "route"] * 2


def test_a_route_of_no_application_answers_nobody_until_it_belongs_to_one():
    asked = Asked()
    with pytest.raises(AssertionError, match="/double belongs to no application"):
        _ = asked.route.app
    assert [one.status_code for one in answers(asked.app(), ("GET", "/double?number=4"))] == [200]
    assert asked.passed == ["permitted", "route"]


def test_only_lazy_routes_are_taken():
    other = APIRouter()
    other.add_api_route("/eager", lambda: None)
    with pytest.raises(AssertionError, match="no lazy route"):
        add_routes(FastAPI(openapi_url=None), [other], Asked().permitted)
