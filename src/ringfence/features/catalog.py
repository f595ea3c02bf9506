"""The shipped features: enough for the shipped rule book and a first model, and cheap.

A project's `features.py` may extend them:

from ringfence.features.catalog import CATALOG
SPEC = CATALOG.with_features(entity("card").count("30d"))
"""

from __future__ import annotations

from typing import Final

from ringfence.features.links import Graph, pays, uses
from ringfence.features.spec import BoundFeature, FeatureSpec, Where, entity

SMALL: Final = Where("small", "amount", "<=", 5.0)
"""Amounts with which stolen cards are tried out, in major units."""

CARD: Final = entity("card")
CUSTOMER: Final = entity("customer")
ACCOUNT: Final = entity("account")
MERCHANT: Final = entity("merchant")
TERMINAL: Final = entity("terminal")
DEVICE: Final = entity("device")
IP: Final = entity("ip")
EMAIL: Final = entity("email")

_CARD: Final[list[BoundFeature]] = [
    CARD.count("10m", where=SMALL),
    CARD.count("1h"),
    CARD.count("1d"),
    CARD.count("7d"),
    CARD.sum("amount", "1h"),
    CARD.sum("amount", "1d"),
    CARD.mean("amount", "7d"),
    CARD.std("amount", "30d"),
    CARD.zscore("amount", "30d"),
    CARD.ratio("amount", "7d"),
    CARD.distinct("merchant", "1d"),
    CARD.distinct("country", "1d"),
    CARD.is_new("merchant"),
    CARD.is_new("country"),
    CARD.is_new("device"),
    CARD.distance_km(),
    CARD.speed_kmh(),
    CARD.seconds_since_last(),
    CARD.seconds_since_first(),
]
_CUSTOMER: Final[list[BoundFeature]] = [
    CUSTOMER.count("10m", where=SMALL),
    CUSTOMER.count("1h"),
    CUSTOMER.count("1d"),
    CUSTOMER.count("7d"),
    CUSTOMER.count("30d"),
    CUSTOMER.sum("amount", "1d"),
    CUSTOMER.mean("amount", "7d"),
    CUSTOMER.mean("amount", "30d"),
    CUSTOMER.zscore("amount", "30d"),
    CUSTOMER.distinct("merchant", "1d"),
    CUSTOMER.is_new("device"),
    CUSTOMER.is_new("country"),
]
_ACCOUNT: Final[list[BoundFeature]] = [
    ACCOUNT.count("15m"),
    ACCOUNT.count("1d"),
    ACCOUNT.sum("amount", "5m"),
    ACCOUNT.sum("amount", "1d"),
    ACCOUNT.distinct("counterparty", "1d"),
]
_MERCHANT: Final[list[BoundFeature]] = [
    MERCHANT.count("1h"),
    MERCHANT.count("1d"),
    MERCHANT.mean("amount", "7d"),
    MERCHANT.label_count("28d", delay="7d"),
    MERCHANT.label_rate("28d", delay="7d"),
]
_PLACE: Final[list[BoundFeature]] = [
    TERMINAL.count("1d"),
    TERMINAL.label_rate("7d", delay="7d"),
    TERMINAL.label_count("28d", delay="7d"),
    TERMINAL.label_rate("28d", delay="7d"),
    DEVICE.count("1h"),
    DEVICE.distinct("card", "1d"),
    IP.count("1h"),
    IP.distinct("card", "1h"),
    EMAIL.distinct("card", "7d"),
]

CATALOG: Final = FeatureSpec.of(*_CARD, *_CUSTOMER, *_ACCOUNT, *_MERCHANT, *_PLACE)
"""Fifty features of eight entities."""

_PAIR: Final = CUSTOMER * DEVICE
_COUNTERPARTY: Final = entity("counterparty")

EXTENDED: Final = CATALOG.with_features(
    _PAIR.count("1h"),
    _PAIR.seconds_since_first(),
    _COUNTERPARTY.distinct("account", "7d"),
    _COUNTERPARTY.sum("amount", "1d"),
    _COUNTERPARTY.seconds_since_first(),
)
"""The catalog with what the typologies `new_device_spree` and `mule_fan_in` ask for."""

NETWORK: Final = EXTENDED.with_graph(
    Graph.of(
        *(uses("account", name, ttl="90d") for name in ("email", "phone", "device")),
        pays("account", "counterparty", ttl="30d"),
        windows=("1h", "1d", "7d"),
    )
)
"""That with a graph of accounts, which `mule_pass_through`, `shared_ring` and `layering` ask for."""
