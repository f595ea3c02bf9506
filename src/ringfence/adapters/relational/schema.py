"""The tables of the relational store: dimensions, facts by month, rollups.

Money is NUMERIC in major units beside its currency; times have a zone. A fact's natural key is the payment's
id with its time, by which facts are partitioned: foreign keys between partitioned tables need both.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SCHEMA: Final = "ringfence"
"""Where everything lives, so that the store may share a database with others."""

MONEY: Final = Numeric(22, 3)  # thousandths of a major unit: exact in every currency in circulation
_TIME: Final = DateTime(timezone=True)

metadata: Final = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    },
)


def _column(name: str, kind: Any = Text, *, key: bool = False, null: bool = False) -> Column[Any]:
    return Column(name, kind, primary_key=key, nullable=null and not key, autoincrement=False)


def _counts() -> list[Column[Any]]:
    """What every rollup counts; a payment is a fraud once a label in force says so."""
    return [
        _column("payments", BigInteger),
        _column("amount", MONEY),
        _column("frauds", BigInteger),
        _column("fraud_amount", MONEY),
    ]


def _to_transaction() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["transaction_id", "event_time"],
        [f"{SCHEMA}.transactions.transaction_id", f"{SCHEMA}.transactions.event_time"],
    )


def _to_decision() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["transaction_id", "event_time"],
        [f"{SCHEMA}.decisions.transaction_id", f"{SCHEMA}.decisions.event_time"],
    )


def _to(table: str, column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint([column], [f"{SCHEMA}.{table}.{column}"])


log_source: Final = Table(
    "log_source",
    metadata,
    _column("log_id", key=True),  # the one log that this store is made from
    comment="Identity of the log",
)
positions: Final = Table(
    "positions",
    metadata,
    _column("topic", key=True),
    _column("first_offset", BigInteger),
    _column("next_offset", BigInteger),
    comment="Beginning and end of what the store holds, by topic of the log; written with the rows",
)

customers: Final = Table(
    "customers",
    metadata,
    _column("customer_id", key=True),
    _column("gender", null=True),
    _column("birth_date", Date, null=True),
    _column("job", null=True),
    comment="Who pays; what is known comes from profiles and from fields of payments, the latest counts",
)
cards: Final = Table(
    "cards",
    metadata,
    _column("card_id", key=True),
    _column("customer_id", null=True),
    _column("last4", null=True),
    _to("customers", "customer_id"),
    comment="Cards by token, never by number",
)
accounts: Final = Table(
    "accounts",
    metadata,
    _column("account_id", key=True),
    _column("customer_id", null=True),
    _to("customers", "customer_id"),
    comment="Accounts that pay",
)
merchants: Final = Table("merchants", metadata, _column("merchant_id", key=True), comment="Who is paid")
devices: Final = Table(
    "devices", metadata, _column("device_id", key=True), comment="What payments are made with"
)
addresses: Final = Table(
    "addresses",
    metadata,
    _column("customer_id", key=True),
    _column("valid_from", _TIME, key=True),
    _column("street", null=True),
    _column("city", null=True),
    _column("state", null=True),
    _column("zip", null=True),
    _column("city_population", Double, null=True),
    _column("lat", Double, null=True),
    _column("lon", Double, null=True),
    _to("customers", "customer_id"),
    comment="Where a customer lived from when on: one row for each change",
)

transactions: Final = Table(
    "transactions",
    metadata,
    _column("transaction_id", key=True),
    _column("event_time", _TIME, key=True),
    _column("offset", BigInteger),
    _column("ingest_time", _TIME, null=True),
    _column("customer_id", null=True),
    _column("card_id", null=True),
    _column("account_id", null=True),
    _column("merchant_id", null=True),
    _column("device_id", null=True),
    _column("terminal_id", null=True),
    _column("counterparty_id", null=True),
    _column("ip", null=True),
    _column("email", null=True),
    _column("phone", null=True),
    _column("amount", MONEY, null=True),
    _column("currency", null=True),
    _column("channel", null=True),
    _column("entry_mode", null=True),
    _column("merchant_category", null=True),
    _column("country", null=True),
    _column("city", null=True),
    _column("state", null=True),
    _column("lat", Double, null=True),
    _column("lon", Double, null=True),
    _column("home_distance_km", Double, null=True),
    _column("attributes", JSONB, null=True),
    _to("customers", "customer_id"),
    _to("cards", "card_id"),
    _to("accounts", "account_id"),
    _to("merchants", "merchant_id"),
    _to("devices", "device_id"),
    # Without the time: equal keys share an entry, which halves what an index costs the loader.
    Index("ix_transactions_card_id", "card_id"),
    Index("ix_transactions_account_id", "account_id"),
    Index("ix_transactions_event_time", "event_time", postgresql_using="brin"),
    Index("ix_transactions_offset", "offset", postgresql_using="brin"),
    postgresql_partition_by="RANGE (event_time)",
    comment="Payments, one row each",
)
decisions: Final = Table(
    "decisions",
    metadata,
    _column("transaction_id", key=True),
    _column("event_time", _TIME, key=True),
    _column("offset", BigInteger),
    _column("decided_at", _TIME),
    _column("outcome"),
    _column("score", Double),
    _column("probability", Double, null=True),
    _column("model", null=True),
    _column("control", Boolean),
    _column("reasons", ARRAY(Text)),
    _column("rules", ARRAY(Text)),
    _column("typologies", ARRAY(Text)),
    _column("degraded", ARRAY(Text)),
    _column("latency_us", BigInteger),
    _column("features_digest"),
    _column("rules_digest"),
    _to_transaction(),
    Index("ix_decisions_event_time", "event_time", postgresql_using="brin"),
    Index("ix_decisions_offset", "offset", postgresql_using="brin"),
    postgresql_partition_by="RANGE (event_time)",
    comment="What was decided on each payment, and why; feature values are in the lake",
)
fired_rules: Final = Table(
    "fired_rules",
    metadata,
    _column("transaction_id", key=True),
    _column("event_time", _TIME, key=True),
    _column("rule", key=True),
    _column("is_shadow", Boolean, key=True),
    _column("place", SmallInteger),  # 1 for the strictest rule
    _to_decision(),
    Index("ix_fired_rules_rule", "rule", "event_time"),
    postgresql_partition_by="RANGE (event_time)",
    comment="Rules that fired on a payment",
)
labels: Final = Table(
    "labels",
    metadata,
    _column("offset", BigInteger, key=True),
    _column("transaction_id"),
    _column("event_time", _TIME),
    _column("label", Boolean),
    _column("label_source", null=True),
    _column("reason_code", null=True),
    Index("ix_labels_transaction_id", "transaction_id"),
    comment="Everything that was said about fraud; the payment may be unknown",
)
label_order: Final = Table(
    "label_order",
    metadata,
    _column("sources", ARRAY(Text), key=True),
    comment="Sources of labels as known_labels ranks them: one row, the strongest first",
)
known_labels: Final = Table(
    "known_labels",
    metadata,
    _column("transaction_id", key=True),
    _column("is_fraud", Boolean),
    _column("offset", BigInteger),
    _column("event_time", _TIME),
    _column("place", BigInteger),  # of its source in label_order, 0 counts most
    Index("ix_known_labels_frauds", "transaction_id", postgresql_where="is_fraud"),
    comment="The label in force of each payment: of the source that ranks highest, then the latest",
)
lifecycle: Final = Table(
    "lifecycle",
    metadata,
    _column("offset", BigInteger, key=True),
    _column("event_id"),
    _column("transaction_id"),
    _column("event_time", _TIME),
    _column("action"),
    _column("amount", MONEY),
    _column("currency", null=True),
    _column("reason_code", null=True),
    _column("note", null=True),
    _column("attributes", JSONB, null=True),
    Index("ix_lifecycle_transaction_id", "transaction_id"),
    comment="What became of payments: captures, reversals, refunds, chargebacks; the payment may be unknown",
)
list_entries: Final = Table(
    "list_entries",
    metadata,
    _column("offset", BigInteger, key=True),
    _column("event_time", _TIME),
    _column("list_name"),
    _column("list_kind", null=True),
    _column("entity_type", null=True),
    _column("entity_id", null=True),
    _column("removed", Boolean, null=True),
    _column("expires_at", _TIME, null=True),
    _column("note", null=True),
    comment="Changes of lists",
)
flags: Final = Table(
    "flags",
    metadata,
    _column("offset", BigInteger, key=True),
    _column("event_time", _TIME),
    _column("entity_type", null=True),
    _column("entity_id", null=True),
    _column("effective_at", _TIME, null=True),
    _column("removed", Boolean, null=True),
    _column("expires_at", _TIME, null=True),
    _column("note", null=True),
    comment="Entities that were flagged, and since when",
)

payment_hours: Final = Table(
    "payment_hours",
    metadata,
    _column("hour", _TIME, key=True),
    _column("currency", key=True),  # empty where a payment names none
    *_counts(),
    comment="Payments by hour",
)
payment_days: Final = Table(
    "payment_days",
    metadata,
    _column("day", Date, key=True),
    _column("currency", key=True),
    _column("dimension", key=True),  # category, state, country, channel, home_distance
    _column("value", key=True),
    *_counts(),
    comment="Payments by day and one dimension",
)
payment_months: Final = Table(
    "payment_months",
    metadata,
    _column("month", Date, key=True),
    _column("currency", key=True),
    _column("dimension", key=True),  # merchant, customer
    _column("value", key=True),
    *_counts(),
    comment="Payments by month and merchant or customer",
    postgresql_with={"fillfactor": "70"},  # a count that changes stays on its page
)
outcome_hours: Final = Table(
    "outcome_hours",
    metadata,
    _column("hour", _TIME, key=True),
    _column("outcome", key=True),
    _column("decisions", BigInteger),
    comment="Decisions by hour and outcome",
)

PARTITIONED: Final = (transactions, decisions, fired_rules)
"""By month of the payment's time."""
