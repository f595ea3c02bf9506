"""`ringfence simulate`: payments of a world that does not exist, as history or as live traffic."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer

from ringfence.cli.backends.server_keys import KEY_VARIABLES
from ringfence.cli.setup.sinks import format_of, open_file
from ringfence.cli.setup.topic_traffic import topics
from ringfence.cli.setup.traffic import Traffic
from ringfence.cli.terminal import options, screen
from ringfence.compose.clock import now_ms
from ringfence.compose.streams import is_stream
from ringfence.errors import InputError
from ringfence.simulate import SCHEMA, START_MS, TRUTH_SCHEMA, Disorder, World
from ringfence.simulate.flagged_accounts import FLAGS, TRANSACTIONS, flagged_accounts, interleaved
from ringfence.simulate.micro_macro import SCHEMA as MICRO_MACRO
from ringfence.simulate.micro_macro import micro_macro

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Write = Callable[[pa.RecordBatch], None]

EXIT_INTERRUPTED = 130
_SLICES_A_SECOND = 20
_SCHEMAS: Final = {"canonical": SCHEMA, "flagged-accounts": TRANSACTIONS, "micro-macro": MICRO_MACRO}


def simulate(
    out: Annotated[
        str | None,
        typer.Argument(
            help="File to write (.parquet, .ndjson or .csv; .gz or .zst packs the last two), or - for "
            "standard output.",
            metavar="[OUT]",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Send the events to this server instead, or to topics: kafka://BROKER:9092/TOPIC[,TOPIC].",
            metavar="URL",
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Number of days. [default: 30; unlimited with --rate]", min=1)
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Events per second. [default: as fast as possible]", min=0.01)
    ] = None,
    customers: Annotated[int, typer.Option(help="Number of customers.", min=20)] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same world.", min=0)] = 1,
    start: Annotated[str, typer.Option(help="The world's first day.", metavar="DATE")] = "2025-01-01",
    first_day: Annotated[
        int,
        typer.Option(
            help="Start the output with this day; earlier days are simulated but not written.", min=0
        ),
    ] = 0,
    since: Annotated[
        str | None,
        typer.Option(
            help="Start the output at this time; what happens before is simulated but not written. "
            "UTC unless a zone is named.",
            metavar="TIME",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="End the output before this time.", metavar="TIME")
    ] = None,
    fraud: Annotated[
        float, typer.Option(help="Share of payments that are fraudulent.", min=0.0, max=0.2)
    ] = 0.006,
    late: Annotated[float, typer.Option(help="Share of events that arrive late.", min=0.0, max=1.0)] = 0.0,
    duplicates: Annotated[
        float, typer.Option(help="Share of events that arrive twice.", min=0.0, max=1.0)
    ] = 0.0,
    outages: Annotated[
        float, typer.Option(help="Number of outages of a city's tills per month.", min=0.0, max=30.0)
    ] = 0.0,
    schema: Annotated[
        Literal["canonical", "flagged-accounts", "micro-macro"],
        typer.Option(help="Mapping with which `ringfence run` reads the file."),
    ] = "canonical",
    truth: Annotated[
        Path | None,
        typer.Option(help="Write which payments are fraud, and of what kind, here.", metavar="FILE.parquet"),
    ] = None,
    flags: Annotated[
        str | None,
        typer.Option(help="Write the flags of `flagged-accounts` to a separate file.", metavar="FILE"),
    ] = None,
    batch: Annotated[
        int, typer.Option(help="Maximum number of payments per request to --to.", min=1, max=10_000)
    ] = 1,
    connections: Annotated[
        int,
        typer.Option(help="Number of connections for --to; a customer's events share one.", min=1, max=256),
    ] = 8,
    key: Annotated[
        str | None, typer.Option(help="Key of the server.", envvar=KEY_VARIABLES, show_default=False)
    ] = None,
) -> None:
    """Simulate payments: customers with habits, merchants, nine kinds of fraud, and labels that arrive late.

    A day is made at a time, so memory does not grow with the days. With --rate it is live traffic: on and on
    until Ctrl-C, and never ahead of the clock. Nothing in the events tells fraud; --truth does.

    To a server it keeps its pace while answers are slow, tries again what got none or was put off (503), and
    tells in the end which rate it reached and how long answers took.

    Example: ringfence simulate payments.parquet --days 30
    """
    _check(out, to, schema, truth, flags)
    span = _Span(options.parse_time_ms(since, "--since"), options.parse_time_ms(until, "--until"))
    if schema != "canonical" and span != _Span():
        raise InputError("--since and --until go with schema canonical: others start with --first-day")
    days = days if days is not None or rate is not None else 30
    begins_ms = options.parse_time_ms(start, "--start") or START_MS
    parts: Iterator[DayPart]
    if schema == "micro-macro":
        parts = (DayPart([rows]) for rows in micro_macro(days, seed, begins_ms, first_day))
    else:
        disorder = Disorder(late, duplicates, outages)
        world = World(seed, customers, start_ms=begins_ms, fraud_rate=fraud, disorder=disorder)
        if schema == "canonical":
            made = world.days(days, first_day)
            parts = _within(span, (DayPart([day.events], day.truth) for day in made))
        else:
            parts = _flagged(flagged_accounts(world, days, seed, first_day), apart=flags is not None)
    with ExitStack() as stack:
        traffic, write = None, None
        if to is not None and is_stream(to):
            write = stack.enter_context(topics(to, schema))
        elif to is not None:
            traffic = stack.enter_context(Traffic(to, key, connections, batch))
            write = traffic.send
        outlets = Outlets(
            write or stack.enter_context(open_file(out or "-", _SCHEMAS[schema])),
            stack.enter_context(open_file(str(truth), TRUTH_SCHEMA)) if truth else None,
            stack.enter_context(open_file(flags, FLAGS)) if flags else None,
        )
        tell = stack.enter_context(screen.progress("simulating"))
        account = _Account(traffic, tell, rate, days)
        ended = _write(parts, outlets, account)
    screen.say(account.said(to.partition("?")[0] if to else str(out)))
    if traffic:
        screen.say(f"{traffic.said}; {traffic.latency}")
    if not ended:
        raise typer.Exit(EXIT_INTERRUPTED)


class DayPart(NamedTuple):
    """What a day gives: events in order, and what is written apart."""

    events: list[pa.RecordBatch]
    truth: pa.RecordBatch | None = None
    flags: pa.RecordBatch | None = None


class _Span(NamedTuple):
    """From when to when events are written; the end itself is not."""

    since_ms: int | None = None
    until_ms: int | None = None


class Outlets(NamedTuple):
    """Where each goes."""

    events: Write
    truth: Write | None
    flags: Write | None


@dataclass(slots=True)
class _Account:
    """How far it is, and what is said in the end."""

    traffic: Traffic | None
    tell: screen.Tell
    rate: float | None
    days: int | None
    events: int = 0
    day: int = 0
    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    begin: float = field(init=False)

    def __post_init__(self) -> None:
        self.begin = self.clock()

    def add(self, events: int) -> None:
        """So many more went out; with a rate, wait until their time has come."""
        self.events += events
        told = self.traffic.said if self.traffic else f"{self.events:,} events"
        self.tell(self.day, self.days, told)
        if self.rate is not None:
            self.sleep(max(self.begin + self.events / self.rate - self.clock(), 0.0))

    def said(self, where: str) -> str:
        """Everything in one line."""
        seconds = self.clock() - self.begin
        pace = f"in {seconds:.1f} s ({self.events / max(seconds, 1e-9):,.0f}/s)"
        if self.traffic is None:
            return f"{self.events:,} events written to {'standard output' if where == '-' else where} {pace}"
        asked = "" if self.rate is None else f", {self.rate:,.6g}/s asked for"
        return f"{self.events:,} events sent to {where} {pace[:-1]}{asked})"


def _write(parts: Iterator[DayPart], outlets: Outlets, account: _Account) -> bool:
    """False when it was interrupted; what has been written is whole."""
    step = None if account.rate is None else max(1, round(account.rate / _SLICES_A_SECOND))
    try:
        for part in parts:
            account.day += 1
            for batch in part.events:
                for begin in range(0, len(batch), step or max(len(batch), 1)):
                    piece = batch.slice(begin, step)
                    _wait_for_the_clock(piece, account)
                    outlets.events(piece)
                    account.add(len(piece))
            for rows, write in ((part.truth, outlets.truth), (part.flags, outlets.flags)):
                if rows is not None and write is not None:
                    write(rows)
    except KeyboardInterrupt:
        if account.traffic:
            account.traffic.drop()
        return False
    return True


def _within(span: _Span, days: Iterator[DayPart]) -> Iterator[DayPart]:
    """Of each day what lies within the span; none of the days behind it."""
    if span == _Span():
        yield from days
        return
    for (events,), truth, _ in days:
        times_ms = events.column("event_time").cast(pa.int64()).to_numpy()
        late = times_ms >= span.until_ms if span.until_ms is not None else np.zeros(len(times_ms), np.bool_)
        early = times_ms < span.since_ms if span.since_ms is not None else np.zeros(len(times_ms), np.bool_)
        kept = events.filter(pa.array(~late & ~early))
        paid = kept.filter(pc.equal(kept.column("kind"), "transaction")).column("transaction_id")
        told = truth and truth.filter(pc.is_in(truth.column("transaction_id"), paid))
        yield DayPart([kept], told)
        if late.any():
            return


def _wait_for_the_clock(batch: pa.RecordBatch, account: _Account) -> None:
    """Live traffic is never ahead of the time of day."""
    if account.rate is not None and "event_time" in batch.schema.names:
        ahead_ms = batch.column("event_time")[0].cast(pa.int64()).as_py() - now_ms()
        time.sleep(max(ahead_ms, 0) / 1000)


def _flagged(days: Iterator[tuple[pa.RecordBatch, pa.RecordBatch]], *, apart: bool) -> Iterator[DayPart]:
    for transactions, flags in days:
        if apart:
            yield DayPart([transactions], flags=flags)
        else:
            yield DayPart(list(interleaved(transactions, flags)))


def _check(out: str | None, to: str | None, schema: str, truth: Path | None, flags: str | None) -> None:
    """`InputError` for what does not go together."""
    if (out is None) == (to is None):
        raise InputError("say where it goes, to one place: a file, - for standard output, or --to URL")
    if to is not None and schema != "canonical" and not is_stream(to):
        raise InputError("--to sends schema canonical: a server takes Ringfence's own fields")
    if truth is not None and schema != "canonical":
        raise InputError("--truth names payments by their ids in schema canonical")
    if flags is not None and schema != "flagged-accounts":
        raise InputError("--flags goes with --schema flagged-accounts")
    if schema == "flagged-accounts" and flags is None and out is not None and format_of(out) != ".ndjson":
        raise InputError(
            "transactions and flags differ in columns: write .ndjson, or name a file with --flags"
        )
