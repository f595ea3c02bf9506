"""One query per feature: the transaction `p` being measured, joined to the transactions `e` of its window.

A row of the answer: position of p, true if p has the entity's key, then what `finish` turns into the value.
"""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, Any

from ringfence.features.spec import WINDOWED, FeatureKind

if TYPE_CHECKING:
    from ringfence.features.spec import Feature, FeatureSpec, Where

# The window, word for word as documented. The last condition binds only where p is later than the allowed
# lateness: state beyond the retention may be gone by then, so it does not count. p itself is always there.
_WINDOW = Template("""
    tx p
    left join tx e
      on $same_key
     and e.position $reach p.position
     and e.time_ms <= p.time_ms - $$delay_ms
     and e.time_ms > $left_edge
     and (e.time_ms > p.watermark_ms - $$retention_ms or e.position = p.position)
""")

_ROLLING = "p.time_ms - $delay_ms - $window_ms"

_QUERY = Template("""
    select p.position, $has_key, $answer
    from $window
    group by all
    order by p.position
""")

# A label counts if it was in the log when p came; the latest one of a transaction decides.
_LABELLED_QUERY = Template("""
    with labelled as (
      select p.position, $has_key as has_key, e.position as event, arg_max(l.fraud, l.position) as fraud
      from $window
      left join label l on l.transaction_id = e.transaction_id and l.position <= p.position
      group by all
    )
    select position, has_key, count(*) filter (fraud), count(event)
    from labelled
    group by all
    order by position
""")

_NUMERIC = """
    p.$x,
    count(e.$x) filter ($where),
    sum(e.$x::hugeint) filter ($where),
    sum(e.$x::hugeint * e.$x) filter ($where)
"""
_NEAR_HOUR = '(e."number:hour" - p."number:hour" + 24) % 24 in (23, 0, 1)'
_PREVIOUS = """
    p.time_ms, p.lat, p.lon,
    last({time_ms: e.time_ms, lat: e.lat, lon: e.lon} order by e.time_ms, e.position)
      filter (e.lat is not null and e.lon is not null)
"""

# Of the events before, the latest is the first of this list.
_BACK = "(list({} order by e.time_ms desc, e.position desc) filter (e.position is not null))[$back]"

_ANSWER = {
    FeatureKind.COUNT: "count(e.position) filter ($where)",
    FeatureKind.SUM: _NUMERIC,
    FeatureKind.MEAN: _NUMERIC,
    FeatureKind.STD: _NUMERIC,
    FeatureKind.RATIO: _NUMERIC,
    FeatureKind.ZSCORE: _NUMERIC,
    FeatureKind.MIN: "min(e.$x)",
    FeatureKind.MAX: "max(e.$x)",
    FeatureKind.DISTINCT: "count(distinct e.$value) filter ($where)",
    FeatureKind.SHARE: "count(e.position) filter ($where), count(e.position)",
    FeatureKind.HOUR_SHARE: f"count(e.position) filter ({_NEAR_HOUR}), count(e.position)",
    FeatureKind.SINCE_LAST: _BACK.format("p.time_ms - e.time_ms"),
    FeatureKind.SINCE_FIRST: "max(p.time_ms - e.time_ms)",
    FeatureKind.IS_NEW: "p.$value, count(e.position) filter (e.$value = p.$value)",
    FeatureKind.DISTANCE: _PREVIOUS,
    FeatureKind.SPEED: _PREVIOUS,
    FeatureKind.PREVIOUS: _BACK.format("e.$x"),
    FeatureKind.IS_SAME: _BACK.format("e.$value = p.$value"),
}
_BEFORE = (
    *(FeatureKind.SINCE_LAST, FeatureKind.IS_NEW, FeatureKind.DISTANCE, FeatureKind.SPEED),
    *(FeatureKind.PREVIOUS, FeatureKind.IS_SAME),
)


def query(feature: Feature, spec: FeatureSpec) -> str:
    """The feature's definition in SQL."""
    keys = next(entity.keys for entity in spec.entities if entity.name == feature.entity)
    labelled = feature.kind in (FeatureKind.LABEL_COUNT, FeatureKind.LABEL_RATE)
    answer = Template(_ANSWER.get(feature.kind, "")).substitute(
        x=f'"fixed:{feature.field}"',
        value=f'"text:{feature.field}"',
        where=_condition(feature.where),
        back=feature.back,
    )
    window = _WINDOW.substitute(
        same_key=" and ".join(f'e."text:{key}" = p."text:{key}"' for key in keys),
        left_edge=f'p."start:{feature.name}" - 1' if feature.calendar else _ROLLING,
        reach="<" if feature.exclude_current or feature.kind in _BEFORE else "<=",
    )
    return (_LABELLED_QUERY if labelled else _QUERY).substitute(
        has_key=" and ".join(f'p."text:{key}" is not null' for key in keys), answer=answer, window=window
    )


def parameters(feature: Feature, spec: FeatureSpec) -> dict[str, Any]:
    """Values of the query's named parameters."""
    values: dict[str, Any] = {
        "delay_ms": feature.delay_ms,
        "retention_ms": spec.retention_ms(feature.entity),
    }
    if not feature.calendar:
        values["window_ms"] = feature.window_ms if feature.kind in WINDOWED else spec.horizon_ms
    if feature.where:
        wanted = feature.where.value
        values["wanted"] = list(wanted) if isinstance(wanted, tuple) else wanted
    return values


def _condition(where: Where | None) -> str:
    if where is None:
        return "true"
    first = where.value[0] if isinstance(where.value, tuple) else where.value
    column, sql_type = ("text", "varchar") if isinstance(first, str) else ("number", "double")
    field = f'e."{column}:{where.field}"'
    if where.op == "in":
        return f"list_contains($wanted::{sql_type}[], {field})"
    return f"{field} {where.op} $wanted::{sql_type}"
