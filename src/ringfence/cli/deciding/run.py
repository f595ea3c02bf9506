"""`ringfence run`: from sources to durable decisions."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ringfence.cli.deciding import streams
from ringfence.cli.deciding.shared_ids import Majority
from ringfence.cli.terminal import options, screen
from ringfence.compose.deciding.session import Session, open_session
from ringfence.compose.files import read_ordered, reading_of, sniff, unended_tables
from ringfence.decisions.policy import FUTURE, LATE
from ringfence.errors import InputError
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.altered import altered
from ringfence.masking import list_ids
from ringfence.ports.mappings import Sniffed
from ringfence.ports.sources import Reading, SourceBatch, StreamBatch
from ringfence.runner import RunTotals
from ringfence.saving import Snapshotting
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.events.values.vocabulary import Mapping
    from ringfence.settings import Settings

_CAUSES: Final = {
    LATE: "they came later than the features allow",
    FUTURE: "dated later than they were received, so a sender's clock or zone is wrong",
}
_NAMED: Final = 5
EXIT_QUARANTINED = 4
EXIT_INTERRUPTED = 130


@dataclass(slots=True)
class Account:
    """What the user is told of a run."""

    totals: RunTotals = field(default_factory=RunTotals)
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: int = 0  # rows that the mapping leaves out on purpose
    empty: int = 0  # messages without a value
    unusable: list[str] = field(default_factory=list)  # sources that could not be used, each with its remedy
    ahead: list[str] = field(default_factory=list)  # payments dated ahead of all that came after them
    labels_held: int = 0  # that are known later than the last payment
    seconds: float = 0.0
    interrupted: bool = False
    remarks: list[str] = field(default_factory=list)  # what somebody should look at
    dropped: dict[str, int] = field(default_factory=dict)  # sensitive authentication data, by kind

    @property
    def exit_code(self) -> int:
        """0, or what the user has to know."""
        if self.interrupted:
            return EXIT_INTERRUPTED
        if self.unusable:
            return InputError.exit_code
        return EXIT_QUARANTINED if self.reasons else 0


def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, globs, - for standard input, kafka://BROKER:9092/TOPIC, kinesis://STREAM or s3://BUCKET/PREFIX.",
            metavar="SOURCE",
        ),
    ],
    data: options.Data = None,
    mapping: options.Mapping = None,
    features: options.Features = None,
    rules: options.Rules = None,
    model: options.Model = None,
    label_delay: options.LabelDelay = None,
    fmt: options.SourceFormat = None,
    order: options.Order = "auto",
    batch_rows: Annotated[int | None, typer.Option(help="Rows per batch.", min=1, max=1_000_000)] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="For topics: keep reading instead of stopping at their ends.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Time per stage, too.")] = False,
    json: options.Json = False,
) -> None:
    """Read payments, decide each one, and keep the decisions.

    Reads CSV, NDJSON and Parquet, plain, gzip or zstd. Every decision is on stable storage before the command
    ends, and running the same command again changes nothing: what was decided is not decided twice. A run
    that was killed goes on where it was: the place in the files is kept with the decisions.

    Payments are decided in order of event time. Newest-first and shuffled files are sorted first, files that
    overlap in time, such as payments and their labels, are merged. Standard input is decided as it comes.

    Topics of Kafka and streams of Kinesis are read from where the last run of the same --data ended: the
    place commits with the decisions, so each record is decided once, whatever is killed when.
    docs/howto/kafka.md and docs/howto/kinesis.md have more.

    Exit codes: 0 all went well; 2 a source, mapping, specification or rule book is unusable (the other
    sources were processed); 3 the data folder cannot be used; 4 done, and some records are in quarantine;
    130 interrupted: all that was decided is safe, and the same command goes on.

    Example: ringfence run payments.csv --mapping sparkov

    Example: ringfence run kafka://localhost:9092/payments --follow

    Example: ringfence run 'kinesis://payments?mapping=own.toml'
    """
    settings = load_settings()
    is_streams = streams.are_streams(sources)
    if follow and not is_streams:
        raise InputError("--follow goes with topics and streams, such as kafka://localhost:9092/payments")
    chosen = None if is_streams else choose_mapping(mapping or settings.mapping, sources, fmt)
    found = options.definitions(features, rules, model)
    asked: dict[str, Any] = {
        "order": order,
        "lateness_ms": found.spec.allowed_lateness_ms,
        "batch_rows": batch_rows or settings.batch_rows,
        "label_delay": label_delay or settings.label_delay,
        "fmt": fmt,
    }
    snapshotting = Snapshotting(settings.snapshot_every_events, settings.snapshot_every_ms)
    with (
        screen.progress("catching up with the log") as tell,
        open_session(
            options.folder(data),
            found,
            snapshotting,
            lambda done, total: tell(done, total, ""),
            require_approval=settings.rules_need_approval,
        ) as session,
    ):
        for warning in session.warnings:
            screen.say(f"Warning: {warning}")
        for notice in session.notices:
            screen.say(f"Note: {notice}")
        account = Account()
        if chosen is None:
            named = mapping or settings.mapping
            with streams.reading(session, sources, named, asked["batch_rows"], follow=follow) as arrivals:
                _process(session, arrivals, account, tell)
        else:
            _read_files(session, sources, chosen, account, tell, asked, settings)
        account.dropped = dict(session.tokenizer.dropped)
        account.remarks += altered(session.tokenizer.altered)
    _report(session, account, verbose=verbose, json=json)
    if account.exit_code:
        raise typer.Exit(account.exit_code)


def _read_files(
    session: Session,
    sources: list[str],
    mapping: Mapping,
    account: Account,
    tell: screen.Tell,
    asked: dict[str, Any],
    settings: Settings,
) -> None:
    """Decide what files hold, from where an interrupted run over the same files had got to."""
    session.register_mapping(mapping)
    reading = _reading(session, sources, [mapping, settings.null_values, settings.keep_values, asked])
    batches = read_ordered(
        sources,
        mapping,
        session.tokenizer,
        reading.mark.ingest_time_ms if reading else session.clock.now_ms(),
        folder=session.store.folder,
        say=screen.say,
        unusable=lambda error: account.unusable.append(str(error)),
        **asked,
    )
    _process(session, reading.resumed(batches) if reading else batches, account, tell)
    account.remarks += [
        f"{file} does not end with a newline: if it was cut off, the amount in its last row may be too short"
        for file in unended_tables(sources, asked["fmt"])
    ]
    if reading and not account.interrupted:
        session.store.commit(positions=[reading.ended], now_ms=session.clock.now_ms())


def _reading(session: Session, sources: list[str], options: list[Any]) -> Reading | None:
    """Where an interrupted run over the same files goes on; told to the user."""
    reading = reading_of(
        sources, [version("ringfence"), *options], session.store.positions, session.clock.now_ms()
    )
    if reading and reading.mark.batches:
        screen.say(f"Going on after {reading.mark.rows:,} records, where an earlier run was interrupted")
    return reading


def choose_mapping(name: str | None, sources: list[str], fmt: Any = None) -> Mapping:
    """The mapping of this name, or the one that the first source seems to need; the guess is said."""
    if name is not None:
        return load_mapping(name)
    if set(sources) == {"-"}:
        screen.say("Reading standard input by mapping canonical: --mapping names another")
        return load_mapping("canonical")
    sniffed = _sniff_first([source for source in sources if source != "-"], fmt)
    if sniffed.mapping is None:
        raise InputError(
            f"{sniffed.path}: {sniffed.reasons[-1]}. Name a mapping with --mapping: `ringfence sources` "
            f"lists them, `ringfence sources --sniff {sniffed.path} --draft NEW.toml` writes a first one"
        )
    screen.say(f"Reading {sniffed.path} by mapping {sniffed.mapping}: {sniffed.reasons[-1]}")
    return load_mapping(sniffed.mapping)


def _sniff_first(sources: list[str], fmt: Any) -> Sniffed:
    """What the first source that can be read seems to be; the others are reported when their turn comes."""
    for source in sources[:-1]:
        with contextlib.suppress(InputError):
            return sniff(source, fmt)
    return sniff(sources[-1], fmt)


def _process(
    session: Session,
    batches: Iterator[SourceBatch] | Iterator[StreamBatch],
    account: Account,
    tell: screen.Tell,
) -> None:
    begin, majority = time.perf_counter(), Majority()
    told: list[str] = []

    def heard(arrival: Any, totals: RunTotals) -> None:
        account.totals = totals
        account.reasons.update(record.reason.value for record in arrival.bad)
        account.skipped += arrival.skipped
        account.empty += getattr(arrival, "empty", 0)  # files have none
        majority.look(arrival.events)
        if arrival.total is None:  # of a pipe nobody knows the end, where the account would say it
            for identity in [*totals.ahead][len(told) : _NAMED]:
                told.append(identity)
                screen.say(f"Note: payment {identity} is dated over a day ahead: the clock waits for another")
        rate = totals.transactions / max(time.perf_counter() - begin, 1e-9)
        tell(arrival.position, arrival.total, f"{totals.transactions:,} payments, {rate:,.0f}/s")

    try:
        session.runner.run(batches, heard)
    except KeyboardInterrupt:
        account.interrupted = True
    account.seconds = time.perf_counter() - begin
    account.remarks = list(majority.remarks())
    now_ms = session.runner.pipeline.engine.clock.now_ms or 0
    account.labels_held = len(session.runner.intake.schedule)
    account.ahead = [identity for identity, at_ms in account.totals.ahead.items() if at_ms > now_ms]
    if account.totals.conflicts:
        account.reasons["conflict"] = account.totals.conflicts


def _report(session: Session, account: Account, *, verbose: bool, json: bool) -> None:
    stages = {name: round(seconds, 3) for name, seconds in session.runner.seconds.items()}
    if json:
        screen.show_json(_as_json(account) | ({"stage_seconds": stages} if verbose else {}))
    else:
        _show(session, account)
        if verbose:
            total = max(account.totals.transactions, 1)
            rows = [
                (name, f"{seconds:.3f}", f"{seconds / total * 1e9:,.0f}") for name, seconds in stages.items()
            ]
            screen.show()
            screen.show_table(["stage", "seconds", "ns per payment"], rows, ["seconds", "ns per payment"])
    if session.runner.saving.problem is not None:
        screen.say(f"Warning: {session.runner.saving.problem}")
    for remark in account.remarks:
        screen.say(f"Check: {remark}")
    for problem in account.unusable:
        screen.say(f"Error: {problem}")
    if account.interrupted:
        screen.say("Interrupted. All decisions above are safe; run the same command again to go on.")


def _as_json(account: Account) -> dict[str, Any]:
    totals = account.totals
    return {
        "transactions": totals.transactions,
        "events": totals.events,
        "outcomes": totals.outcomes,
        "rules": totals.rules,
        "degraded": sum(totals.degraded.values()),
        "ahead_of_time": account.ahead,
        "labels_not_due": account.labels_held,
        "duplicates": totals.duplicates,
        "flag_matches": totals.flag_matches,
        "skipped": account.skipped,
        "empty": account.empty,
        "quarantined": dict(account.reasons),
        "unusable": account.unusable,
        "dropped": account.dropped,
        "remarks": account.remarks,
        "seconds": round(account.seconds, 3),
        "interrupted": account.interrupted,
    }


def _show(session: Session, account: Account) -> None:
    totals, rate = account.totals, account.totals.transactions / max(account.seconds, 1e-9)
    screen.show(
        f"{totals.transactions:,} payments decided in {account.seconds:.1f} s ({rate:,.0f}/s), "
        f"kept in {session.store.folder}",
        "bold",
    )
    share = 100 / max(totals.transactions, 1)
    outcomes = [(name, count, f"{count * share:.2f} %") for name, count in _ordered(totals.outcomes)]
    if outcomes:
        screen.show()
        screen.show_table(["outcome", "payments", "share"], outcomes, ["payments", "share"])
    if totals.rules:
        titles = {rule.id: rule.title for rule in session.runner.pipeline.rules.active}
        top = sorted(totals.rules.items(), key=lambda item: (-item[1], item[0]))[:8]
        screen.show()
        rows = [(name, count, titles.get(name, "")) for name, count in top]
        screen.show_table(["rule", "fired", "what it finds"], rows, ["fired"])
    _show_rest(account)


def _ordered(outcomes: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(outcomes.items(), key=lambda item: list(screen.OUTCOME_STYLES).index(item[0]))


def _dated_ahead(ids: list[str]) -> str:
    named = list_ids(ids[:_NAMED]) + (" and others" if len(ids) > _NAMED else "")
    return f"{len(ids):,} payments are dated over a day ahead of all others: check their times ({named})"


def _show_rest(account: Account) -> None:
    totals = account.totals
    others = totals.events - totals.transactions
    lines = [
        (others, f"{others:,} other events: labels, profiles, list entries, flags"),
        (totals.flag_matches, f"{totals.flag_matches:,} earlier payments that a late flag covers"),
        *(
            (count, f"{count:,} decisions degraded: {_CAUSES.get(cause, cause)}")
            for cause, count in totals.degraded.items()
        ),
        (len(account.ahead), _dated_ahead(account.ahead)),
        (
            account.labels_held,
            f"{account.labels_held:,} labels are not due yet: each enters the log once payments are as late",
        ),
        (totals.duplicates, f"{totals.duplicates:,} duplicates of events that the log has already"),
        (account.skipped, f"{account.skipped:,} rows skipped, as the mapping says"),
        (account.empty, f"{account.empty:,} records without a value: ticks of a Flink job, or deletions"),
    ]
    for count, line in lines:
        if count:
            screen.show(line)
    if account.dropped:
        told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(account.dropped.items()))
        screen.show(f"Dropped, because nobody may keep them: {told}")
    if account.reasons:
        screen.show()
        screen.show(f"{account.reasons.total():,} records in quarantine: `ringfence quarantine list`", "bold")
        screen.show_table(["reason", "records"], account.reasons.most_common(), ["records"])
