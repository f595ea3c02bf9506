"""Who is signed in: random ids in cookies, everything else on the server."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

COOKIE: Final = "ringfence_session"
IDLE_SECONDS: Final = 8 * 3600.0
LONGEST_SECONDS: Final = 24 * 3600.0
_MOST: Final = 10_000


@dataclass(slots=True)
class SignedIn:
    """One browser's visit. `credential` is the key or token it signed in with, None before that."""

    id: str
    credential: bytes | None
    begun: float
    seen: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __repr__(self) -> str:
        return "Session()"  # neither id nor credential reaches a log or a traceback

    def proves(self, token: str) -> bool:
        """Whether a request with this token comes from a page of this session."""
        return hmac.compare_digest(token.encode(), self.csrf.encode())


class Sessions:
    """The sessions of one server; they end with it. Use it on one event loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._sessions: dict[str, SignedIn] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, credential: bytes | None = None) -> SignedIn:
        """A new session under an id that nobody can have known before."""
        now = self._now()
        if len(self._sessions) >= _MOST:
            self._make_room(now)
        session = SignedIn(secrets.token_urlsafe(32), credential, now, now)
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str) -> SignedIn | None:
        """The session of this id, None where there is none or it has ended."""
        session = self._sessions.get(session_id)
        if session is None:
            return None
        now = self._now()
        if now - session.seen > IDLE_SECONDS or now - session.begun > LONGEST_SECONDS:
            del self._sessions[session_id]
            return None
        session.seen = now
        return session

    def end(self, session: SignedIn) -> None:
        """Forget a session."""
        self._sessions.pop(session.id, None)

    def _make_room(self, now: float) -> None:
        """Without those that have ended; if that is not enough, without those seen longest ago."""
        alive = [one for one in self._sessions.values() if now - one.seen <= IDLE_SECONDS]
        alive.sort(key=lambda one: (one.credential is not None, one.seen))
        self._sessions = {one.id: one for one in alive[-_MOST // 2 :]}
