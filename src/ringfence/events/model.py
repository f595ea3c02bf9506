"""What an event is: a few kinds, one set of fields, in columns.

Every input is an event in one ordered log. Position in the log says what was known when; `event_time_ms` says
when it happened. Times are UTC, integer milliseconds; money is integer minor units of its currency.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import pyarrow as pa


class Kind(IntEnum):
    """What an event says. The numbers are stored: never renumber."""

    TRANSACTION = 0
    LABEL = 1  # transaction_id was (label = true) or was not fraud
    PROFILE = 2  # what is known of entity_type / entity_id from now on: its attributes
    LIST_ENTRY = 3  # entity_id joins (or, removed = true, leaves) the list list_name
    FLAG = 4  # entity_type / entity_id is flagged from effective_at_ms on
    ACTIVATION = 5  # from here on version entity_id of entity_type ("rules", "models") decides; ours alone
    LIFECYCLE = 6  # what became of the payment transaction_id: its action, such as a capture or a refund


ID_FIELDS: Final = (
    "customer_id",
    "account_id",
    "card_id",
    "merchant_id",
    "device_id",
    "terminal_id",
    "counterparty_id",
    "ip",
    "email",
    "phone",
)
CATEGORY_FIELDS: Final = ("currency", "channel", "entry_mode", "merchant_category", "country", "city")

BIN_FIELDS: Final = {"card_bin": 6, "card_bin8": 8}
"""First digits of the card number, and how many of them (`events.values.bins`)."""

_TRANSACTION_FIELDS: Final = [
    pa.field("transaction_id", pa.string()),  # also the target of a label or of an action
    *(pa.field(name, pa.string()) for name in ID_FIELDS),
    pa.field("card_last4", pa.string()),  # kept of a card number beside its token, card_id; so is its BIN
    *(pa.field(name, pa.string()) for name in BIN_FIELDS),
    pa.field("amount_minor", pa.int64()),
    *(pa.field(name, pa.string()) for name in CATEGORY_FIELDS),
    pa.field("lat", pa.float64()),  # degrees, where the payment was made
    pa.field("lon", pa.float64()),
]

EVENT_SCHEMA: Final = pa.schema(
    [
        pa.field("kind", pa.uint8(), nullable=False),
        pa.field("event_id", pa.string()),  # null for a transaction, whose id is transaction_id
        pa.field("event_time_ms", pa.int64(), nullable=False),
        pa.field("ingest_time_ms", pa.int64()),  # when Ringfence received it
        *_TRANSACTION_FIELDS,
        pa.field("label", pa.bool_()),
        pa.field("label_source", pa.string()),
        pa.field("entity_type", pa.string()),  # profile, flag: "customer", "card", ...; activation: what
        pa.field("entity_id", pa.string()),  # profile, flag, list entry
        pa.field("list_name", pa.string()),
        pa.field("list_kind", pa.string()),  # allow | block | watch
        pa.field("removed", pa.bool_()),  # list entry, flag: true takes it away again
        pa.field("effective_at_ms", pa.int64()),  # flag: since when
        pa.field("expires_at_ms", pa.int64()),  # list entry, flag: until when, null for ever
        pa.field("note", pa.string()),
        pa.field("action", pa.string()),  # lifecycle: one of ACTIONS
        pa.field("reason_code", pa.string()),  # lifecycle, label: the network's or the bank's code for why
    ]
)
"""All canonical columns. A batch leaves out a column that none of its rows uses."""

ACTIONS: Final = ("increment", "capture", "reversal", "refund", "chargeback", "representment")
"""What may become of a payment. Stored as words; their order is that of `lifecycle` features."""

ATTRIBUTE_PREFIX: Final = "attributes."
"""Free fields are extra columns named `attributes.<name>`, each double, string or bool."""

START_DAY_PREFIX: Final = "start_day."
"""`start_day.attributes.<name>` is the day on which a number of days, such as an account's age, began."""

OTHER_ATTRIBUTES: Final = "attributes"
"""Free fields that have no place in such a column, as a JSON object per row (`events.attributes`)."""

AUTHOR: Final = "attributes.author"
"""Who put a version in force or changed a list, where Ringfence knows it: no source can say so itself."""

FOLLOWED: Final = "attributes.followed"
"""Of an activation: where in a control topic it was taken over from, such as `rules/0/1041`."""

ADDED_BY: Final = "attributes.rule"
"""Of a list entry: the rule that made it."""

LIST_SOURCE: Final = "attributes.source"
"""Of a list entry: where it is known from."""

AMOUNT_LIMIT_MAJOR: Final = 10**13
"""Largest absolute amount in major units; more is quarantined as absurd.

Sums and squares stay exact below it.
"""

AMOUNT_SCALE: Final = 1000
"""Features hold money as integer thousandths of a major unit: exact in every currency in circulation."""
