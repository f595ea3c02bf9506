"""Keeps a library that opens connections of its own away from private addresses, at the socket.

An address that was checked when it was written proves little: its name may lead elsewhere the next time, and
an answer may redirect. Python tells its audit hooks of every connection before it is made, and a hook that
raises prevents it.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.notifiers.addresses import PrivateAddressError, may_be_reached, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.adapters.notifiers.addresses import Network

_CONNECTING: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_INTERNET: Final = frozenset({socket.AF_INET, socket.AF_INET6})


class ConnectionGuard:
    """What one block may reach. `refused` says why connections were refused, in their order."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self.refused: list[str] = []

    def check(self, opened: socket.socket, address: Any) -> None:
        """`PermissionError`, as of a firewall, where a socket may not go there."""
        try:
            self._check(opened.family, address)
        except PrivateAddressError as error:
            self.refused.append(str(error))
            raise PermissionError(errno.EACCES, str(error)) from None

    def _check(self, family: int, address: Any) -> None:
        if family not in _INTERNET:
            raise PrivateAddressError("a socket of this machine is a private address")
        host, port = str(address[0]), int(address[1])
        try:
            found = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            resolve(host, port, self._allowed)  # the system looks it up once more, by itself
            return
        if not may_be_reached(found, self._allowed):
            raise PrivateAddressError(f"{found} is a private address")


_GUARD: Final = ContextVar[ConnectionGuard | None]("ringfence_connection_guard", default=None)


@contextmanager
def guarded(allowed: Sequence[Network]) -> Iterator[ConnectionGuard]:
    """Refuse connections to private addresses that are not allowed, wherever the block's context is."""
    _watch()
    guard = ConnectionGuard(allowed)
    token = _GUARD.set(guard)
    try:
        yield guard
    finally:
        _GUARD.reset(token)


@cache
def _watch() -> None:
    """Begin to listen, once a process: nobody can take a hook away again."""
    sys.addaudithook(_hear)


def _hear(event: str, told: tuple[Any, ...]) -> None:
    if event in _CONNECTING:
        guard = _GUARD.get()
        if guard is not None and told[1] is not None:  # None: a datagram to whom it is connected
            guard.check(told[0], told[1])
