"""`ringfence labels`: chargebacks and fraud reports in bulk, and what is known of fraud so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringfence.cli.deciding.decisions import open_lake
from ringfence.cli.deciding.run import run
from ringfence.cli.terminal import options
from ringfence.cli.terminal.screen import say, show, show_json, show_table
from ringfence.compose.folder.store import has_store, open_store
from ringfence.masking import list_ids
from ringfence.ports import EVENTS

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(
    help="Labels in bulk: import chargeback files, and see what is known.", no_args_is_help=True
)
_SHOWN = 20
_DAYS = (1, 7, 14, 30, 60, 90, 180)
_UNKNOWN = """
SELECT transaction_id, count(*) AS labels FROM labels l
WHERE NOT EXISTS (SELECT 1 FROM transactions t WHERE t.transaction_id = l.transaction_id)
GROUP BY 1 ORDER BY 1
"""
_SOURCES = """
SELECT coalesce(label_source, '') AS source, count(*) FILTER (WHERE label) AS fraud,
       count(*) FILTER (WHERE NOT label) AS good,
       min(event_time)::DATE AS first, max(event_time)::DATE AS last
FROM labels GROUP BY 1 ORDER BY 2 DESC, 1
"""
_CONFLICTS = """
SELECT transaction_id, string_agg(coalesce(label_source, 'no source') || ': ' ||
         CASE WHEN label THEN 'fraud' ELSE 'good' END, ', ' ORDER BY l."offset") AS said,
       CASE WHEN any_value(k.is_fraud) THEN 'fraud' ELSE 'good' END AS counts
FROM labels l JOIN known_labels k USING (transaction_id)
GROUP BY 1 HAVING bool_or(label) AND NOT bool_and(label) AND max(l."offset") >= {since} ORDER BY 1
"""
_MATURITY = """
WITH known AS (
  SELECT transaction_id, min(event_time) AS since FROM labels WHERE label GROUP BY 1
), frauds AS (
  SELECT coalesce(t.currency, '') AS currency, coalesce(t.amount, 0) AS amount,
         k.since - t.event_time AS after
  FROM known k JOIN transactions t USING (transaction_id) JOIN known_labels l USING (transaction_id)
  WHERE l.is_fraud
)
SELECT currency, d.days, count(*) AS frauds,
       sum(CASE WHEN after <= to_days(d.days) THEN amount ELSE 0 END) / nullif(sum(amount), 0) AS value_known
FROM frauds, (SELECT unnest($days) AS days) AS d GROUP BY ALL ORDER BY ALL
"""


@app.command("import")
def import_labels(
    sources: Annotated[list[str], typer.Argument(help="Files, folders, globs, or -.", metavar="SOURCE")],
    data: options.Data = None,
    mapping: options.Mapping = "labels",
    fmt: options.SourceFormat = None,
) -> None:
    """Read chargebacks and fraud reports: which payment, when that became known, and why.

    The mapping `labels` reads the columns transaction_id, reported_at, and if they are there label,
    label_source, reason_code and note. Each report counts from its own time on. Importing a file again
    changes nothing. A report on a payment that is not known yet is kept and counts as soon as the payment
    comes; those that are still unknown are named at the end. Where reports on a payment differ, the one of
    the source that label_sources in ringfence.toml names first counts, then the latest by its own date; such
    payments are named, too.

    Exit codes are those of `ringfence run`: 4 if some rows are in quarantine.

    Example: ringfence labels import chargebacks.csv
    """
    ended: typer.Exit | None = None
    since = _log_end(data)
    try:
        run(sources, data=data, mapping=mapping, fmt=fmt)
    except typer.Exit as error:
        ended = error
    with open_lake(data) as (_, lake):
        _tell_unknown(lake.sql(_UNKNOWN).to_pylist())
        _tell_differing(lake.sql(_CONFLICTS.format(since=since)).to_pylist())
    if ended is not None:
        raise ended


@app.command()
def status(data: options.Data = None, json: options.Json = False) -> None:
    """Tell what is known of fraud: by source, how soon it becomes known, what contradicts, what is unknown.

    The share of fraud value known after n days says how old payments must be before their labels can be
    trusted: of payments younger than that, more frauds will turn up.

    Example: ringfence labels status
    """
    with open_lake(data) as (_, lake):
        days = f"[{', '.join(map(str, _DAYS))}]"
        found: dict[str, list[dict[str, Any]]] = {
            "sources": lake.sql(_SOURCES).to_pylist(),
            "maturity": lake.sql(_MATURITY.replace("$days", days)).to_pylist(),
            "conflicts": lake.sql(_CONFLICTS.format(since=0)).to_pylist(),
            "unknown": lake.sql(_UNKNOWN).to_pylist(),
        }
    if json:
        show_json(
            {
                name: [{key: _plain(value) for key, value in row.items()} for row in rows]
                for name, rows in found.items()
            }
        )
        return
    show_table(
        ["source", "fraud", "good", "first", "last"],
        [tuple(row.values()) for row in found["sources"]],
        ["fraud", "good"],
    )
    if found["maturity"]:
        show()
        rows = [
            (row["currency"], row["days"], row["frauds"], _percent(row["value_known"]))
            for row in found["maturity"]
        ]
        show_table(["currency", "after days", "frauds", "value known"], rows, ["after days", "frauds"])
    if found["conflicts"]:
        show()
        conflicts = [tuple(row.values()) for row in found["conflicts"][:_SHOWN]]
        show_table(["payment", "what was said, in order", "counts"], conflicts, [])
    _tell_unknown(found["unknown"])


def _tell_unknown(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    names = list_ids(row["transaction_id"] for row in rows[:_SHOWN])
    more = f" and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
    say(f"{len(rows):,} labelled payments are unknown; their labels wait for them: {names}{more}.")


def _tell_differing(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    told = "; ".join(f"{row['transaction_id']} ({row['said']}): {row['counts']}" for row in rows[:_SHOWN])
    more = f"; and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
    say(f"{len(rows):,} payments have labels that differ; what counts: {told}{more}.")


def _log_end(data: Path | None) -> int:
    """Where the log ends, 0 where there is none yet."""
    if not has_store(options.folder(data)):
        return 0
    with open_store(options.folder(data), read_only=True) as store:
        return store.log.end_offset(EVENTS)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
