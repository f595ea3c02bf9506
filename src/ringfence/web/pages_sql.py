"""Ad-hoc SQL over the analysis tables: read-only by construction, bounded in time and rows."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from ringfence.access.principal import Role
from ringfence.errors import InputError
from ringfence.masking import mask_cards
from ringfence.web.asking import dashboard_of, demand
from ringfence.web.rendering import render

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

router = APIRouter()
PATH: Final = "/sql"  # in the navigation
MOST_ROWS: Final = 1000
SECONDS: Final = 10.0
_COLUMNS: Final = (
    "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE table_name IN ('transactions', "
    "'decisions', 'labels', 'events', 'flag_matches') ORDER BY table_name, column_index"
)
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
async def editor(request: Request) -> Response:
    """The editor, with the tables and their columns."""
    demand(request, Role.ANALYST)
    dashboard = dashboard_of(request)
    found = await asyncio.to_thread(dashboard.console.sql, _COLUMNS)
    tables: dict[str, list[tuple[str, str]]] = {}
    for row in found.to_pylist():
        tables.setdefault(row["table_name"], []).append((row["column_name"], row["data_type"]))
    values = {"tables": tables, "examples": _EXAMPLES, "most": MOST_ROWS, "seconds": SECONDS}
    return render(request, "sql.html", values)


@router.post("/sql")
async def ask(request: Request, statement: Annotated[str, Form(max_length=65_536)] = "") -> Response:
    """What a statement gives, as a table."""
    demand(request, Role.ANALYST)
    values = await asyncio.to_thread(_answer, dashboard_of(request), statement.strip().rstrip(";"))
    return render(request, "parts/sql.html", values)


def _answer(dashboard: Dashboard, statement: str) -> dict[str, Any]:
    problem, names, rows, more = "", [], [], False
    if not statement:
        problem = "Write a statement first, such as SELECT count(*) FROM decisions."
    else:
        timer = threading.Timer(SECONDS, dashboard.console.interrupt)
        timer.start()
        try:
            table = dashboard.console.sql(statement, most=MOST_ROWS + 1)
            names = table.schema.names
            rows = [list(row.values()) for row in table.slice(0, MOST_ROWS).to_pylist()]
            more = len(table) > MOST_ROWS
        except InputError as error:
            late = "INTERRUPT" in str(error)
            problem = (
                f"This took longer than {SECONDS:.0f} s and was stopped: ask for less."
                if late
                else str(error)
            )
        finally:
            timer.cancel()
    shown = [[mask_cards(value) if isinstance(value, str) else value for value in row] for row in rows]
    return {"problem": problem, "names": names, "found": shown, "more": more, "most": MOST_ROWS}
