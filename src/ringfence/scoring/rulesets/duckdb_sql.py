"""A rule's condition as DuckDB's SQL: the same answers over stored payments, features and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlglot
from sqlglot import exp

from ringfence.scoring.language.expression import NO_PARAMETERS, read
from ringfence.scoring.language.lower_value import extracted
from ringfence.scoring.language.names import TYPOLOGY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ringfence.scoring.language.syntax import Parsed
    from ringfence.scoring.rulesets.typologies import Typology

SETTINGS: Final = (
    "SET ieee_floating_point_ops = false",
    "SET error_on_division_by_zero = false",
    "SET TimeZone = 'UTC'",
)
"""With these, arithmetic in DuckDB gives null where it does in rules."""


def quoted(name: str) -> str:
    """A name as an SQL identifier, dots included: a column of that name.

    >>> quoted("card.count_1h")
    '"card.count_1h"'
    """
    return '"' + name.replace('"', '""') + '"'


def quoted_text(value: str) -> str:
    """A text as an SQL literal.

    >>> quoted_text("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def to_duckdb(
    text: str,
    parameters: Mapping[str, float | str] = NO_PARAMETERS,
    *,
    column: Callable[[str], str] = quoted,
    zone: str = "UTC",
    typologies: Iterable[Typology] = (),
) -> str:
    """SQL of a condition; `column` gives that of a name, `event_time` being milliseconds since 1970.

    RuleError where it looks into a list, which is state and no column.

    >>> to_duckdb("card.count_1h > 3 and hour < 6")
    '"card.count_1h" > CAST(3 AS DOUBLE) AND "hour" < CAST(6 AS DOUBLE)'
    """
    parsed = read(text, parameters)
    for node in parsed.tree.find_all(exp.In):
        if node.args.get("field") is not None:
            raise parsed.error("a list is state: it has no column in SQL", node.args["field"])
    scores = {one.name: one for one in typologies}

    def score(name: str) -> str:
        one = scores[name]
        signals = (
            (to_duckdb(signal.when, one.parameters, column=column, zone=zone), signal.weight)
            for signal in one.signals
        )
        total = " + ".join(f"CASE WHEN {when} THEN {weight!r}::DOUBLE ELSE 0 END" for when, weight in signals)
        return f"(LEAST(100::DOUBLE, GREATEST(0::DOUBLE, {total})))"

    def adapt(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Extract):
            return _sql(_moment(parsed, node, column, zone))
        if isinstance(node, exp.Column):
            name = ".".join(part.name for part in node.parts)
            name = name if name in scores or name.startswith(TYPOLOGY_PREFIX) else _lowered(name)
            return _sql(score(name) if name in scores else column(name))
        if isinstance(node, exp.Literal) and not node.is_string and not isinstance(node.parent, exp.Round):
            return exp.cast(node.copy(), "double")
        return node

    return parsed.tree.transform(adapt).sql("duckdb")


def _lowered(name: str) -> str:
    """Free names keep their case, all others are written small."""
    return name if name.startswith("attributes.") or ".profile." in name else name.lower()


def _moment(parsed: Parsed, node: exp.Expression, column: Callable[[str], str], zone: str) -> str:
    part, own = extracted(parsed, node)
    utc = f"make_timestamp_ms(CAST({column('event_time')} AS BIGINT)) AT TIME ZONE 'UTC'"
    where = (own or zone).replace("'", "''")
    return f"CAST(date_part('{part}', timezone('{where}', {utc})) AS DOUBLE)"


def _sql(text: str) -> exp.Expression:
    made: Any = sqlglot.parse_one(text, read="duckdb")
    found: exp.Expression = made
    return found
