"""Who may be connected, and for how long: counts of connections, and a look at each of them every second.

Time is counted in beats of one second, so that a request costs no timer and no look at a clock: a connection
notes the beat at which something began, and `look` compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ringfence.api.http.problems import Refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

IDLE, HEAD, BODY, ANSWER, CLOSING = range(5)
"""What a connection waits for: a request, the rest of its head or of its body, our answer, the peer's end."""

BEAT_SECONDS: Final = 1.0
_CLOSING_BEATS: Final = 2
HELD_BYTES: Final = 64 << 20
"""Of bodies that are not whole yet, in all: beyond it the largest of them is refused."""

SLOW_HEAD: Final = Refusal(408, "slow_head", "the request's head did not come in time: send it at once")
SLOW_BODY: Final = Refusal(
    408, "slow_body", "the request's body comes too slowly: send it faster, or in smaller requests"
)
TOO_MANY: Final = Refusal(
    503,
    "too_many_connections",
    "too many connections are open: keep a few and reuse them",
    headers=[(b"retry-after", b"5")],
)
NO_ROOM: Final = Refusal(
    503,
    "too_many_bodies",
    "too many large bodies are under way: try again after the time in Retry-After",
    headers=[(b"retry-after", b"1")],
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Of connections; times in seconds, rates in bytes a second."""

    most: int = 4096  # in all
    most_of_address: int = 1024
    unlimited: Callable[[str], bool] = lambda _address: False  # addresses of proxies, who come for many
    head_bytes: int = 32 << 10
    most_headers: int = 100
    head_seconds: int = 10  # from its first byte to its last, and from connecting to a first request
    idle_seconds: int = 75  # between requests of somebody who is known
    stalled_seconds: int = 10  # without the least progress of a body, or of the peer's reading
    least_rate: int = 16 << 10  # of a body; what comes slower for `stalled_seconds` is refused


class Line(Protocol):
    """One connection, as it is seen from here."""

    address: str
    stage: int
    since: int  # the beat at which the stage began
    received: int  # bytes of the body under way
    seen: int  # of these, how many there were at the latest beat with progress
    held: int  # of these, how many are kept until the rest is there
    unread_since: int | None  # the beat since which the peer has not read what waits for it

    def is_paused(self) -> bool:
        """Whether we ourselves have stopped reading."""
        ...

    def is_closing(self) -> bool:
        """Whether it closes as soon as what waits has been sent."""
        ...

    def turn_away(self, refusal: Refusal) -> None:
        """Answer and close."""
        ...

    def hang_up(self) -> None:
        """Close at once."""
        ...


class Connections:
    """The connections of one server; on the event loop only."""

    def __init__(self, limits: ConnectionLimits, count: Callable[[str], None] = lambda _why: None) -> None:
        """`count` hears of each connection that is closed by a limit, and of which."""
        self.limits = limits
        self.beat = 0
        self.held = 0
        self.count = count
        self._all: set[Line] = set()
        self._of_address: dict[str, int] = {}
        # Who has not shown yet that it is a caller we know, oldest first: room is made at their cost.
        self._strangers: dict[str, dict[Line, None]] = {}
        self._oldest: dict[Line, None] = {}

    def __len__(self) -> int:
        return len(self._all)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at all connections every second from now on."""

        def beat() -> None:
            loop.call_later(BEAT_SECONDS, beat)
            self.look()

        loop.call_later(BEAT_SECONDS, beat)

    def admit(self, line: Line) -> bool:
        """Whether one more may come; an older one, of a peer nobody knows, goes in its place."""
        address, limits = line.address, self.limits
        if len(self._all) >= limits.most:
            self._evict(self._oldest)
        if self._of_address.get(address, 0) >= limits.most_of_address and not limits.unlimited(address):
            self._evict(self._strangers.get(address, {}))
            if self._of_address.get(address, 0) >= limits.most_of_address:
                return False
        if len(self._all) >= limits.most:
            return False
        self._all.add(line)
        self._of_address[address] = self._of_address.get(address, 0) + 1
        self._strangers.setdefault(address, {})[line] = None
        self._oldest[line] = None
        return True

    def know(self, line: Line) -> None:
        """A caller we know has sent a request on it."""
        if self._oldest.pop(line, self) is None:
            of_address = self._strangers[line.address]
            del of_address[line]
            if not of_address:
                del self._strangers[line.address]

    def lose(self, line: Line) -> None:
        """It is closed."""
        if line not in self._all:
            return
        self.know(line)
        self.release(line)
        self._all.discard(line)
        left = self._of_address[line.address] - 1
        if left:
            self._of_address[line.address] = left
        else:
            del self._of_address[line.address]

    def hold(self, line: Line, size: int) -> None:
        """So many bytes more of its body wait for the rest."""
        line.held += size
        self.held += size
        if self.held > HELD_BYTES:
            largest = max(self._all, key=lambda one: one.held)
            self._refuse(largest, NO_ROOM)
            self.release(largest)

    def release(self, line: Line) -> None:
        """Its body waits no longer, whatever became of it."""
        self.held -= line.held
        line.held = 0

    def look(self) -> None:
        """One beat later: close what has had its time."""
        self.beat += 1
        for line in tuple(self._all):
            self._look_at(line)

    def _look_at(self, line: Line) -> None:
        limits, waited = self.limits, self.beat - line.since
        if line.stage == CLOSING:
            if waited > _CLOSING_BEATS:
                line.hang_up()
        elif line.is_closing() or line.unread_since is not None:
            self._look_at_unread(line)
        elif line.stage == IDLE:
            if waited > (limits.head_seconds if line in self._oldest else limits.idle_seconds):
                self.count("idle")
                line.hang_up()
        elif line.stage == HEAD:
            if waited > limits.head_seconds:
                self._refuse(line, SLOW_HEAD)
        elif line.stage == BODY:
            self._look_at_body(line, waited)

    def _look_at_unread(self, line: Line) -> None:
        if line.unread_since is None:
            line.unread_since = self.beat
        elif self.beat - line.unread_since > self.limits.stalled_seconds:
            self.count("unread_answer")
            line.hang_up()

    def _look_at_body(self, line: Line, waited: int) -> None:
        """`since` is the latest beat at which it was quick enough."""
        if line.is_paused() or line.received - line.seen >= self.limits.least_rate * waited:
            line.since, line.seen = self.beat, line.received
        elif waited > self.limits.stalled_seconds:
            self._refuse(line, SLOW_BODY)

    def _evict(self, strangers: dict[Line, None]) -> None:
        for oldest in strangers:
            self.count("evicted")
            self.lose(oldest)
            oldest.hang_up()
            return

    def _refuse(self, line: Line, refusal: Refusal) -> None:
        self.count(refusal.problem.code)
        line.turn_away(refusal)
