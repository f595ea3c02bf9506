"""A server's socket: told, served until told to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvicorn

from ringfence.api.http.sockets import listen, url_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from ringfence.api.http.connections import Connections


class Listener(uvicorn.Server):
    """A uvicorn that tells where it listens once it does, and that it is about to stop.

    At its end it waits for open requests: `ending` is the moment to end those that would go on for ever.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        connections: Connections,
        told: Callable[[str], None],
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._connections = connections
        self._told = told
        self._ending = ending

    def run_on(self, sockets: Sequence[socket.socket]) -> None:
        """Serve on bound sockets until told to stop. `InputError` where one of them is another's by now."""
        listen(sockets, self.config.backlog)
        self.run(list(sockets))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._connections.start(asyncio.get_running_loop())
            self._told(url_of(self.servers[0].sockets[0].getsockname()[:2]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)
