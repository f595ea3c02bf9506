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
from collections import deque
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from ringfence.api.outcomes import Taken, Ticket, sort_out
from ringfence.api.problems import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.api.decoding import Decoding
    from ringfence.api.gate import Gate
    from ringfence.api.outcomes import Resolver, Result
    from ringfence.api.problems import Refusal
    from ringfence.events.batch import EventBatch
    from ringfence.ports import Clock
    from ringfence.runner import Runner, Work

MOST_ROWS: Final = 4096
"""Records of one step, about: more would hold up those who come next."""

_TICK_SECONDS: Final = 0.1  # how long a thread may take to notice that the other has failed
_IN_FLIGHT: Final = 1  # steps that wait for their commit: more would be smaller ones, and each costs the same


@dataclass(slots=True, eq=False)
class Order:
    """Events of the server's own making: an activation, which is a batch of its own, or list entries."""

    events: EventBatch
    result: asyncio.Future[list[int]]  # offset of each, -1 where its id came before with other content


class Decider:
    """The only one that touches the runner while the server runs.

    `gate` says who may wait. `observe` hears the seconds of each stage of a step. `failed` hears of the error
    after which nothing can be decided any more.
    """

    def __init__(
        self,
        runner: Runner,
        decoding: Decoding,
        resolver: Resolver,
        clock: Clock,
        gate: Gate,
        observe: Callable[[str, float], None] = lambda _stage, _seconds: None,
        failed: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        self._runner = runner
        self._decoding = decoding
        self._resolver = resolver
        self._clock = clock
        self._failed = failed
        self._observe = observe
        self._queue: queue.SimpleQueue[Ticket | Order | None] = queue.SimpleQueue()
        self._whole: deque[Ticket | Order] = deque()  # steps of their own; belongs to the taking thread
        self._was_whole = False
        self._stopping = False
        self._commits: queue.SimpleQueue[tuple[Taken | Order, Work] | None] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[None] = (
            queue.SimpleQueue()
        )  # one entry for each step that may be decided
        for _ in range(_IN_FLIGHT):
            self._free.put(None)
        loops = {"ringfence-take": self._take_loop, "ringfence-commit": self._commit_loop}
        self._threads = [
            threading.Thread(target=self._guarded, args=(loop,), name=name, daemon=True)
            for name, loop in loops.items()
        ]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: set[Ticket | Order] = set()  # without a result yet; belongs to the event loop
        self.failure: BaseException | None = None
        self.gate = gate

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to decide; results are given on this loop."""
        self._loop = loop
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Records asked for one by one that wait or are under way."""
        return self.gate.waiting

    def submit(self, ticket: Ticket) -> None:
        """Queue a request; on the event loop. `Refusal` (503) where too much is waiting."""
        if self.failure is not None or self._loop is None:
            raise _cannot_decide()
        ticket.since = perf_counter()
        if ticket.bounded:
            self.gate.check(len(ticket.lines), ticket.since)
            self.gate.enter(ticket)
        self._open.add(ticket)
        self._queue.put(ticket)

    def ask(self, lines: Sequence[bytes], source: str, **more: Any) -> asyncio.Future[list[Result]]:
        """Submit records (`more` as in `Ticket`); the promise of a result for each."""
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self.submit(Ticket(lines, source, partial(_keep, future), partial(_break, future), **more))
        return future

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
        while self._may_go_on():  # first: what comes meanwhile shares the step
            found = self._next()
            if found is None:
                break
            pair = self._take_order(found) if isinstance(found, Order) else self._take(found)
            self._commits.put(pair)
        self._commits.put(None)

    def _may_go_on(self) -> bool:
        """Wait until the committing thread, which may be behind or may have failed, is near enough."""
        while self.failure is None:
            with contextlib.suppress(queue.Empty):
                self._free.get(timeout=_TICK_SECONDS)
                return True
        return False

    def _take_order(self, order: Order) -> tuple[Order, Work]:
        return order, self._runner.put(order.events)

    def _take(self, tickets: list[Ticket]) -> tuple[Taken, Work]:
        begin = perf_counter()
        self._observe("wait", begin - tickets[0].since)
        prepared = tickets[0].prepared
        if prepared is None:
            lines = [line for ticket in tickets for line in ticket.lines]
            prepared = self._decoding(lines, self._clock.now_ms())
        taken = sort_out(tickets, *prepared)
        decoded = perf_counter()
        self._observe("decode", decoded - begin)
        work = self._runner.take(taken.events, taken.bad)
        self._observe("decide", perf_counter() - decoded)
        return taken, work

    def _next(self) -> list[Ticket] | Order | None:
        """What the next step takes: all requests that wait, or something that is a step of its own, in turns.

        Waits where there is neither; None at the end.
        """
        if self._whole and not self._was_whole:
            self._was_whole = True
            return self._whole_step()
        self._was_whole = False
        tickets: list[Ticket] = []
        rows = 0
        while rows < MOST_ROWS and not self._stopping:
            try:
                item = self._queue.get(block=not (tickets or self._whole))
            except queue.Empty:
                break
            if item is None:
                self._stopping = True
            elif isinstance(item, Order) or item.prepared is not None:
                self._whole.append(item)
            else:
                tickets.append(item)
                rows += len(item.lines)
        return tickets or (self._whole_step() if self._whole else None)

    def _whole_step(self) -> list[Ticket] | Order:
        item = self._whole.popleft()
        return item if isinstance(item, Order) else [item]

    def _commit_loop(self) -> None:
        done = False
        while not done:
            ready = [self._commits.get()]
            while ready[-1] is not None and not self._commits.empty():
                ready.append(self._commits.get_nowait())
            done = ready[-1] is None
            pairs = [pair for pair in ready if pair is not None]
            if pairs:
                self._commit(pairs)

    def _commit(self, pairs: list[tuple[Taken | Order, Work]]) -> None:
        begin = perf_counter()
        self._runner.commit([work for _, work in pairs])
        committed = perf_counter()
        self._observe("commit", committed - begin)
        for _ in pairs:
            self._free.put(None)
        settled: list[tuple[Ticket, list[Result]]] = []
        for taken, work in pairs:
            if isinstance(taken, Order):
                self._on_loop(self._fulfil, (taken, work.admitted.offsets.tolist()))
            else:
                settled += zip(taken.tickets, self._resolver.resolve(taken, work), strict=True)
        self._on_loop(self._settle, settled)
        self._observe("answer", perf_counter() - committed)

    def _fulfil(self, fulfilled: tuple[Order, list[int]]) -> None:
        order, offsets = fulfilled
        self._open.discard(order)
        if not order.result.done():
            order.result.set_result(offsets[-len(order.events) :])

    def _settle(self, settled: list[tuple[Ticket, list[Result]]]) -> None:
        for ticket, results in settled:
            self._open.discard(ticket)
            if ticket.bounded:
                self.gate.leave(ticket)
            if not ticket.answered:
                ticket.answered = True
                ticket.give(results)

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:  # noqa: BLE001 (told to whoever runs the server)
            self.failure = error
            self._queue.put(None)  # wakes the other thread
            self._commits.put(None)
            self._on_loop(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        for waiting in self._open:
            if isinstance(waiting, Order):
                _break(waiting.result, _cannot_decide())
            elif not waiting.answered:
                waiting.answered = True
                waiting.refuse(_cannot_decide())
        self._open.clear()
        self._failed(error)

    def _on_loop(self, act: Callable[[Any], None], value: Any) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, value)


def _keep(promise: asyncio.Future[Any], value: Any) -> None:
    if not promise.done():
        promise.set_result(value)


def _break(promise: asyncio.Future[Any], refusal: Refusal) -> None:
    if not promise.done():
        promise.set_exception(refusal)


def _cannot_decide() -> Refusal:
    return unavailable("the server cannot decide at the moment: try again, or look at /readyz")
