"""Many requests, one step: whatever waits is decoded, decided and committed together.

    requests ──► queue ──► take (one thread) ──► commit (another) ──► results
                 bounded   decode, decide        one fsync

When nothing is under way a request is taken at once; while a step or a commit runs, the next ones gather. A
result is given only after the commit that made it durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ringfence.api.outcomes import Taken, sort_out
from ringfence.api.problems import overloaded, unavailable
from ringfence.events.activation import is_activation
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.events.batch import EventBatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.api.outcomes import Resolver, Result, Ticket
    from ringfence.api.problems import Refusal
    from ringfence.events.decode import JsonDecoder
    from ringfence.ports import Clock
    from ringfence.runner import Runner, Work

MOST_ROWS: Final = 4096
"""Records of one step, about: more would hold up those who come next."""

_TICK_SECONDS: Final = 0.1  # how long a thread may take to notice that the other has failed
_IN_FLIGHT: Final = 2  # steps that wait for their commit


@dataclass(slots=True, eq=False)
class Order:
    """Events of the server's own making: an activation, which is a batch of its own, or list entries."""

    events: EventBatch
    result: asyncio.Future[list[int]]  # offset of each, -1 where its id came before with other content


class Decider:
    """The only one that touches the runner while the server runs.

    `most_waiting` bounds the records that wait or are under way; beyond it `submit` refuses. `failed` hears
    of the error after which nothing can be decided any more.
    """

    def __init__(
        self,
        runner: Runner,
        decoder: JsonDecoder,
        resolver: Resolver,
        clock: Clock,
        most_waiting: int,
        failed: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        self._runner = runner
        self._decoder = decoder
        self._resolver = resolver
        self._clock = clock
        self._most_waiting = most_waiting
        self._failed = failed
        self._queue: queue.SimpleQueue[Ticket | Order | None] = queue.SimpleQueue()
        self._commits: queue.Queue[tuple[Taken | Order, Work] | None] = queue.Queue(_IN_FLIGHT)
        loops = {"ringfence-take": self._take_loop, "ringfence-commit": self._commit_loop}
        self._threads = [
            threading.Thread(target=self._guarded, args=(loop,), name=name, daemon=True)
            for name, loop in loops.items()
        ]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: set[Ticket | Order] = set()  # without a result yet; belongs to the event loop
        self.failure: BaseException | None = None
        self.waiting = 0  # records that wait or are under way; belongs to the event loop

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to decide; results are given on this loop."""
        self._loop = loop
        for thread in self._threads:
            thread.start()

    def submit(self, ticket: Ticket) -> None:
        """Queue a request; on the event loop. `Refusal` (503) where too much is waiting."""
        if self.failure is not None or self._loop is None:
            raise _cannot_decide()
        if ticket.bounded:
            if self.waiting + len(ticket.lines) > self._most_waiting:
                raise overloaded()
            self.waiting += len(ticket.lines)
        self._open.add(ticket)
        self._queue.put(ticket)

    async def put(self, events: EventBatch) -> list[int]:
        """Take events of the server's own, between two steps; their offsets, once they are durable."""
        if self.failure is not None or self._loop is None:
            raise _cannot_decide()
        order = Order(events, self._loop.create_future())
        self._open.add(order)
        self._queue.put(order)
        return await order.result

    def put_and_wait(self, events: EventBatch) -> list[int]:
        """`put` from another thread than the event loop's."""
        if self._loop is None:
            raise _cannot_decide()
        return asyncio.run_coroutine_threadsafe(self.put(events), self._loop).result()

    def stop(self) -> None:
        """Finish what is queued and return once it is committed."""
        self._queue.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _take_loop(self) -> None:
        done = False
        while not done and self.failure is None:
            tickets, order, done = self._gather()
            if tickets:
                taken = self._decode(tickets)
                self._pass_on((taken, self._runner.take(taken.events, taken.bad)))
            if order is not None:
                act = self._runner.activate if is_activation(order.events) else self._runner.take
                self._pass_on((order, act(order.events)))
        self._pass_on(None)

    def _pass_on(self, pair: tuple[Taken | Order, Work] | None) -> None:
        """To the committing thread, which may be behind, or may have failed."""
        while self.failure is None:
            with contextlib.suppress(queue.Full):
                self._commits.put(pair, timeout=_TICK_SECONDS)
                return

    def _gather(self) -> tuple[list[Ticket], Order | None, bool]:
        """Wait for one request, then take all that are there, up to `MOST_ROWS` records or to an order."""
        tickets: list[Ticket] = []
        rows = 0
        item = self._queue.get()
        while item is not None:
            if isinstance(item, Order):
                return tickets, item, False
            tickets.append(item)
            rows += len(item.lines)
            if rows >= MOST_ROWS:
                return tickets, None, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return tickets, None, False
        return tickets, None, True

    def _decode(self, tickets: list[Ticket]) -> Taken:
        now_ms = self._clock.now_ms()
        lines = [line for ticket in tickets for line in ticket.lines]
        try:
            events, bad = self._decoder.decode_lines(lines, now_ms, "request", 0)
        except Exception:  # noqa: BLE001 (one request must not harm another: each by itself)
            events, bad = self._decode_each(lines, now_ms)
        return sort_out(tickets, events, bad)

    def _decode_each(self, lines: list[bytes], now_ms: int) -> tuple[EventBatch, list[BadRecord]]:
        good: list[EventBatch] = []
        bad: list[BadRecord] = []
        for position, line in enumerate(lines):
            try:
                events, refused = self._decoder.decode_lines([line], now_ms, "request", position)
            except Exception:  # noqa: BLE001 (a record that cannot be read, whatever the way in which it cannot)
                fault = Fault(Reason.MALFORMED, "", "cannot be read: nested too deeply, perhaps")
                bad.append(BadRecord("request", position, (fault,), b""))
            else:
                bad += refused
                good += [events] if len(events) else []
        empty = self._decoder.decode_lines([], now_ms, "request")[0]
        return EventBatch.concat(good or [empty]), bad

    def _commit_loop(self) -> None:
        done = False
        while not done:
            ready = [self._commits.get()]
            while ready[-1] is not None and not self._commits.empty():
                ready.append(self._commits.get_nowait())
            done = ready[-1] is None
            pairs = [pair for pair in ready if pair is not None]
            if pairs:
                self._runner.commit([work for _, work in pairs])
                settled: list[tuple[Ticket, list[Result]]] = []
                for taken, work in pairs:
                    if isinstance(taken, Order):
                        self._on_loop(self._fulfil, (taken, work.admitted.offsets.tolist()))
                    else:
                        settled += zip(taken.tickets, self._resolver.resolve(taken, work), strict=True)
                self._on_loop(self._settle, settled)

    def _fulfil(self, fulfilled: tuple[Order, list[int]]) -> None:
        order, offsets = fulfilled
        self._open.discard(order)
        if not order.result.done():
            order.result.set_result(offsets[-len(order.events) :])

    def _settle(self, settled: list[tuple[Ticket, list[Result]]]) -> None:
        for ticket, results in settled:
            self._open.discard(ticket)
            self.waiting -= len(ticket.lines) if ticket.bounded else 0
            if not ticket.result.done():
                ticket.result.set_result(results)

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:  # noqa: BLE001 (told to whoever runs the server)
            self.failure = error
            self._queue.put(None)  # wakes the other thread
            with contextlib.suppress(queue.Full):
                self._commits.put_nowait(None)
            self._on_loop(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        for ticket in self._open:
            if not ticket.result.done():
                ticket.result.set_exception(_cannot_decide())
        self._open.clear()
        self._failed(error)

    def _on_loop(self, act: Callable[[Any], None], value: Any) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, value)


def _cannot_decide() -> Refusal:
    return unavailable("the server cannot decide at the moment: try again, or look at /readyz")
