"""Routes whose parameters FastAPI reads at their first request: of all at once, a start would wait for them.

`include_router` would read them once more for each application. Here an application gets the very routes.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.routing import compile_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastapi import APIRouter, FastAPI

_READING: Final = RLock()


class LazyRoute(APIRoute):
    """A route that can be matched at once, and gets all else when something of that is asked for."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self._options = options
        self._asked_first: Callable[..., Any] | None = None
        self.path, self.endpoint = path, endpoint
        self.methods = {method.upper() for method in options.get("methods") or ("GET",)}
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)

    def ask_first(self, question: Callable[..., Any]) -> None:
        """Have this dependency before all others; the same one in every application."""
        assert self._asked_first in (None, question)
        self._asked_first = question

    def __getattr__(self, name: str) -> Any:
        with _READING:
            if "_options" in self.__dict__:
                assert self._asked_first is not None, f"{self.path} belongs to no application"
                options = self.__dict__.pop("_options")
                options["dependencies"] = [Depends(self._asked_first), *options.get("dependencies", ())]
                super().__init__(self.path, self.endpoint, **options)
        return self.__getattribute__(name)


def add_routes(app: FastAPI, routers: Iterable[APIRouter], permitted: Callable[..., Any]) -> None:
    """Give an application the routes of these routers, of `LazyRoute`, each behind `permitted`."""
    for router in routers:
        for route in router.routes:
            assert isinstance(route, LazyRoute), f"{route} is no lazy route"
            route.ask_first(permitted)
            app.router.routes.append(route)
