"""The figures of the performance page: one SQL statement each, which the page shows beside what it gave."""

# ruff: noqa: S608 - what is put into the texts is constants and times

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from ringfence.scoring.rulesets.duckdb_sql import quoted_text

if TYPE_CHECKING:
    from ringfence.ports.tables import Tables

DAY_MS: Final = 86_400_000
MATURITY_DAYS: Final = 30
"""Younger payments' labels may still be on their way."""

STOPPED: Final = "outcome IN ('decline', 'review')"
"""In SQL, that a payment did not go through: a challenged one does once its customer passes."""


def money_of(which: str = "") -> str:
    """In SQL, the sum of the amounts of which a condition holds: exact, in whatever order they come."""
    chosen = f" FILTER ({which})" if which else ""
    return f"coalesce(sum(amount::DECIMAL(38, 4)){chosen}, 0)::DOUBLE"


_CHOSEN: Final = """\
WITH chosen AS (
  SELECT d.transaction_id, {local} AS event_time, d.outcome, t.amount, t.country, t.merchant_category,
    t.channel, t.merchant_id, l.is_fraud
  FROM decisions d
  JOIN transactions t ON t."offset" = d."offset"
  LEFT JOIN known_labels l ON l.transaction_id = d.transaction_id
  WHERE d.event_time >= TIMESTAMP '{since}' AND d.event_time < TIMESTAMP '{until}'{money}
)
"""
_CURRENCIES: Final = """\
SELECT coalesce(currency, '') AS currency FROM transactions
WHERE event_time >= TIMESTAMP '{since}' AND event_time < TIMESTAMP '{until}'
GROUP BY ALL ORDER BY count(*) DESC, currency LIMIT 20"""
_KPIS: Final = f"""\
SELECT count(*) AS payments,
  {money_of()} AS volume,
  avg((outcome = 'approve')::INT) AS approval_rate,
  avg((outcome = 'challenge')::INT) AS challenge_rate,
  count(*) FILTER (is_fraud) AS frauds,
  {money_of("is_fraud AND " + STOPPED)} AS fraud_stopped,
  {money_of("is_fraud AND NOT " + STOPPED)} AS fraud_missed,
  count(*) FILTER (NOT is_fraud) AS genuine,
  avg(({STOPPED})::INT) FILTER (NOT is_fraud) AS false_positive_rate,
  avg((is_fraud IS NOT NULL)::INT) AS labelled
FROM chosen"""
_TREND: Final = f"""\
SELECT coalesce(day, event_time::DATE) AS day,
  count(transaction_id) AS payments,
  count(*) FILTER (outcome = 'challenge') AS challenged,
  count(*) FILTER (outcome = 'review') AS reviewed,
  count(*) FILTER (outcome = 'decline') AS declined,
  {money_of("is_fraud AND " + STOPPED)} AS fraud_stopped,
  {money_of("is_fraud AND NOT " + STOPPED)} AS fraud_missed
FROM chosen FULL JOIN (
  SELECT unnest(generate_series(greatest(min(event_time), max(event_time) - INTERVAL 10 YEAR)::DATE,
    max(event_time)::DATE, INTERVAL 1 DAY))::DATE AS day
  FROM chosen
) ON event_time::DATE = day
GROUP BY ALL ORDER BY day"""
"""A day without payments has a row of zeros: without it the days beside it would look adjacent."""
_HOURS: Final = """\
SELECT isodow(event_time) AS weekday, hour(event_time) AS hour,
  count(*) AS payments,
  count(*) FILTER (is_fraud) AS frauds
FROM chosen GROUP BY ALL ORDER BY ALL"""
_BY: Final = f"""\
SELECT coalesce({{column}}, '(none)') AS value,
  count(*) AS payments,
  count(*) FILTER (is_fraud) AS frauds,
  {money_of("is_fraud AND " + STOPPED)} AS fraud_stopped,
  {money_of("is_fraud AND NOT " + STOPPED)} AS fraud_missed
FROM chosen GROUP BY value ORDER BY fraud_stopped + fraud_missed DESC, payments DESC, value LIMIT 12"""

_FRAUDS: Final = """\
SELECT * FROM chosen WHERE is_fraud AND {place}
ORDER BY event_time DESC LIMIT 1000"""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: its title, what it counts, and how it is drawn."""

    name: str
    title: str
    note: str
    kind: Literal["kpis", "trend", "hours", "bars"]
    body: str
    column: str = ""  # by which its bars stand

    def statement(
        self,
        since_ms: int,
        until_ms: int,
        currency: str | None = None,
        zone: str = "UTC",
        part: str | None = None,
    ) -> str:
        """The SQL over a time, of payments in one currency unless None, as `ringfence sql` takes it.

        Days and hours are those of `zone`. With `part`, a day, a bar or `weekday-hour`, the frauds behind
        that place of the panel.
        """
        money = "" if currency is None else f" AND coalesce(t.currency, '') = {quoted_text(currency)}"
        since, until = _moment(since_ms), _moment(until_ms)
        local = _local("d.event_time", zone)
        return _CHOSEN.format(since=since, until=until, money=money, local=local) + (
            self.body if part is None else _FRAUDS.format(place=self._place(part))
        )

    def _place(self, part: str) -> str:
        if self.kind == "trend":
            return f"event_time::DATE = DATE '{date.fromisoformat(part)}'"
        if self.kind == "hours":
            weekday, _, hour = part.partition("-")
            return f"isodow(event_time) = {int(weekday)} AND hour(event_time) = {int(hour)}"
        return f"coalesce({self.column}, '(none)') = {quoted_text(part)}"

    def rows(
        self, lake: Tables, since_ms: int, until_ms: int, currency: str | None = None, zone: str = "UTC"
    ) -> list[dict[str, Any]]:
        """What it gives."""
        found: list[dict[str, Any]] = lake.sql(self.statement(since_ms, until_ms, currency, zone)).to_pylist()
        return found


def _by(name: str, column: str, title: str) -> Panel:
    return Panel(name, title, "by fraud money", "bars", _BY.format(column=column), column)


MEASURES: Final = {
    one.name: one
    for one in (
        Panel("kpis", "Key figures", "", "kpis", _KPIS),
        Panel("trend", "Fraud money by day", "stopped: declined or sent to review", "trend", _TREND),
        Panel("hours", "Frauds by hour of the week", "", "hours", _HOURS),
        _by("country", "country", "Countries"),
        _by("category", "merchant_category", "Merchant categories"),
        _by("channel", "channel", "Channels"),
        _by("merchant", "merchant_id", "Merchants"),
    )
}
"""By name, in the order of the page."""


def _local(column: str, zone: str) -> str:
    """SQL for a time of the tables, which is in UTC, as a clock in a zone shows it."""
    return column if zone == "UTC" else f"timezone({quoted_text(zone)}, timezone('UTC', {column}))"


def currencies(lake: Tables, since_ms: int, until_ms: int) -> list[str]:
    """Those of the payments of a time, the most frequent first; empty for payments without one."""
    rows = lake.sql(_CURRENCIES.format(since=_moment(since_ms), until=_moment(until_ms))).to_pylist()
    return [row["currency"] for row in rows]


_ACTIVATED: Final = """\
SELECT ({local})::DATE AS day, entity_type AS part, entity_id AS version, note FROM events
WHERE kind = 'activation' AND event_time_ms >= {begin} AND event_time_ms < {end}
ORDER BY "offset" LIMIT 100"""


def changes(lake: Tables, begin_ms: int, end_ms: int, zone: str = "UTC") -> list[dict[str, str]]:
    """Activations of rules and models in a time, to stand beside the money of their day in a zone."""
    local = _local("event_time", zone)
    rows = lake.sql(_ACTIVATED.format(begin=int(begin_ms), end=int(end_ms), local=local)).to_pylist()
    return [
        {
            "day": str(row["day"]),
            "text": f"{row['part']} {row['version'][:8]}" + (f" (“{row['note']}”)" if row["note"] else ""),
        }
        for row in rows
    ]


def _moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
