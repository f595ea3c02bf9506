"""Whose request it is: by which the room for payments, batches and streams is divided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ringfence.access.principal import LOCAL
from ringfence.api.http.sockets import network_of

if TYPE_CHECKING:
    from ringfence.access.principal import Principal


def name_of(caller: Principal, address: str) -> str:
    """A caller's name; where nobody is asked for a key, the network of the address it asks from.

    >>> name_of(LOCAL, "2001:db8::1"), name_of(LOCAL, "10.0.0.1")
    ('2001:db8::/64', '10.0.0.1')
    """
    return network_of(address) if caller is LOCAL else caller.name


def owner_of(scope: Any) -> str:
    """The same of a request that its caller has been found for."""
    client = scope.get("client")
    return name_of(scope["ringfence.caller"], client[0] if client else "")
