"""Forms that are refused: the page comes again, with what was filled in and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request  # noqa: TC002 (FastAPI reads the annotation)

from ringfence.api.handlers.wording import of_parameter
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.errors import InputError
from ringfence.masking import mask_cards
from ringfence.web.parts.asking import PERMITTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from starlette.responses import Response

    PageAgain = Callable[[Request, int, dict[str, str]], Awaitable[Response]]

_FAILED: Final = 500


def kept_forms(again: PageAgain) -> type[LazyRoute]:
    """Routes of a page whose forms are refused on that page.

    `again` gives it for a request, the status of the refusal, and what is wrong by field: "" for all of it.
    Who may not send the form does not get the page, which shows more; neither does who gets 5xx, after which
    the change may still happen.
    """

    class KeptForms(LazyRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer = super().get_route_handler()

            async def kept(request: Request) -> Response:
                try:
                    return await answer(request)
                except (RequestValidationError, Refusal, InputError) as error:
                    if request.method != "POST" or not request.scope.get(PERMITTED):
                        raise
                    if isinstance(error, Refusal) and error.status >= _FAILED:
                        raise
                    return await again(request, *_told(error))

            return kept

    return KeptForms


def at_head(wrong: Mapping[str, str]) -> str:
    """What is wrong as lines for the head of a page, each with the name of its field.

    >>> at_head({"hours": "This is missing.", "": "there is no alert 'x'"}).splitlines()
    ['hours: This is missing.', "there is no alert 'x'"]
    """
    return "\n".join(f"{name}: {text}" if name else text for name, text in wrong.items())


async def typed(request: Request, *names: str) -> dict[str, str]:
    """What a form had in these fields, as it was filled in; card numbers are masked."""
    form = await request.form()
    return {name: mask_cards(value) for name in names if isinstance(value := form.get(name), str)}


def _told(error: RequestValidationError | Refusal | InputError) -> tuple[int, dict[str, str]]:
    if isinstance(error, Refusal):
        return error.status, {"": error.problem.detail}
    if isinstance(error, InputError):
        return 422, {"": str(error)}
    return 422, {str(one["loc"][-1]): _of_field(one) for one in reversed(error.errors())}


def _of_field(error: Mapping[str, Any]) -> str:
    return "This is missing." if error["type"] == "missing" else of_parameter(error)
