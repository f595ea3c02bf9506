"""What one portion of the log adds to each table, asked in SQL of its rows in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.adapters.questions import ROLLUPS
from ringfence.adapters.relational import rows
from ringfence.adapters.relational.schema import (
    decisions,
    flags,
    labels,
    lifecycle,
    list_entries,
    transactions,
)
from ringfence.adapters.relational.statements import PORTION
from ringfence.events.model import Kind
from ringfence.events.truth import source_ranks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from sqlalchemy import Table

    from ringfence.ports import LogBatch

_FACTS: Final = {
    "transactions": (transactions, Kind.TRANSACTION),
    "labels": (labels, Kind.LABEL),
    "lifecycle": (lifecycle, Kind.LIFECYCLE),
    "list_entries": (list_entries, Kind.LIST_ENTRY),
    "flags": (flags, Kind.FLAG),
}
_IN_ORDER: Final = [(name, "ascending") for name in ("account_id", "card_id", "offset")]
"""Of payments: rows of one account and card are on one page of each index, which costs a quarter less."""
_OF_A_CUSTOMER: Final = (
    *("customer_id", "event_time", "offset", "gender", "job", "dob", "home_street", "home_city"),
    *("home_state", "home_zip", "home_lat", "home_lon", "city_pop"),
)


class EventPortion:
    """Events of some batches; `label_sources` ranks whose label counts, the strongest first."""

    def __init__(self, batches: Sequence[LogBatch], label_sources: Sequence[str] = ()) -> None:
        self._rows = rows.event_rows(batches)
        payments = rows.of_kind(self._rows, Kind.TRANSACTION)
        labels = rows.of_kind(self._rows, Kind.LABEL)
        places = pa.array(source_ranks(labels["label_source"], label_sources))
        one, zero = (pa.repeat(pa.scalar(value, pa.int64()), len(payments)) for value in (1, 0))
        self._ask = _Asked(
            payments=payments,
            counted_payments=payments.append_column("counted", one).append_column("fraud", zero),
            people=_people(payments, rows.of_kind(self._rows, Kind.PROFILE)),
            labels=labels.append_column("place", places),
            facts=payments.select(["event_time"]),
        )

    def months(self) -> list[date]:
        """First days of the months in which payments were made, in order."""
        found: list[date] = self._ask(PORTION["months"])["month"].to_pylist()
        return found

    def facts(self, name: str) -> pa.Table:
        """New rows of a table of facts."""
        table, kind = _FACTS[name]
        found = rows.of_kind(self._rows, kind)
        if kind is Kind.LABEL:
            found = found.filter(pc.and_(pc.is_valid(found["transaction_id"]), pc.is_valid(found["label"])))
        if kind is Kind.TRANSACTION:
            found = found.sort_by(_IN_ORDER)
        return found.select(_columns(table))

    def summary(self, name: str) -> pa.Table:
        """What the portion says for a table that may know some of it already."""
        return self._ask(PORTION[name])

    def rollup(self, name: str) -> pa.Table:
        """What it adds to a rollup, in the order of its key: neighbours are on one page."""
        return self._ask(f"FROM ({ROLLUPS[name]}) ORDER BY ALL")


class DecisionPortion:
    """Decisions of some batches, on payments from an offset on."""

    def __init__(self, batches: Sequence[LogBatch], first_payment: int) -> None:
        found = rows.decisions_of(batches)
        self._rows = found.filter(pc.greater_equal(found["offset"], first_payment))
        self._ask = _Asked(decisions=self._rows)

    def facts(self, name: str) -> pa.Table:
        """New rows of `decisions` or `fired_rules`."""
        return self._rows.select(_columns(decisions)) if name == "decisions" else self._ask(PORTION[name])

    def summary(self, name: str) -> pa.Table:
        """As of an `EventPortion`."""
        return self._ask(PORTION[name])


class _Asked:
    """Arrow tables by name, to be asked in SQL."""

    def __init__(self, **tables: pa.Table) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        for name, table in tables.items():
            self._connection.register(name, table)

    def __call__(self, statement: str) -> pa.Table:
        found: Any = self._connection.sql(statement).to_arrow_table()
        return found


def _people(payments: pa.Table, profiles: pa.Table) -> pa.Table:
    """Rows that say something of a customer, by `customer_id`."""
    told = profiles.filter(pc.equal(profiles["entity_type"], "customer"))
    place = told.column_names.index("customer_id")
    told = told.set_column(place, "customer_id", told["entity_id"])
    both = pa.concat_tables([payments.select(_OF_A_CUSTOMER), told.select(_OF_A_CUSTOMER)])
    return both.filter(pc.is_valid(both["customer_id"]))


def _columns(table: Table) -> list[str]:
    return [column.name for column in table.columns]
