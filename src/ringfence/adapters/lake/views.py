"""The SQL that makes readable views of files and tails."""

# ruff: noqa: S608 - identifiers go through `quoted`, texts through `text`, values are parameters

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ringfence.adapters.lake.free_attributes import ATTRIBUTES, as_struct
from ringfence.adapters.questions import LAKE, ROLLUPS, VIEWS
from ringfence.events.model import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

_KINDS: Final = " ".join(f"WHEN {kind.value} THEN '{kind.name.lower()}'" for kind in Kind)
_NOT_OF_TRANSACTIONS: Final = (
    "kind, event_id, label, label_source, entity_type, entity_id, list_name, list_kind, removed, "
    "effective_at_ms, expires_at_ms, note, action, reason_code"
)


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """An SQL text literal."""
    return "'" + value.replace("'", "''") + "'"


def raw_view(topic: str, files: Sequence[Path]) -> str:
    """`raw_<topic>`: every row of the files and of the registered tail."""
    parts = [f"SELECT * FROM tail_{topic}"]
    if files:
        paths = ", ".join(text(str(path)) for path in files)
        parts.insert(0, f"SELECT * FROM read_parquet([{paths}], union_by_name = true)")
    return _view(f"raw_{topic}", " UNION ALL BY NAME ".join(parts))


def event_views(types: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """`events`, `transactions`, `labels` and `lifecycle`.

    `attributes` is a JSON object, or, where a statement asks for some by name as rules do, a struct of these,
    with the SQL type of each.
    """
    left_out = f'kind, "offset", {ATTRIBUTES}'
    events = (
        f'SELECT "offset", CASE kind {_KINDS} END AS kind, make_timestamp_ms(event_time_ms) AS event_time, '
        f"* EXCLUDE ({left_out}), {as_struct(types)} AS attributes FROM raw_events"
    )
    transactions = f"SELECT * EXCLUDE ({_NOT_OF_TRANSACTIONS}) FROM events WHERE kind = 'transaction'"
    labels = (
        'SELECT "offset", event_time, event_time_ms, transaction_id, label, label_source, reason_code, note '
        "FROM events WHERE kind = 'label'"
    )
    lifecycle = (
        'SELECT "offset", event_id, event_time, event_time_ms, transaction_id, action, amount, currency, '
        "reason_code, note, attributes FROM events WHERE kind = 'lifecycle'"
    )
    views = {"events": events, "transactions": transactions, "labels": labels, "lifecycle": lifecycle}
    return [_view(name, query) for name, query in views.items()]


def decision_views(columns: Iterable[str]) -> list[str]:
    """`decisions`, and `features`, where `card.count_1h` is written as in rules."""
    features = [name for name in columns if "." in name]
    structs = []
    for entity in dict.fromkeys(name.partition(".")[0] for name in features):
        own = [name for name in features if name.startswith(f"{entity}.")]
        structs.append(f"{_struct(own, f'{entity}.')} AS {quoted(entity)}")
    left_out = ", ".join(["feature_names", "challenger_names", *map(quoted, features)])
    decisions = (
        f"SELECT * EXCLUDE ({left_out}), make_timestamp_ms(event_time_ms) AS event_time, "
        "make_timestamp_ms(decided_at_ms) AS decided_at FROM raw_decisions"
    )
    which = '"offset", transaction_id, event_time_ms, make_timestamp_ms(event_time_ms) AS event_time'
    measured = f"SELECT {', '.join([which, *structs])} FROM raw_decisions"
    return [_view("decisions", decisions), _view("features", measured)]


def flag_match_views(_: Iterable[str]) -> list[str]:
    """`flag_matches`: transactions that a flag covers which arrived after they had been decided."""
    times = (
        "make_timestamp_ms(transaction_time_ms) AS transaction_time, "
        "make_timestamp_ms(flag_since_ms) AS flag_since"
    )
    return [_view("flag_matches", f"SELECT *, {times} FROM raw_flag_matches")]


def question_views(label_sources: Sequence[str]) -> list[str]:
    """Business questions (`adapters.questions`), once the views of all topics are there.

    `label_sources`: whose label counts where two differ, the strongest first.
    """
    rows = ", ".join(f"({text(name)}, {place})" for place, name in enumerate(label_sources))
    ranks = f"SELECT * FROM (VALUES {rows or '(NULL, NULL)'}) AS r(label_source, place)"
    named = {"label_ranks": ranks, **LAKE, **ROLLUPS, **VIEWS}
    return [_view(name, statement) for name, statement in named.items()]


def _view(name: str, query: str) -> str:
    return f"CREATE OR REPLACE VIEW {name} AS {query}"


def _struct(names: Sequence[str], prefix: str) -> str:
    return "{" + ", ".join(f"{text(name.removeprefix(prefix))}: {quoted(name)}" for name in names) + "}"


def decision_query(filters: Collection[str], entity_column: str) -> str:
    """Decisions with who and how much, newest first, where the named filters hold.

    Chosen by the few columns that the filters need; only then are whole rows read.
    """
    conditions = {
        "since_ms": "d.event_time_ms >= $since_ms",
        "until_ms": "d.event_time_ms < $until_ms",
        "outcome": "d.outcome = $outcome",
        "before_ms": '(d.event_time_ms, d."offset") < ($before_ms, $before_offset)',
        "rule": "list_contains(d.rules, $rule)",
        "entity_id": f"t.{quoted(entity_column)} IN ($entity_id, $or_id)",
    }
    where = " AND ".join(conditions[name] for name in filters if name in conditions) or "true"
    with_entity = 'JOIN raw_events t ON t."offset" = d."offset"' if "entity_id" in filters else ""
    order = 'd.event_time_ms DESC, d."offset" DESC'
    return (
        f'WITH chosen AS MATERIALIZED (SELECT d."offset" FROM raw_decisions d {with_entity} WHERE {where} '
        f"ORDER BY {order} LIMIT $limit) "
        "SELECT d.*, t.amount, t.currency, t.customer_id, t.card_id, t.merchant_id FROM chosen "
        'JOIN decisions d ON d."offset" = chosen."offset" JOIN transactions t ON t."offset" = d."offset" '
        f"ORDER BY {order}"
    )
