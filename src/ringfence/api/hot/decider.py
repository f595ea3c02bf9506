"""Many requests, one step: whatever waits is decoded, decided and committed together.

    requests ──► line ──► take (the event loop) ──► commit (a thread) ──► results
                 bounded  decode, decide            one fsync

When nothing is under way a request is taken at once; while a step or a commit runs, the next ones gather. A
result is given only after the commit that made it durable.

A step of a few requests runs on the event loop itself. Beside it, on another thread, every read and write of
a socket would have to wait for the interpreter's lock, which such a step holds nearly all the time. A step
that waits for a model elsewhere holds nothing, and runs on a thread.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ringfence.api.hot.orders import Arrived, Look, Order, cannot_decide, give_up, keep
from ringfence.api.hot.outcomes import Ticket, sort_out
from ringfence.api.hot.portions import Portions
from ringfence.api.hot.shares import Shares
from ringfence.api.hot.steps import TakenStep
from ringfence.api.hot.waiting import RightOfWay, next_small, next_whole
from ringfence.api.http.problems import unavailable
from ringfence.ports.tracing import StageSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ringfence.api.hot.decoding import Decoding
    from ringfence.api.hot.gate import Gate
    from ringfence.api.hot.outcomes import Resolver, Result
    from ringfence.events.batch import EventBatch
    from ringfence.ports import Clock
    from ringfence.ports.tracing import Tracing
    from ringfence.runner import Arrival, Runner

T = TypeVar("T")
_PATIENCE_SECONDS: Final = 30.0  # with an event loop that may never come to it
_WHOLE_IN_FLIGHT: Final = 2
"""Large steps without a commit: one is decided while the other is written, unless single payments come."""


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
        tracing: Tracing | None = None,
    ) -> None:
        self._runner = runner
        self._decoding = decoding
        self._resolver = resolver
        self._clock = clock
        self._failed = failed
        self._observe, self._tracing = observe, tracing
        self.failure: BaseException | None = None
        self.gate = gate
        self.portions, self.shares = Portions(), Shares()
        self._loop: asyncio.AbstractEventLoop | None = None
        # What follows belongs to the event loop.
        self._open: set[Ticket | Order | Look] = set()  # without a result yet
        self._line: deque[Ticket] = deque()
        self._whole: deque[Ticket | Order | Look] = deque()  # steps of their own, on a thread of their own
        self._aside, self._turns = False, RightOfWay()  # whether such a step is under way, whose turn it is
        self._uncommitted = 0
        self._committed: deque[tuple[TakenStep, list[Ticket], list[Sequence[Result]]]] = deque()  # to answer
        self._woken = self._stopping = False
        self._finished: asyncio.Event = asyncio.Event()
        self._threads = ThreadPoolExecutor(1, "ringfence-take")
        self._commits: queue.SimpleQueue[TakenStep | None] = queue.SimpleQueue()
        self._committing = threading.Thread(target=self._commit_loop, name="ringfence-commit", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to decide; results are given on this loop."""
        self._loop = loop
        self._committing.start()
        self._wake()

    @property
    def waiting(self) -> int:
        """Records asked for one by one that wait or are under way."""
        return self.gate.waiting

    def lets_nobody_in(self, caller: str = "") -> bool:
        """Whether a further payment of a caller is to be refused unread; on the event loop.

        Under overload hundreds are, between two looks at what else is due: so it is looked here too. Whoever
        was let in goes on while others are refused, but those who come next get their turn with the next
        reading of all sockets, or the many would wait for their refusals behind the few.
        """
        gate = self.gate
        if not gate.is_shut:
            if self._loop is None or not gate.refuses(1, now := perf_counter(), caller):
                return False
            gate.shut(now)
            self._loop.call_soon(self._open_up)
        elif gate.spares(1, caller):
            return False
        if self._committed or (self._line and not (self._uncommitted or self._aside)):
            begin = perf_counter()
            if self._committed:
                self._settle_all(None)
            else:
                self._step()
            gate.went_on(perf_counter() - begin)
        return True

    def _open_up(self) -> None:
        self.gate.open(perf_counter())

    def submit(self, ticket: Ticket) -> None:
        """Queue a request; on the event loop. `Refusal` (503) where too much is waiting."""
        self._at_work()
        now = perf_counter()
        ticket.since = ticket.since or now
        if ticket.bounded:
            self.portions.heard(now)
            self.shares.paid(ticket.caller, now)
            self.gate.check(len(ticket.lines), now, ticket.caller)
            self.gate.enter(ticket, now)
        self._open.add(ticket)
        if ticket.prepared is None:
            self._line.append(ticket)
        else:
            self._whole.append(ticket)
        self._wake()

    def ask(self, lines: Sequence[bytes], source: str, **more: Any) -> asyncio.Future[Sequence[Result]]:
        """Submit records (`more` as in `Ticket`); the promise of a result for each."""
        future: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self.submit(Ticket(lines, source, partial(keep, future), partial(give_up, future), **more))
        return future

    async def look(self, ask: Callable[[], T]) -> T:
        """What `ask`, which must change nothing, answers between two steps; its errors."""
        look = Look(ask, self._at_work().create_future())
        self._open.add(look)
        self._whole.append(look)
        self._wake()
        found: T = await look.result
        return found

    async def put(self, events: EventBatch) -> list[int]:
        """Take events of the server's own, between two steps; their offsets, once they are durable."""
        return await self._ordered(Order(events, self._at_work().create_future()))

    async def take_in(self, arrival: Arrival) -> None:
        """Decide records of a stream in a step of their own; returns once they are durable."""
        await self._ordered(Arrived(arrival.events, self._at_work().create_future(), arrival))

    def _at_work(self) -> asyncio.AbstractEventLoop:
        """The loop on which it decides; `Refusal` (503) where it does not."""
        if self.failure is not None or self._loop is None or self._stopping:
            raise cannot_decide()
        return self._loop

    async def _ordered(self, order: Order) -> list[int]:
        self._open.add(order)
        self._whole.append(order)
        self._wake()
        return await order.result

    def put_and_wait(self, events: EventBatch) -> list[int]:
        """`put` from another thread than the event loop's, which may have been ended by force meanwhile."""
        return self.wait(
            self.put(events),
            "the change was not confirmed in time: look whether it is in force before you try again",
        )

    def look_and_wait(self, ask: Callable[[], T]) -> T:
        """`look` from another thread than the event loop's; never from one that a step waits for."""
        return self.wait(self.look(ask), "the server is too busy to look at its state: try again")

    def wait(self, asked: Coroutine[Any, Any, T], late: str) -> T:
        """An answer of the event loop, on another thread; `Refusal` (503, `late`) where it never comes."""
        if self._loop is None or self._loop.is_closed():
            asked.close()
            raise cannot_decide()
        promise = asyncio.run_coroutine_threadsafe(asked, self._loop)
        try:
            return promise.result(_PATIENCE_SECONDS)
        except (TimeoutError, CancelledError):
            promise.cancel()
            raise unavailable(late) from None

    async def stop(self) -> None:
        """Finish what is queued and return once it is committed; on the event loop."""
        self._stopping = True
        self._wake()
        if self._loop is not None:
            await self._finished.wait()
            self._commits.put(None)
            await asyncio.to_thread(self._committing.join)
        self._threads.shutdown()

    def _wake(self) -> None:
        """Have a look at the line, once all that can be read by now has been read."""
        if not self._woken and self._loop is not None:
            self._woken = True
            self._loop.call_soon(self._step)

    def _step(self) -> None:
        self._woken = False
        if self.failure is not None:
            self._finished.set()
        elif self._aside or self._uncommitted >= self._most_in_flight():
            return
        elif self._whole and (not self._line or self._turns.large_is_due):
            self._aside = True
            item = next_whole(self._whole, self.shares, perf_counter())
            if isinstance(item, Look):
                self._threads.submit(self._look_aside, item)
            else:
                self._threads.submit(self._take_aside, item if isinstance(item, Order) else [item])
        elif self._uncommitted:
            return
        elif self._line:
            if self._runner.pipeline.models.waits:
                self._aside = True
                self._threads.submit(self._take_aside, next_small(self._line))
            else:
                self._take_together(next_small(self._line))
        elif self._stopping:
            self._finished.set()

    def _most_in_flight(self) -> int:  # a payment that comes now waits for all of them
        return 1 if self.portions.hears(perf_counter()) else _WHOLE_IN_FLIGHT

    def _take_together(self, tickets: list[Ticket]) -> None:
        try:
            step = self._take(tickets)
            step.writing = self._runner.encode([step.work])  # here, where it need not share the interpreter
        except BaseException as error:  # noqa: BLE001 (told to whoever runs the server)
            self._fail(error)
        else:
            self._hand_over(step)

    def _look_aside(self, look: Look) -> None:
        """On the thread of whole steps."""
        try:
            found = look.ask()
        except Exception as error:  # noqa: BLE001 (for whoever asked)
            self._on_loop(self._looked, (look, None, error))
        else:
            self._on_loop(self._looked, (look, found, None))

    def _looked(self, told: tuple[Look, Any, Exception | None]) -> None:
        look, found, error = told
        self._aside = False
        self._turns.took_large(0.0)
        self._open.discard(look)
        if look.result.done():
            pass  # whoever asked has gone
        elif error is None:
            look.result.set_result(found)
        else:
            look.result.set_exception(error)
        self._wake()

    def _take_aside(self, asked: list[Ticket] | Order) -> None:
        """On the thread of whole steps."""
        begin = perf_counter()
        try:
            if isinstance(asked, Order):
                work = asked.work(self._runner)
                step = TakenStep(asked, work, stages=[StageSpan("decide", begin, perf_counter())])
            else:
                step = self._take(asked)
                step.seconds = perf_counter() - begin
        except BaseException as error:  # noqa: BLE001 (told to whoever runs the server)
            self._on_loop(self._fail, error)
        else:
            self._on_loop(self._taken_aside, step)

    def _taken_aside(self, step: TakenStep) -> None:
        self._aside = False
        self._hand_over(step)
        self._wake()

    def _hand_over(self, step: TakenStep) -> None:
        self._uncommitted += 1
        self._commits.put(step)

    def _take(self, tickets: list[Ticket]) -> TakenStep:
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
        decided = perf_counter()
        self._observe("decide", decided - decoded)
        stages = [StageSpan("decode", begin, decoded), StageSpan("decide", decoded, decided)]
        return TakenStep(taken, work, stages=stages)

    def _commit_loop(self) -> None:
        try:
            while (step := self._commits.get()) is not None:
                self._commit(step)
        except BaseException as error:  # noqa: BLE001 (told to whoever runs the server)
            self._on_loop(self._fail, error)

    def _commit(self, step: TakenStep) -> None:
        begin = perf_counter()
        self._runner.write(step.writing or self._runner.encode([step.work]))
        committed = perf_counter()
        self._observe("commit", committed - begin)
        step.stages.append(StageSpan("commit", begin, committed))
        if step.is_large:
            self._on_loop(self._over, step)
        if isinstance(step.asked, Order):
            if isinstance(step.asked, Arrived):
                self._resolver.remember(step.work)
            admitted = step.work.admitted
            self._on_loop(self._fulfil, (step.asked, admitted.offsets[admitted.own].tolist()))
            step.tell(self._tracing)
            return
        if step.asked.tickets[0].prepared is not None:
            step.seconds += committed - begin
            self.portions.took(len(step.asked.slots), step.seconds)
        self._committed.append((step, step.asked.tickets, self._resolver.resolve(step.asked, step.work)))
        self._on_loop(self._settle_all, None)
        self._observe("answer", perf_counter() - committed)
        step.tell(self._tracing)  # when it keeps nobody waiting

    def _over(self, step: TakenStep) -> None:
        """It is durable: no step need wait for it, nor for the answers of a large one."""
        self._uncommitted -= 1
        if step.is_large:
            self._turns.took_large(step.took)
        else:
            self._turns.took_small(step.took)
        self._wake()

    def _fulfil(self, fulfilled: tuple[Order, list[int]]) -> None:
        order, offsets = fulfilled
        self._open.discard(order)
        if not order.result.done():
            order.result.set_result(offsets)
        self._wake()

    def _settle_all(self, _nothing: None) -> None:
        while self._committed:
            self._settle(*self._committed.popleft())

    def _settle(self, step: TakenStep, tickets: list[Ticket], answered: list[Sequence[Result]]) -> None:
        if not step.is_large:
            self._over(step)
        else:
            self.shares.spend(tickets[0].caller, step.seconds, perf_counter())
        if tickets[0].bounded:
            self.gate.served(self.gate.clock(perf_counter()) - tickets[0].entered)
        for ticket, results in zip(tickets, answered, strict=True):
            self._open.discard(ticket)
            if ticket.bounded:
                self.gate.leave(ticket)
            if not ticket.answered:
                ticket.answered = True
                ticket.give(results)
        self._wake()

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        for waiting in self._open:
            if isinstance(waiting, Order | Look):
                give_up(waiting.result, cannot_decide())
            elif not waiting.answered:
                waiting.answered = True
                waiting.refuse(cannot_decide())
        self._open.clear()
        self._finished.set()
        self._failed(error)

    def _on_loop(self, act: Callable[[Any], None], value: Any) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, value)
