"""Who is signed in: random ids in cookies, everything else on the server."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.masking import lettered

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.access.principal import Principal

COOKIE: Final = "ringfence_session"
IDLE_SECONDS: Final = 8 * 3600.0
LONGEST_SECONDS: Final = 24 * 3600.0
_MOST: Final = 10_000


class ShownSession(msgspec.Struct, frozen=True):
    """What may be told of a session. `id` names it and opens nothing; the seconds are those since then."""

    id: str
    caller: str
    person: str
    roles: list[str]
    way: str  # "key" for a key or token, "provider" for a sign-in at an OpenID provider
    address: str
    age_seconds: float
    idle_seconds: float


@dataclass(slots=True)
class SignedIn:
    """One browser's visit.

    Attributes:
        credential: the key or token it signed in with; None before that, and after a sign-in at a provider.
        caller: who signed in, with the roles of that moment.
        until: when it ends at the latest, on the clock of `Sessions`.
    """

    id: str
    credential: bytes | None
    begun: float
    seen: float
    caller: Principal | None = None
    person: str = ""
    address: str = ""
    until: float = float("inf")
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __repr__(self) -> str:
        return "Session()"  # neither id nor credential reaches a log or a traceback

    @property
    def shown_id(self) -> str:
        """Names it in lists; nobody gets in with it."""
        return lettered(blake2b(self.id.encode(), digest_size=6).hexdigest())

    def proves(self, token: str) -> bool:
        """Whether a request with this token comes from a page of this session."""
        return hmac.compare_digest(token.encode(), self.csrf.encode())

    def is_still(self, caller: Principal | None) -> bool:
        """Whether somebody may do what they might at the sign-in, no more and no less."""
        if caller is None or self.caller is None:
            return caller is self.caller
        return (caller.name, caller.roles, caller.restriction) == (
            self.caller.name,
            self.caller.roles,
            self.caller.restriction,
        )


class Sessions:
    """The sessions of one server; they end with it. Use it on one event loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._sessions: dict[str, SignedIn] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(
        self,
        credential: bytes | None = None,
        caller: Principal | None = None,
        *,
        person: str = "",
        address: str = "",
        seconds: float = LONGEST_SECONDS,
    ) -> SignedIn:
        """A new session under an id that nobody can have known before; it lives so many seconds at most."""
        now = self._now()
        if len(self._sessions) >= _MOST:
            self._make_room(now)
        session = SignedIn(
            secrets.token_urlsafe(32), credential, now, now, caller, person, address, now + seconds
        )
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str) -> SignedIn | None:
        """The session of this id, None where there is none or it has ended."""
        session = self._sessions.get(session_id)
        if session is None:
            return None
        now = self._now()
        if not self._lives(session, now):
            del self._sessions[session_id]
            return None
        session.seen = now
        return session

    def end(self, session: SignedIn) -> None:
        """Forget a session."""
        self._sessions.pop(session.id, None)

    def shown(self) -> list[ShownSession]:
        """Everybody who is signed in, the latest seen first."""
        now = self._now()
        found = [one for one in self._sessions.values() if one.caller is not None and self._lives(one, now)]
        return [
            ShownSession(
                one.shown_id,
                one.caller.name,
                one.person,
                sorted(one.caller.roles),
                "provider" if one.credential is None else "key",
                one.address,
                round(now - one.begun, 1),
                round(now - one.seen, 1),
            )
            for one in sorted(found, key=lambda one: -one.seen)
            if one.caller is not None
        ]

    def end_shown(self, shown_id: str) -> str | None:
        """End the session of this id; whose it was, None where there is none."""
        for one in self._sessions.values():
            if one.caller is not None and hmac.compare_digest(one.shown_id.encode(), shown_id.encode()):
                self.end(one)
                return one.caller.name
        return None

    @staticmethod
    def _lives(session: SignedIn, now: float) -> bool:
        return now - session.seen <= IDLE_SECONDS and now < session.until

    def _make_room(self, now: float) -> None:
        """Without those that have ended; if that is not enough, without those seen longest ago."""
        alive = [one for one in self._sessions.values() if now - one.seen <= IDLE_SECONDS]
        alive.sort(key=lambda one: (one.caller is not None, one.seen))
        self._sessions = {one.id: one for one in alive[-_MOST // 2 :]}
