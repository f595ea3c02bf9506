"""Ad-hoc SQL over the analysis tables: read-only by construction, bounded in time, memory and rows."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Form, Query, Request
from pyarrow import types
from starlette.responses import Response

from ringfence.access.views import LONGEST_QUERY
from ringfence.api.audited import tell
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import Surroundings
from ringfence.errors import InputError
from ringfence.masking import find_cards, mask_cards
from ringfence.ports.tables import BEHIND
from ringfence.web.measure.measures import MEASURES
from ringfence.web.pages.performance import span_of
from ringfence.web.parts.asking import beside, dashboard_of
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.period import zone_name
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    import pyarrow as pa

    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/sql"  # in the navigation
MOST_ROWS: Final = 1000
SECONDS: Final = 10.0
MOST_BYTES: Final = 8_000_000
MOST_VALUES: Final = 500_000  # also those within lists: some take no bytes
CELL_CHARACTERS: Final = 2000
_NAME_CHARACTERS: Final = 200
_PIECE_CHARACTERS: Final = 400  # of a statement in one text of an audit record
_PIECES: Final = 10
_LOOKED_PAST: Final = 400  # characters after a cut, in which a card number may end
_COLUMNS: Final = (
    "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE table_name IN ('transactions', "
    "'decisions', 'features', 'labels', 'known_labels', 'events', 'lifecycle', 'flag_matches', 'quarantine') "
    "ORDER BY table_name, column_index"
)
_MOST_POINTS: Final = 500
_MOST_SERIES: Final = 6
_EXAMPLES: Final = (
    (
        "Outcomes",
        "SELECT outcome, count(*) AS payments\nFROM decisions\nGROUP BY outcome\nORDER BY payments DESC",
    ),
    (
        "Rules that fired most",
        (
            "SELECT unnest(rules) AS rule, count(*) AS payments\nFROM decisions\nGROUP BY rule\n"
            "ORDER BY payments DESC\nLIMIT 20"
        ),
    ),
    (
        "Fraud by label source",
        "SELECT label_source, label, count(*) AS labels\nFROM labels\nGROUP BY ALL\nORDER BY labels DESC",
    ),
)


@router.get("/sql")
async def editor(
    request: Request,
    panel: Annotated[str, Query(pattern="^[a-z]{0,20}$")] = "",
    part: Annotated[str, Query(max_length=400)] = "",
    since: Annotated[str, Query(max_length=40)] = "",
    until: Annotated[str, Query(max_length=40)] = "",
    currency: Annotated[str | None, Query(pattern="^[A-Z]{0,3}$")] = None,
    statement: Annotated[str, Query(max_length=LONGEST_QUERY)] = "",
) -> Response:
    """The editor, with the tables and their columns; with the frauds behind a place of a chart to be run.

    A statement in the address, such as that of a saved query, is shown and not run.
    """
    dashboard = dashboard_of(request)
    statement = statement or _EXAMPLES[0][1]
    if panel in MEASURES and MEASURES[panel].kind != "kpis":
        begin, end = await beside(request, span_of, dashboard, since, until)
        try:
            statement = MEASURES[panel].statement(begin, end, currency, zone_name(), part)
        except ValueError:
            raise Stop(422, "Give an hour of the week such as 1-23, or a day such as 2026-11-14.") from None
    tables: dict[str, list[tuple[str, str]]] = {}
    problem = ""
    try:
        found = await dashboard.of(Surroundings).pools.sql.run(dashboard.console.sql, _COLUMNS, None, SECONDS)
    except InputError as error:
        problem = str(error)
    else:
        for row in found.to_pylist():
            tables.setdefault(row["table_name"], []).append((row["column_name"], row["data_type"]))
    values: dict[str, Any] = {"tables": tables, "problem": problem, "examples": _EXAMPLES}
    values["statement"] = statement
    values |= {"most": MOST_ROWS, "seconds": SECONDS}
    return render(request, "sql.html", values)


@router.post("/sql")
async def ask(request: Request, statement: Annotated[str, Form(max_length=65_536)] = "") -> Response:
    """What a statement gives, as a table."""
    dashboard, asked = dashboard_of(request), statement.strip().rstrip(";")
    tell(request.scope, **_recorded(asked))

    def answered() -> Response:
        return render(request, "parts/sql.html", _answer(dashboard, asked))

    return await dashboard.of(Surroundings).pools.sql.run(answered)


def _recorded(statement: str) -> dict[str, str]:
    """A statement as the audit trail holds it: in pieces, as it cuts long texts, and with its length."""
    rest = re.sub(r"\s+", " ", statement)
    told = {"characters": str(len(statement))}
    for place in range(_PIECES):
        piece = cut(rest, _PIECE_CHARACTERS)
        told[f"continued_{place}" if place else "object"] = piece
        if piece == rest:
            break
        rest = rest[len(piece) - 1 :]
    return told


def _answer(dashboard: Dashboard, statement: str) -> dict[str, Any]:
    problem, points, behind, names, rows, more = "", "", "", [], [], False
    if not statement:
        problem = "Write a statement first, such as SELECT count(*) FROM decisions."
    else:
        try:
            table = dashboard.console.sql(statement, MOST_ROWS + 1, SECONDS)
            _check_size(table)
            more = len(table) > MOST_ROWS
            behind = (table.schema.metadata or {}).get(BEHIND, b"").decode()
            names = [mask_cards(cut(name, _NAME_CHARACTERS)) for name in table.schema.names]
            columns = [column.to_pylist() for column in table.slice(0, MOST_ROWS).columns]
            rows = [[_cell(value) for value in row] for row in zip(*columns, strict=True)]
            points = _points(table.schema, names, columns)
        except InputError as error:
            problem = mask_cards(cut(str(error), CELL_CHARACTERS))
    return {
        "problem": problem,
        "behind": behind,
        "names": names,
        "found": rows,
        "more": more,
        "most": MOST_ROWS,
        "points": points,
    }


def _points(schema: pa.Schema, names: list[str], columns: list[list[Any]]) -> str:
    """What a chart shows of a result, as JSON: numbers by the first column; empty where there is no chart."""
    if len(columns) < 2 or not 2 <= len(columns[0]) <= _MOST_POINTS:
        return ""
    numbers = [
        place
        for place, kind in enumerate(schema.types)
        if place and (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
    ]
    if not numbers:
        return ""
    series = [
        {"name": names[place], "data": [_number(value) for value in columns[place]]}
        for place in numbers[:_MOST_SERIES]
    ]
    labels = [_cell(value) or "" for value in columns[0]]
    is_time = types.is_temporal(schema.types[0])
    return msgspec.json.encode({"labels": labels, "series": series, "is_time": is_time}).decode()


def _number(value: object) -> float | None:
    """A number of a chart; none where a card has it, or nothing that can be drawn."""
    if not isinstance(value, int | float | Decimal) or _cell(value) != str(value):
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def _check_size(table: pa.Table) -> None:
    """`InputError` where a result is too much for a page."""
    values = sum(_values(chunk) for column in table.columns for chunk in column.chunks)
    if table.nbytes > MOST_BYTES or values > MOST_VALUES:
        raise InputError(
            f"The result is too large for a page ({table.nbytes / 1e6:,.1f} MB, {values:,} values): select "
            "fewer columns or shorter lists, or use `ringfence sql`."
        )


def _values(array: Any) -> int:
    """How many values stand in an array, and in the lists and structs within it."""
    kind = array.type
    if hasattr(array, "values"):  # lists and maps
        within = [array.values]
    else:
        within = [array.field(place) for place in range(kind.num_fields)] if hasattr(array, "field") else []
    return len(array) + sum(map(_values, within))


def _cell(value: object) -> str | None:
    """A value as text, without card numbers. A number is one only where a network has such cards."""
    if value is None:
        return None
    return mask_cards(cut(str(value), CELL_CHARACTERS), strict=isinstance(value, int | float | Decimal))


def cut(text: str, most: int) -> str:
    """The beginning of a text; it does not end within a card number, which nobody would know for one.

    >>> cut("card 4111 1111 1111 1111", 12), cut("SELECT 1", 12)
    ('card …', 'SELECT 1')
    """
    if len(text) <= most:
        return text
    cards = find_cards(text[: most + _LOOKED_PAST])
    return text[: min([most, *(card.start for card in cards if card.start < most < card.end)])] + "…"
