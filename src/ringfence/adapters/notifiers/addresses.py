"""Which machines a message may reach: none of our own networks, unless they are named."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")  # IPv4 behind NAT64
_NEVER_PUBLIC: Final = (
    ipaddress.ip_network("64:ff9b:1::/48"),  # NAT64 of one's own, by any prefix within
    ipaddress.ip_network("::/96"),  # IPv4-compatible, deprecated
)


class PrivateAddressError(Exception):
    """A name leads to a private address that is not allowed."""


def networks(texts: Iterable[str]) -> list[Network]:
    """Networks that are allowed; `InputError` names what is none.

    >>> networks(["10.1.0.0/16", "127.0.0.1"])
    [IPv4Network('10.1.0.0/16'), IPv4Network('127.0.0.1/32')]
    """
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise InputError(
                f"webhook_networks: {text[:60]!r} is no address and no network: {error}"
            ) from None
    return found


def resolve(host: str, port: int, allowed: Sequence[Network]) -> str:
    """The address to connect to, looked up once.

    `PrivateAddressError` where one of the host's addresses is private and not allowed, `OSError` where there
    are none.
    """
    found = [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for text in found:
        address = ipaddress.ip_address(str(text).partition("%")[0])
        if not may_be_reached(address, allowed):
            at = "is" if host == str(address) else f"is at {address},"
            raise PrivateAddressError(f"{host} {at} a private address")
    return str(found[0])


def may_be_reached(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether an address is public or in a network that is allowed.

    >>> may_be_reached(ipaddress.ip_address("::ffff:10.1.2.3"), networks(["10.1.0.0/16"]))
    True
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
    if any(address in network for network in allowed):
        return True
    if any(address in network for network in _NEVER_PUBLIC):
        return False
    return address.is_global and not address.is_multicast
