"""Amounts that a column's name, or a column beside it, tells to be in other units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_LARGE: Final = (
    dict.fromkeys("teur tsd thousand thousands keur kusd tausend milliers miles".split(), 1000)  # noqa: SIM905
    | dict.fromkeys(("lakh", "lakhs"), 100_000)
    | dict.fromkeys(("million", "millions", "mio", "mln", "millionen"), 1_000_000)
)
"""Words of a name that tell in which units amounts are."""


def scaled(desk: DraftDesk, column: Column, currency: str | None) -> dict[str, Any]:
    """What a mapping says of amounts in thousands, millions or millionths, as the column's name tells."""
    for word in column.words:
        if word in _LARGE:
            desk.plan.remarks.append(f"{column.name} tells amounts in units of {_LARGE[word]:,}: taken so")
            return {"scale": _LARGE[word]}
    if {"micros", "micro"} & set(column.words):
        source = desk.plan.fields.get("currency")
        given = desk.sample.columns.get(source) if isinstance(source, str) else None
        several = [text.strip().upper() for text in given.different] if given else []
        codes = [currency] if currency else several
        if codes:
            desk.plan.remarks.append(f"{column.name} tells amounts in millionths: taken so")
            return {"unit": "minor", "digits": dict.fromkeys(codes, 6)}
        desk.plan.remarks.append(
            f"{column.name} tells amounts in millionths, which needs a currency: --answer currency=EUR"
        )
    return {}


def finer_parts(desk: DraftDesk, column: Column) -> None:
    """Says where another column holds the rest of each amount, or tells how many decimals it has."""
    before = column.name.rpartition(".")[0]
    for name, other in desk.left.items():
        if "scale" in other.meanings and name.rpartition(".")[0] == before and other.money:
            desk.plan.remarks.append(
                f"{name} belongs to {column.name}, as a part of it or its number of decimals "
                f"({other.different[0]} for one): a mapping cannot put both together. The amounts are wrong "
                "unless the source writes them as one number"
            )
