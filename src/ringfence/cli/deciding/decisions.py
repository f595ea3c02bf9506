"""`ringfence decisions`, `decision` and `sql`: questions to what has been decided."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from ringfence.cli.terminal import options, screen
from ringfence.cli.terminal.spreadsheet import workbook
from ringfence.compose.deciding.models import model_texts
from ringfence.compose.deciding.questions import bands_of
from ringfence.compose.deciding.versions import registered_rules
from ringfence.compose.folder.store import open_store, tokenizer_of
from ringfence.compose.folder.tables import open_tables
from ringfence.decisions.decision import MODEL_RULE, NO_RULE
from ringfence.decisions.index import DecisionQuery
from ringfence.decisions.verdict import usual_amount, verdict
from ringfence.errors import InputError
from ringfence.events.values.vocabulary import nearest
from ringfence.features.spec import ENTITY_KEYS
from ringfence.scoring.language.words import in_words
from ringfence.scoring.rulesets.ruleset import RuleSet
from ringfence.store import DataFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from ringfence.decisions.decision import Decision
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.ports.tables import Tables

Format = Literal["table", "csv", "json", "xlsx"]
FormatOption = Annotated[Format, typer.Option("--format", help="Output format.")]

_LISTED = ("event_time", "transaction_id", "outcome", "score", "amount", "currency", "reasons", "rules")
_MOST_COLUMNS = 12
_SLOW_SECONDS = 3.0
_QUIET = ("offset", "event_time_ms", "decided_at_ms", "versions")


@contextmanager
def open_lake(data: Path | None) -> Iterator[tuple[DataFolder, Tables]]:
    """The store of a folder for reading, also while another process writes to it, and its analysis tables."""
    with open_store(options.folder(data), read_only=True) as store:
        lake = open_tables(store)
        try:
            yield store, lake
        finally:
            lake.close()


def decisions(
    data: options.Data = None,
    entity: Annotated[
        str | None,
        typer.Option(
            help="Only one card, customer, merchant, device, ...; a card by its token or number.",
            metavar="KIND=ID",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only from this event time on (UTC).", metavar="TIME")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only before this event time (UTC).", metavar="TIME")
    ] = None,
    outcome: Annotated[
        Literal["approve", "challenge", "review", "decline"] | None, typer.Option(help="Only this outcome.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Only where this rule fired.", metavar="ID")] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of rows.", min=1)] = 50,
    json: options.Json = False,
) -> None:
    """List decisions, newest first.

    Example: ringfence decisions --outcome decline --since 2024-05-01 --limit 10
    """
    with open_lake(data) as (store, lake):
        kind, entity_id, or_id = _entity(entity, tokenizer_of(store))
        found = lake.decisions(
            DecisionQuery(
                kind,
                entity_id,
                options.parse_time_ms(since, "--since"),
                options.parse_time_ms(until, "--until"),
                outcome,
                rule,
                limit,
                or_id=or_id,
            )
        )
        rows = found.to_pylist()
        if rule is not None and not rows:
            _check_rule(store, rule)
    if json:
        for row in rows:
            screen.show_json(row)
        return
    if not rows:
        screen.say("No decision matches.")
        return
    screen.show_table(
        _LISTED, ([_shown(name, row[name]) for name in _LISTED] for row in rows), ["score", "amount"]
    )


def _check_rule(store: DataFolder, rule: str) -> None:
    """`InputError` where no version of the rules has had this rule."""
    books = [RuleSet.from_json(version.body) for version in store.registry.versions("rules")]
    known = {one.id for book in books for one in book.every_rule}
    if rule not in known:
        raise InputError(
            f"no version of the rules has a rule {rule[:80]!r}{nearest(rule[:80], sorted(known))}: "
            "`ringfence rules show` lists those in force"
        )


def _entity(text: str | None, tokenizer: Tokenizer) -> tuple[str | None, str | None, str | None]:
    """Kind and id of `kind=id`, as payments have it, and as they may have it else; a card number's token."""
    if text is None:
        return None, None, None
    kind, sign, name = text.partition("=")
    if not sign or kind not in ENTITY_KEYS or not name:
        raise InputError(f"--entity takes KIND=ID, KIND one of {', '.join(ENTITY_KEYS)}")
    kept, *others = tokenizer.every_kept(ENTITY_KEYS[kind], name)
    return kind, kept, others[0] if others else tokenizer.guard_text(name)


def _shown(name: str, value: Any) -> object:
    if name == "event_time":
        return str(value)[:23].removesuffix(".000")
    if name in ("score", "amount"):
        return "" if value is None else f"{value:,.2f}" if name == "amount" else f"{value:.0f}"
    return ", ".join(value) if isinstance(value, list) else value


def decision(
    transaction_id: Annotated[str, typer.Argument(help="The transaction's id.", metavar="ID")],
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Show one decision with everything it was based on: reasons, rules, features, versions, and the payment.

    Example: ringfence decision 755e4e8350ec4a3e9309727574c97726
    """
    with open_lake(data) as (store, lake):
        transaction_id = tokenizer_of(store).as_kept("transaction_id", transaction_id)
        found = lake.find_decision(transaction_id)
        if found is None:
            raise InputError(
                f"no decision on transaction {transaction_id!r}: `ringfence decisions` lists them"
            )
        event = lake.find_transaction(transaction_id) or {}
        ruleset = registered_rules(store, found.versions["rules"])
        texts = model_texts(store, found)
        bands = bands_of(store)(found.model) if found.model else None
    reasons = found.explain(ruleset, texts) if ruleset else found.besides_rules(texts)
    why = verdict(found, ruleset, bands, texts)
    event = _known(event)
    if json:
        told = [msgspec.to_builtins(reason) for reason in reasons]
        more = {"verdict": why.why, "score_from": why.score, "explained": told, "event": event}
        screen.show_json(msgspec.to_builtins(found) | more)
        return
    _show(found, event)
    screen.show()
    screen.show("Why", "bold")
    screen.show(f"  {why.why}")
    screen.show(f"  The score is made of: {why.score}.")
    usual = usual_amount(found, event.get("amount"))
    if usual is not None:
        whose, amount, times = usual
        screen.show(f"  The amount is about {in_words(times, 'times')} the {whose}, {amount:,.2f}.")
    for reason in reasons:
        from_rule = reason.rule not in (MODEL_RULE, NO_RULE)
        screen.show(f"  {reason.code} ({f'rule {reason.rule}' if from_rule else reason.rule})")
        screen.show(f"    {reason.analyst}")
        if reason.customer:
            screen.show(f"    to the customer: {reason.customer}")
    _show_features(found)


def _known(event: dict[str, Any]) -> dict[str, Any]:
    """Without what the payment lacks, attributes that only other payments have among it."""
    said = {name: _known(value) if isinstance(value, dict) else value for name, value in event.items()}
    return {name: value for name, value in said.items() if value is not None and value != {}}


def _show(found: Decision, event: dict[str, Any]) -> None:
    screen.show(
        f"{found.outcome.upper()}  score {found.score:.0f}  transaction {found.transaction_id}",
        f"bold {screen.OUTCOME_STYLES[found.outcome]}",
    )
    paid, decided = screen.format_time(found.event_time_ms), screen.format_time(found.decided_at_ms)
    took = f"{found.latency_us / 1000:,.1f} ms"
    screen.show(f"payment of {paid} UTC, decided {decided} UTC in {took}, log offset {found.offset}")
    if found.degraded:
        screen.show(f"degraded: {', '.join(found.degraded)}")
    if found.shadow_rules:
        screen.show(f"shadow rules that fired: {', '.join(found.shadow_rules)}")
    if found.typologies:
        scores = (f"{name} {score:.0f}" for name, score in found.typologies.items())
        screen.show(f"typologies with signs of: {', '.join(scores)} (of 100)")
    if found.control:
        screen.show("let through as one of the control group: it would have been declined")
    screen.show("versions: " + ", ".join(f"{name} {digest}" for name, digest in found.versions.items()))
    screen.show()
    screen.show("Payment", "bold")
    for name, value in event.items():
        if name == "attributes":
            for attribute, given in value.items():
                screen.show(f"  attributes.{attribute}: {given}")
        elif name not in {*_QUIET, "kind", "ingest_time_ms", "amount_minor", "transaction_id"}:
            screen.show(f"  {name}: {value}")


def _show_features(found: Decision) -> None:
    screen.show()
    screen.show("Features", "bold")
    known = [(name, value) for name, value in found.features.items() if value is not None]
    screen.show_table(
        ["feature", "value"], [(f"  {n}", screen.format_number(v)) for n, v in known], ["value"]
    )
    unknown = len(found.features) - len(known)
    if unknown:
        screen.show(
            f"  {unknown} more are unknown: the payment lacks their fields, or there is no history yet"
        )


def sql(
    statement: Annotated[
        str, typer.Argument(help="One statement that reads, such as SELECT.", metavar="STATEMENT")
    ],
    data: options.Data = None,
    fmt: FormatOption = "table",
) -> None:
    """Query the log in SQL (DuckDB). Only statements that read are accepted.

    Tables: events, transactions, labels, lifecycle, decisions, features, flag_matches, and the newest of the
    quarantine.
    Features and attributes are written as in rules: SELECT card.count_1h FROM features, SELECT
    attributes.basket FROM transactions. The column attributes by itself is a JSON object.

    CSV is safe to open in a spreadsheet: text that it would take for a formula begins with an apostrophe, and
    characters that steer a terminal are escaped. JSON gives the exact text. xlsx is an Excel workbook, whose
    texts are never formulas: write it into a file, `> answer.xlsx`.

    Example: ringfence sql "SELECT outcome, count(*) FROM decisions GROUP BY outcome"
    """
    check_format(fmt)
    show_answer(answer_to(statement, data), fmt)


def check_format(fmt: Format) -> None:
    """`InputError` where a terminal would show a workbook."""
    if fmt == "xlsx" and sys.stdout.isatty():
        raise InputError("a workbook is no text: write it into a file, by > answer.xlsx after the command")


def answer_to(statement: str, data: Path | None) -> pa.Table:
    """The rows that a statement gives over the analysis tables of a data folder."""
    with (
        open_lake(data) as (_, lake),
        screen.after(
            _SLOW_SECONDS, "Reading the newest records first: the files of the tables do not hold them yet."
        ),
    ):
        return lake.sql(statement)


def show_answer(table: pa.Table, fmt: Format) -> None:
    """The rows of a table in one of the formats of `ringfence sql`."""
    names = table.schema.names
    if fmt == "xlsx":
        rows = ([row[name] for name in names] for row in _rows(table))
        sys.stdout.buffer.write(workbook(names, rows, len(table)))
        return
    if fmt == "table" and len(names) > _MOST_COLUMNS:
        _show_records(table.to_pylist())
        return
    if fmt == "table":
        numbers = [name for name, kind in zip(names, table.schema.types, strict=True) if _is_number(kind)]
        screen.show_table(names, ([_text(row[n]) for n in names] for row in table.to_pylist()), numbers)
        return
    if fmt == "csv":
        screen.show_csv(names, ([row[n] for n in names] for row in _rows(table)))
        return
    for row in _rows(table):
        screen.show_json(row)


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches():
        yield from batch.to_pylist()


def _show_records(rows: list[dict[str, Any]]) -> None:
    """Rows too wide for a table, one below the other; nulls are left out."""
    for row in rows:
        for name, value in row.items():
            if value is not None:
                screen.show(f"{name:>20}  {screen.one_line(str(value))}")
        screen.show()


def _is_number(kind: object) -> bool:
    return str(kind).startswith(("int", "uint", "float", "double", "decimal"))


def _text(value: object) -> object:
    return value if value is None or not isinstance(value, bool | int) else str(value)
