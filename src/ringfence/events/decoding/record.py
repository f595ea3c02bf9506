"""One event as JSON: what a line of NDJSON, the body of a request or a message on a topic looks like.

    {"transaction_id": "t1", "event_time": "2024-03-01T10:15:00Z", "amount": "12.34", "currency": "EUR",
     "card_number": "4111111111111111", "merchant_id": "m7", "attributes": {"basket": 3}}

A member "kind" tells other events apart: label, profile, list_entry, flag, lifecycle. Which fields an event
must have is checked with everything else, in `draft`; here every field may be absent, and a field that nobody
knows is refused.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

Text = str | int
Time = str | int  # ISO 8601 with a zone, or milliseconds since 1970
Value = str | bool | float | None
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Transaction(msgspec.Struct, tag_field="kind", tag="transaction", forbid_unknown_fields=True, gc=False):
    """A payment. `amount` is decimal text or a number in major units, `amount_minor` an integer."""

    transaction_id: Text | None = None
    event_time: Time | None = None
    amount: str | float | None = None
    amount_minor: _Int64 | None = None
    currency: str | None = None
    card_number: Text | None = None
    customer_id: Text | None = None
    account_id: Text | None = None
    card_id: Text | None = None
    card_bin: Text | None = None  # first six digits, for those who send a token; a card number tells its own
    card_bin8: Text | None = None
    merchant_id: Text | None = None
    device_id: Text | None = None
    terminal_id: Text | None = None
    counterparty_id: Text | None = None
    ip: Text | None = None
    email: Text | None = None
    phone: Text | None = None
    channel: Text | None = None
    entry_mode: Text | None = None
    merchant_category: Text | None = None
    country: Text | None = None
    city: Text | None = None
    lat: float | None = None
    lon: float | None = None
    attributes: dict[str, Value] | None = None


class Label(msgspec.Struct, tag_field="kind", tag="label", forbid_unknown_fields=True, gc=False):
    """Whether a transaction was fraud, as known at `event_time`."""

    event_id: Text | None = None
    transaction_id: Text | None = None
    event_time: Time | None = None
    label: bool | None = None
    label_source: Text | None = None
    reason_code: Text | None = None
    note: str | None = None


class Profile(msgspec.Struct, tag_field="kind", tag="profile", forbid_unknown_fields=True, gc=False):
    """What is known of an entity from now on."""

    event_id: Text | None = None
    event_time: Time | None = None
    entity_type: str | None = None
    entity_id: Text | None = None
    note: str | None = None
    attributes: dict[str, Value] | None = None


class ListEntry(msgspec.Struct, tag_field="kind", tag="list_entry", forbid_unknown_fields=True, gc=False):
    """An entity joins or leaves a list."""

    event_id: Text | None = None
    event_time: Time | None = None
    list_name: str | None = None
    list_kind: str | None = None
    entity_type: str | None = None
    entity_id: Text | None = None
    removed: bool | None = None
    expires_at: Time | None = None
    note: str | None = None


class Flag(msgspec.Struct, tag_field="kind", tag="flag", forbid_unknown_fields=True, gc=False):
    """An entity is flagged from `effective_at` on."""

    event_id: Text | None = None
    event_time: Time | None = None
    entity_type: str | None = None
    entity_id: Text | None = None
    effective_at: Time | None = None
    expires_at: Time | None = None
    removed: bool | None = None
    note: str | None = None


class Lifecycle(msgspec.Struct, tag_field="kind", tag="lifecycle", forbid_unknown_fields=True, gc=False):
    """What became of a payment: an `action` (`events.model.ACTIONS`) on the payment `transaction_id`.

    Amounts are as a payment's: what this action moves, not what is left.
    """

    event_id: Text | None = None
    transaction_id: Text | None = None
    event_time: Time | None = None
    action: str | None = None
    amount: str | float | None = None
    amount_minor: _Int64 | None = None
    currency: str | None = None
    reason_code: Text | None = None
    note: str | None = None
    attributes: dict[str, Value] | None = None


Event = Transaction | Label | Profile | ListEntry | Flag | Lifecycle
RECORDS: Final[dict[str, type[Event]]] = {
    "transaction": Transaction,
    "label": Label,
    "profile": Profile,
    "list_entry": ListEntry,
    "flag": Flag,
    "lifecycle": Lifecycle,
}
"""The structs by their "kind"."""
