"""Forms that are refused: the page comes again, with what was filled in and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request  # noqa: TC002 (FastAPI reads the annotation)

from ringfence.api.handlers.wording import of_parameter
from ringfence.api.http.problems import Refusal
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from starlette.responses import Response

    PageAgain = Callable[[Request, int, dict[str, str]], Awaitable[Response]]


def kept_forms(again: PageAgain) -> type[APIRoute]:
    """Routes of a page whose forms are refused on that page.

    `again` gives it for a request, the status of the refusal, and what is wrong by field: "" for all of it.
    """

    class KeptForms(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer = super().get_route_handler()

            async def kept(request: Request) -> Response:
                try:
                    return await answer(request)
                except (RequestValidationError, Refusal, InputError) as error:
                    if request.method != "POST":
                        raise
                    return await again(request, *_told(error))

            return kept

    return KeptForms


async def typed(request: Request, *names: str) -> dict[str, str]:
    """What a form had in these fields, as it was filled in."""
    form = await request.form()
    return {name: value for name in names if isinstance(value := form.get(name), str)}


def _told(error: RequestValidationError | Refusal | InputError) -> tuple[int, dict[str, str]]:
    if isinstance(error, Refusal):
        return error.status, {"": error.problem.detail}
    if isinstance(error, InputError):
        return 422, {"": str(error)}
    return 422, {str(one["loc"][-1]): _of_field(one) for one in reversed(error.errors())}


def _of_field(error: Mapping[str, Any]) -> str:
    return "This is missing." if error["type"] == "missing" else of_parameter(error)
