"""A server's socket: bound, told, served until told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


class Listener(uvicorn.Server):
    """A uvicorn that tells where it listens once it does, and that it is about to stop.

    At its end it waits for open requests: `ending` is the moment to end those that would go on for ever.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        told: Callable[[str], None],
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._told = told
        self._ending = ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._told(f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)
