"""A mapping says how a source's columns become the fields of events: a TOML file, shipped or the user's own.

name = "till"
[[records]]
kind = "transaction"
[records.fields]
transaction_id = "receipt"
event_time = { column = "when", format = "%d.%m.%Y %H:%M", zone = "Europe/Zurich" }
amount = { column = "rappen", unit = "minor" }
currency = { constant = "CHF" }
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from ringfence.errors import InputError
from ringfence.events.mapping_check import read_mapping
from ringfence.events.values.texts import TOML_LIMIT, parse_toml, read_text
from ringfence.events.values.vocabulary import Mapping, nearest

SHIPPED: Final = (
    "canonical",
    "handbook",
    "sparkov",
    "flagged-accounts",
    "micro-macro",
    "labels",
    "stripe",
    "stripe-api",
    "adyen",
    "paypal",
    "paysim",
    "tabformer",
    "banksim",
    "open-banking-uk",
    "open-banking-uk-response",
    "berlin-group",
    "berlin-group-response",
    "pacs008",
    "pacs004",
    "pacs007",
    "pain001",
    "iso8583",
    "fraud-detector",
)


class Description(msgspec.Struct, frozen=True):
    """What `ringfence sources` says of a mapping."""

    name: str
    title: str
    about: str
    kinds: tuple[str, ...]
    columns: tuple[str, ...]


def load_mapping(name_or_path: str) -> Mapping:
    """A shipped mapping by name, or the one in a `.toml` file.

    >>> load_mapping("handbook").records[0].kind
    'transaction'
    """
    if name_or_path in SHIPPED:
        return _shipped(name_or_path)
    path = Path(name_or_path)
    if path.suffix != ".toml":
        near = nearest(name_or_path, SHIPPED)
        raise InputError(
            f"no mapping {name_or_path!r}{near}: use one of {', '.join(SHIPPED)}, or a file ending in .toml"
        )
    try:
        text = read_text(path, TOML_LIMIT)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"mapping file {path} cannot be read ({error}): check the path") from error
    return parse_mapping(text, str(path))


def parse_mapping(text: str, where: str) -> Mapping:
    """The mapping that a TOML text describes; `InputError` names what is wrong with it."""
    data = parse_toml(text, f"mapping {where}")
    return read_mapping({"name": Path(where).stem, **data}, where)


def describe_mappings() -> list[Description]:
    """The shipped mappings, for people."""
    return [_describe(_shipped(name)) for name in SHIPPED]


@cache
def _shipped(name: str) -> Mapping:
    text = resources.files("ringfence.events").joinpath("mappings", f"{name}.toml").read_text("utf-8")
    return parse_mapping(text, name)


def _describe(mapping: Mapping) -> Description:
    columns = dict.fromkeys(
        column
        for record in mapping.records
        for source in (*record.sources().values(), *record.attribute_sources(()).values())
        for column in source.columns
    )
    labels = [record.label.column for record in mapping.records if record.label]
    kinds = dict.fromkeys([record.kind for record in mapping.records] + ["label"] * bool(labels))
    return Description(mapping.name, mapping.title, mapping.about, tuple(kinds), (*columns, *labels))
