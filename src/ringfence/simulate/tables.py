"""Events of the world in Ringfence's own fields, as Arrow columns (mapping `canonical`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.model import Kind
from ringfence.simulate import names
from ringfence.simulate.categories import CATEGORIES, SEGMENTS
from ringfence.simulate.labels import SOURCES
from ringfence.simulate.places import CITIES
from ringfence.simulate.rows import SimulatedTypology

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.simulate.people import People
    from ringfence.simulate.rows import SimulatedRows
    from ringfence.simulate.shops import Shops

_WORD: Final = pa.dictionary(pa.int32(), pa.string())
_PLACE: Final = ("merchant_id", "merchant_category", "channel", "entry_mode", "country", "city")
_MEANS: Final = ("terminal_id", "device_id", "ip", "email", "phone", "counterparty_id")
SCHEMA: Final = pa.schema(
    [
        ("kind", _WORD),
        ("transaction_id", pa.string()),
        ("event_time", pa.timestamp("ms", "UTC")),
        ("amount", pa.float64()),
        ("currency", _WORD),
        *((name, _WORD) for name in ("customer_id", "account_id", "card_id", *_PLACE)),
        ("lat", pa.float64()),
        ("lon", pa.float64()),
        *((name, _WORD) for name in _MEANS),
        ("label", pa.bool_()),
        ("label_source", _WORD),
        ("event_id", pa.string()),
        *((name, _WORD) for name in ("entity_type", "entity_id")),
        *((f"attributes.{name}", _WORD) for name in ("segment", "home_city")),
        ("attributes.age", pa.float64()),
    ]
)
"""Columns of all events; what an event does not have is null."""

TRUTH_SCHEMA: Final = pa.schema([("transaction_id", pa.string()), ("typology", pa.string())])
"""Payments that are fraud in truth, known to anybody or not."""

_KINDS: Final = pa.array([kind.name.lower() for kind in Kind])
_CHANNELS: Final = pa.array(["pos", "online", "transfer", "atm"])
_ENTRIES: Final = pa.array(["contactless", "chip", "swipe", "keyed", "recurring"])
_CATEGORIES: Final = pa.array([item.name for item in CATEGORIES])
_SEGMENTS: Final = pa.array([item.name for item in SEGMENTS])
_CITIES: Final = pa.array([city.name for city in CITIES[:-1]])
_COUNTRIES: Final = sorted({city.country for city in CITIES[:-1]})
_COUNTRY_OF: Final = np.array([_COUNTRIES.index(city.country) for city in CITIES[:-1]])


class SimulatedTables:
    """Names the events of one world."""

    def __init__(self, people: People, shops: Shops) -> None:
        self._people = people
        self._shops = shops
        self._merchants = names.shop_names(shops.category)
        self._first_terminal = np.cumsum(shops.terminals) - shops.terminals
        count = len(people)
        self._numbered = {
            kind: names.PersonNames(partial(names.numbered, prefix, digits=5))
            for kind, prefix in (
                ("customer", "cus-"),
                ("account", "acc-"),
                ("card", "card-"),
                ("device", "dev-"),
                ("terminal", "term-"),
            )
        }
        self._contacts = {
            "email": names.PersonNames(names.emails),
            "phone": names.PersonNames(names.phones),
            "ip": names.PersonNames(names.addresses),
        }
        self._accounts = count + count // 12 + 500

    def events(self, rows: SimulatedRows) -> pa.RecordBatch:
        """One row each, in order."""
        payment = rows.kind == Kind.TRANSACTION
        customer = np.where(payment, rows.customer, -1)
        columns = {
            "kind": _chosen(_KINDS, rows.kind),
            "transaction_id": _where(rows.number >= 0, names.transaction_ids, rows.number),
            "event_time": pa.array(rows.time_ms).cast(SCHEMA.field("event_time").type),
            "amount": pa.array(rows.amount_minor / 100, mask=~payment),
            "currency": _chosen(pa.array(["EUR"]), np.where(payment, 0, -1)),
            "customer_id": self._named("customer", customer, len(self._people)),
            "account_id": self._named("account", customer, self._accounts),
            "counterparty_id": self._named("account", rows.counterparty, self._accounts),
            "card_id": self._named("card", rows.card, self._people.issued["card"]),
            "device_id": self._named("device", rows.device, self._people.issued["device"]),
            "ip": _chosen(self._contacts["ip"].upto(self._people.issued["ip"]), rows.ip),
            "channel": _chosen(_CHANNELS, rows.channel),
            "entry_mode": _chosen(_ENTRIES, rows.entry),
            "label": pa.array(rows.label == 1, mask=rows.label < 0),
            "label_source": _chosen(pa.array(SOURCES), rows.source),
            **self._contact(rows.contact),
            **self._shop(rows, payment),
            **self._profile(rows),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)

    def truth(self, rows: SimulatedRows) -> pa.RecordBatch:
        """Those of the payments that are fraud, and of what kind."""
        fraud = rows.take((rows.kind == Kind.TRANSACTION) & (rows.truth != SimulatedTypology.HONEST))
        kinds = pa.array([kind.name.lower() for kind in SimulatedTypology])
        return pa.RecordBatch.from_arrays(
            [names.transaction_ids(fraud.number), kinds.take(pa.array(fraud.truth))], schema=TRUTH_SCHEMA
        )

    def _named(self, kind: str, codes: NDArray[Any], count: int) -> pa.Array:
        return _chosen(self._numbered[kind].upto(count), codes)

    def _contact(self, codes: NDArray[np.int32]) -> dict[str, pa.Array]:
        count = self._people.issued["contact"]
        return {name: _chosen(self._contacts[name].upto(count), codes) for name in ("email", "phone")}

    def _shop(self, rows: SimulatedRows, payment: NDArray[np.bool_]) -> dict[str, pa.Array]:
        """Where it was paid, and to whom; online there is a country only: the payer's."""
        shops, at = self._shops, rows.merchant
        some, till = at >= 0, rows.terminal >= 0
        terminal = np.where(till, self._first_terminal[at] + rows.terminal, -1)
        country = np.where(rows.city >= 0, _COUNTRY_OF[rows.city], -1)
        return {
            "merchant_id": _chosen(self._merchants, at),
            "merchant_category": _chosen(_CATEGORIES, np.where(some, shops.category[at], -1)),
            "country": _chosen(pa.array(_COUNTRIES), np.where(payment, country, -1)),
            "city": _chosen(_CITIES, np.where(till, shops.city[at], -1)),
            "lat": pa.array(shops.lat[at], mask=~till),
            "lon": pa.array(shops.lon[at], mask=~till),
            "terminal_id": self._named("terminal", terminal, int(shops.terminals.sum())),
        }

    def _profile(self, rows: SimulatedRows) -> dict[str, pa.Array]:
        """What is told of a customer, and the ids of events that are no payments."""
        people, profile = self._people, rows.kind == Kind.PROFILE
        who = np.where(profile, rows.customer, -1)
        label = _where(rows.kind == Kind.LABEL, lambda at: names.numbered("label-", at, 9), rows.number)
        told = _where(profile, lambda at: names.numbered("profile-", at, 9), rows.customer)
        return {
            "event_id": pc.coalesce(label, told),
            "entity_type": _chosen(pa.array(["customer"]), np.where(profile, 0, -1)),
            "entity_id": self._named("customer", who, len(people)),
            "attributes.segment": _chosen(_SEGMENTS, np.where(profile, people.segment[who], -1)),
            "attributes.home_city": _chosen(_CITIES, np.where(profile, people.home[who], -1)),
            "attributes.age": pa.array(people.age[who], mask=~profile),
        }


def _chosen(words: pa.Array, codes: NDArray[Any]) -> pa.Array:
    """The word of each code, null for a negative one."""
    missing = codes < 0
    at = pa.array(codes.astype(np.int32), mask=missing if missing.any() else None)
    if len(words) > 2 * len(codes) + 1000:
        return words.take(at).dictionary_encode()
    return pa.DictionaryArray.from_arrays(at, words)


def _where(mask: NDArray[np.bool_], name: Any, numbers: NDArray[Any]) -> pa.Array:
    """Names where the mask is true, null elsewhere."""
    if mask.all():
        return name(numbers)
    at = np.cumsum(mask) - 1
    return name(numbers[mask]).take(pa.array(at, mask=~mask))
