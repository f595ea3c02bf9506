"""What a proxy in front says of its caller, where the proxy is one of those that are trusted."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FOR: Final = re.compile(r"(?:^|;)\s*for\s*=\s*(\"[^\"]*\"|[^\s;,\"]+)", re.IGNORECASE)
_NODE: Final = re.compile(r"\[([0-9a-f:.]+)\](?::\w+)?|([0-9.]+)(?::\w+)?|([0-9a-f:]+)", re.IGNORECASE)
_MOST_HOPS: Final = 16
_PROTO: Final = re.compile(r"(?:^|;)\s*proto\s*=\s*\"?([a-z]+)\"?\s*(?:;|$)", re.IGNORECASE)


class Proxies:
    """Addresses and networks of proxies.

    >>> Proxies(["10.0.0.0/8", "::1"]).trust("10.1.2.3"), Proxies([]).trust("127.0.0.1")
    (True, False)
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        """`InputError` for what is neither an address nor a network."""
        try:
            self._networks = [ipaddress.ip_network(one) for one in trusted]
        except ValueError as error:
            raise InputError(
                f"{error}: set RINGFENCE_SERVE_TRUSTED_PROXIES to addresses or networks of the proxies "
                '(["127.0.0.1", "10.0.0.0/24"])'
            ) from None

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trust(self, address: str) -> bool:
        """Whether what comes from there is to be believed."""
        if not self._networks:
            return False
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self._networks)

    def caller_of(self, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
        """Address of whom the nearest proxy took the request from; None where it does not say.

        Where that is one of these proxies as well, its own word counts, and so on: whatever stands before may
        be the caller's.

        >>> proxies = Proxies(["10.0.0.0/8"])
        >>> proxies.caller_of([(b"forwarded", b'for=1.1.1.1, for="[2001:db8::7]:80", for=10.0.0.2')])
        '2001:db8::7'
        >>> proxies.caller_of([(b"x-forwarded-for", b"1.1.1.1, 192.0.2.9")])
        '192.0.2.9'
        >>> proxies.caller_of([(b"forwarded", b"for=_hidden")]) is None
        True
        """
        said = [value for name, value in headers if name == b"forwarded"]
        if said:
            hops = b",".join(said).decode("latin-1").split(",")
            found = [_FOR.search(hop) for hop in hops[-_MOST_HOPS:]]
            nodes = [match[1].strip('"') if match else "" for match in found]
        else:
            said = [value for name, value in headers if name == b"x-forwarded-for"]
            nodes = b",".join(said).decode("latin-1").split(",")[-_MOST_HOPS:]
        caller = None
        for node in reversed(nodes):
            address = _address(node.strip())
            if address is None:
                break
            caller = address
            if not self.trust(address):
                break
        return caller


def _address(node: str) -> str | None:
    """The address in a node's name, without its port, as it is written most shortly."""
    match = _NODE.fullmatch(node)
    try:
        return str(ipaddress.ip_address(next(filter(None, match.groups())))) if match else None
    except ValueError:
        return None


def scheme_of(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """How the caller reached the nearest proxy: `http` or `https`; None where it does not say.

    The last element is the nearest proxy's own word; whatever stands before it may be the caller's.

    >>> scheme_of([(b"forwarded", b"for=1.2.3.4;proto=http, for=10.0.0.1; proto=HTTPS")])
    'https'
    >>> scheme_of([(b"x-forwarded-proto", b"https, http")]), scheme_of([(b"forwarded", b"proto=x")])
    ('http', None)
    """
    said = [value for name, value in headers if name == b"forwarded"]
    if said:
        found = _PROTO.search(said[-1].decode("latin-1").rpartition(",")[2])
        scheme = found[1].lower() if found else None
    else:
        said = [value for name, value in headers if name == b"x-forwarded-proto"]
        scheme = said[-1].decode("latin-1").rpartition(",")[2].strip().lower() if said else None
    return scheme if scheme in ("http", "https") else None
