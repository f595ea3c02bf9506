"""What the log says of rules and lists: shadow hits, who is on which list, and who changed it."""

# ruff: noqa: S608 - texts go through `quoted_text`, the rest are integers

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.events.attributes import told_attributes
from ringfence.rulebook.shadow import Group, ShadowReport, compare
from ringfence.scoring.rulesets.duckdb_sql import quoted_text
from ringfence.scoring.rulesets.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.ports.tables import ListAnswers
    from ringfence.scoring.rulesets.ruleset import RuleSet

MOST_CHANGES: Final = 1000
_GROUPS: Final = """
WITH known AS (SELECT transaction_id, is_fraud AS fraud FROM known_labels),
  judged AS (
    SELECT d.rules_digest, d.outcome, d.shadow_rules, k.fraud, d.event_time_ms,
      CASE WHEN len(d.shadow_rules) > 0 THEN d.rules ELSE [] END AS rules
    FROM decisions d LEFT JOIN known k USING (transaction_id)
    WHERE control IS NOT true AND {where}
  )
SELECT rules_digest, outcome, rules, shadow_rules, fraud, count(*) AS payments,
  min(event_time_ms) AS first_ms, max(event_time_ms) AS last_ms FROM judged GROUP BY ALL
"""
# The last event of each list, type and id says whether it is on the list; the last addition, the list's kind.
_STANDING: Final = """
WITH kinds AS (
  SELECT coalesce(list_name, list_kind) AS name, arg_max(list_kind, "offset") AS means FROM events
  WHERE kind = 'list_entry' AND removed IS NOT true GROUP BY ALL
), latest AS (
  SELECT *, coalesce(list_name, list_kind) AS name FROM events WHERE kind = 'list_entry'
  QUALIFY row_number() OVER (
    PARTITION BY coalesce(list_name, list_kind), entity_type, entity_id ORDER BY "offset" DESC) = 1
)
"""


class ListSummary(msgspec.Struct, frozen=True):
    """A list: how many entries are in force, how many have ended, and when somebody last changed it."""

    name: str
    kind: str
    entries: int
    ended: int
    changed_ms: int


class ListChange(msgspec.Struct, frozen=True, kw_only=True):
    """An entry, and the event that made it. `kind` is null of a removal, `author` where nobody said."""

    list: str
    kind: str | None
    entity_type: str | None
    entity_id: str
    removed: bool
    at_ms: int
    expires_at_ms: int | None
    author: str | None
    source: str | None
    note: str | None
    offset: int


def shadow_report(
    lake: ListAnswers,
    ruleset_of: Callable[[str], RuleSet],
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> ShadowReport:
    """What the shadow rules would have changed on payments from a time up to another, not included."""
    bounds = [("event_time_ms >=", since_ms), ("event_time_ms <", until_ms)]
    where = " AND ".join(f"d.{what} {int(ms)}" for what, ms in bounds if ms is not None) or "true"
    rows = lake.sql(_GROUPS.format(where=where)).to_pylist()
    groups = [
        Group(
            row["rules_digest"],
            Outcome(row["outcome"]),
            tuple(row["rules"]),
            tuple(row["shadow_rules"]),
            row["fraud"],
            row["payments"],
            row["first_ms"],
            row["last_ms"],
        )
        for row in rows
    ]
    return compare(groups, cache(ruleset_of))


def lists(lake: ListAnswers, now_ms: int) -> list[ListSummary]:
    """Every list that has ever had an entry, by name."""
    query = (
        f"{_STANDING} SELECT name, coalesce(max(means), 'watch') AS kind, "
        f"count(*) FILTER ({_in_force(now_ms)}) AS entries, "
        f"count(*) FILTER (NOT ({_in_force(now_ms)})) AS ended, "
        "max(event_time_ms) AS changed_ms FROM latest LEFT JOIN kinds USING (name) GROUP BY ALL ORDER BY name"
    )
    return [msgspec.convert(row, ListSummary) for row in lake.sql(query).to_pylist()]


def entries(
    lake: ListAnswers, name: str, now_ms: int, *, limit: int = 100, before_offset: int | None = None
) -> list[ListChange]:
    """Entries of a list that are in force, newest first."""
    query = (
        f"{_STANDING} SELECT * FROM latest WHERE name = {quoted_text(name)} AND {_in_force(now_ms)}"
        f'{_before(before_offset)} ORDER BY "offset" DESC LIMIT {int(limit)}'
    )
    return [_change(row) for row in lake.sql(query).to_pylist()]


def audit(
    lake: ListAnswers, name: str | None = None, *, limit: int = 100, before_offset: int | None = None
) -> list[ListChange]:
    """Every change of a list, or of all, that the log holds, newest first."""
    which = f" AND coalesce(list_name, list_kind) = {quoted_text(name)}" if name is not None else ""
    query = (
        "SELECT *, coalesce(list_name, list_kind) AS name FROM events WHERE kind = 'list_entry'"
        f'{which}{_before(before_offset)} ORDER BY "offset" DESC LIMIT {int(limit)}'
    )
    return [_change(row) for row in lake.sql(query).to_pylist()]


def _in_force(now_ms: int) -> str:
    return f"removed IS NOT true AND coalesce(expires_at_ms > {int(now_ms)}, true)"


def _before(offset: int | None) -> str:
    return "" if offset is None else f' AND "offset" < {int(offset)}'


def _change(row: dict[str, Any]) -> ListChange:
    told: Mapping[str, Any] = told_attributes(row["attributes"])
    return ListChange(
        list=row["name"],
        kind=row["list_kind"],
        entity_type=row["entity_type"],
        entity_id=row["entity_id"],
        removed=bool(row["removed"]),
        at_ms=row["event_time_ms"],
        expires_at_ms=row["expires_at_ms"],
        author=told.get("author"),
        source=told.get("source"),
        note=row["note"],
        offset=row["offset"],
    )
