"""Where a server listens, and how many connections there is room for."""

from __future__ import annotations

import errno
import os
import resource
import socket
from contextlib import contextmanager
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OF_STORE: Final = 256
"""Descriptors that stay free for files, whoever connects."""

_FEWEST: Final = 8
_BACKLOG: Final = 1024


class Room(NamedTuple):
    """Connections that may be open, and that may wait to be taken."""

    connections: int
    backlog: int


def room(wanted: int, allowed: int, in_use: int) -> Room:
    """What fits into the descriptors that are allowed: all that wait may come in one moment.

    >>> room(4096, allowed=65536, in_use=40), room(4096, allowed=1024, in_use=40)
    (Room(connections=4096, backlog=1024), Room(connections=546, backlog=182))
    """
    left = max(0, allowed - in_use - _OF_STORE)
    backlog = max(_FEWEST, min(_BACKLOG, left // 4))
    return Room(max(_FEWEST, min(wanted, left - backlog)), backlog)


def make_room(wanted: int) -> Room:
    """Raise this process's limit of descriptors as far as is needed and allowed; what fits."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 64  # noqa: PTH112, PTH208 (no paths)
    needed = in_use + _OF_STORE + wanted + _BACKLOG
    if allowed < needed:
        raised = needed if most == resource.RLIM_INFINITY else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, most))
        allowed = raised
    return room(wanted, allowed, in_use)


@contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets that have an address of a host's each; port 0 takes a free one. `InputError` with the remedy.

    They do not listen yet: whoever comes before `listen` is refused, as by a server that is not there.
    """
    made: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            made.append(_bind(family, (address, made[0].getsockname()[1] if made else port)))
        yield made
    finally:
        for one in made:
            one.close()


def listen(sockets: Sequence[socket.socket], backlog: int) -> None:
    """Let others connect; `InputError` where another program was faster."""
    for one in sockets:
        try:
            one.listen(backlog)
        except OSError as error:
            raise _cannot(error, *one.getsockname()[:2]) from None


def url_of(address: tuple[str, int]) -> str:
    """What a browser is told.

    >>> url_of(("127.0.0.1", 8000)), url_of(("::1", 8000))
    ('http://127.0.0.1:8000', 'http://[::1]:8000')
    """
    host, port = address
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def network_of(address: str) -> str:
    """Who counts as one peer: an IPv4 address, the 64 bits of an IPv6 network.

    >>> network_of("10.0.0.1"), network_of("2001:db8::1"), network_of("::ffff:10.0.0.1")
    ('10.0.0.1', '2001:db8::/64', '10.0.0.1')
    """
    if ":" not in address:
        return address
    whole = IPv6Address(address.partition("%")[0])
    if whole.ipv4_mapped is not None:
        return str(whole.ipv4_mapped)
    return f"{IPv6Address(int(whole) >> 64 << 64)}/64"


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(
            f"{host!r} is no address of this machine ({error}): listen on 127.0.0.1, or on 0.0.0.0 for all"
        ) from None
    every = {str(address[0]): family for family, _, _, _, address in found}
    plain = [address for address, family in every.items() if family == socket.AF_INET]
    return [(every[address], address) for address in plain or every]  # a name may stand for both kinds


def _bind(family: socket.AddressFamily, address: tuple[str, int]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        raise _cannot(error, *address) from None
    return made


def _cannot(error: OSError, host: str, port: int) -> InputError:
    if error.errno == errno.EADDRINUSE:
        return InputError(
            f"port {port} of {host} is taken by another program: stop that one, or choose another port "
            "with --port (--port 0 takes a free one)"
        )
    if error.errno == errno.EACCES:
        return InputError(
            f"port {port} needs rights that this user has not: choose one above 1023 with --port"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return InputError(
            f"{host} is no address of this machine: listen on 127.0.0.1, or on 0.0.0.0 for all of them"
        )
    return InputError(f"cannot listen on {host}, port {port} ({error.strerror}): choose another with --port")
