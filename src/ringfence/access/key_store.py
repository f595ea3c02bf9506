"""Where API keys are kept: a port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ringfence.access.restriction import EVERYTHING, Restriction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.access.keys import ApiKey
    from ringfence.access.principal import Principal
    from ringfence.access.roles import Role


class KeyStore(Protocol):
    """The keys of one installation. Any thread may ask; other processes may change them meanwhile.

    No text of a key is kept, only what recognises it: a stolen store lets nobody in.
    """

    def create(
        self,
        name: str,
        roles: frozenset[Role],
        now_ms: int,
        *,
        rate: float = 0.0,
        burst: float = 0.0,
        restriction: Restriction = EVERYTHING,
        made_by: Sequence[str] = (),
    ) -> str:
        """A new key, whole (`rf_ID_SECRET`): this is the only time that it can be seen.

        `made_by` are who makes it, who made their key, and so on; `InputError` where those are too many.
        """
        ...

    def change(self, key_id: str, roles: frozenset[Role], restriction: Restriction) -> None:
        """What a key permits from now on; `InputError` where there is none in force."""
        ...

    def revoke(self, key_id: str, now_ms: int) -> None:
        """From now on nobody gets in with this key; `InputError` where there is none."""
        ...

    def all(self) -> list[ApiKey]:
        """Every key there has been, oldest first."""
        ...

    def person(self, author: str | None) -> str:
        """Name of the key that signs as `key:ID`; any other author as it is, None as no text."""
        ...

    def recognise(self, token: str) -> Principal | None:
        """Who holds this key; None for a key that is unknown, revoked or no key at all."""
        ...

    def version(self) -> int:
        """A number that changes whenever anybody has changed a key; cheap enough for every request."""
        ...

    def close(self) -> None:
        """Release everything. Closing twice is allowed."""
        ...
