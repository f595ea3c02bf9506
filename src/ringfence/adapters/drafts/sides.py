"""The two sides of a transfer, told by a pair of columns: from and to, source and target, orig and bene."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from ringfence.adapters.drafts.money import is_scientific

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_PAIRS: Final = frozenset(
    {
        ("from", "to"), ("source", "target"), ("source", "dest"), ("source", "destination"), ("src", "dst"),
        ("src", "dest"), ("src", "target"), ("sender", "receiver"), ("sender", "recipient"),
        ("originator", "beneficiary"), ("orig", "bene"), ("orig", "dest"), ("origin", "destination"),
        ("ordering", "beneficiary"), ("debtor", "creditor"), ("dbtr", "cdtr"), ("payer", "payee"),
    }
)  # fmt: skip
_WHO: Final = frozenset({"account", "id", "customer", "party", "sender", "label", "code"})
"""Meanings in the name of who sends or gets money; "target" means a label elsewhere."""
_UNSAID: Final = frozenset({"node", "entity", "wallet", "vertex"})  # words for who, unknown elsewhere
_BANKS: Final = frozenset({"bank", "banks", "branch", "bic", "institution"})
_SAMPLE: Final = 300


def find_sides(desk: DraftDesk) -> dict[str, Column]:
    """By field, the columns of who pays and of who is paid; none where their names are no pair.

    Two columns of one name are a pair where those before them are: From Bank, Account, To Bank, Account.
    """
    if {"account_id", "customer_id", "counterparty_id"} & desk.answers.keys():
        return {}
    found = max(_pairs(desk), key=lambda pair: len(pair[0].meanings & {"account", "id"}), default=None)
    if found is None:
        return {}
    payer, payee = found
    for one in found:
        desk.take(one.name)
    is_customer = "customer" in payer.meanings and "account" not in payer.meanings
    return {"customer_id" if is_customer else "account_id": payer, "counterparty_id": payee}


def _pairs(desk: DraftDesk) -> Iterator[tuple[Column, Column]]:
    columns = list(desk.sample.columns.values())
    before = dict(zip(columns[1:], columns, strict=False))
    for one, two in itertools.permutations(filter(_is_who, desk.left.values()), 2):
        if _is_pair(one.words, two.words) or (
            one.words == two.words
            and one in before and two in before
            and _is_pair(before[one].words, before[two].words)
        ):  # fmt: skip
            yield one, two


def _is_pair(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    differing = [(a, b) for a, b in zip(one, two, strict=False) if a != b]
    return len(one) == len(two) and len(differing) == 1 and differing[0] in _PAIRS


def _is_who(column: Column) -> bool:
    return (
        not column.meanings - _WHO
        and _BANKS.isdisjoint(column.words)
        and bool(column.meanings & {"account", "id"} or _UNSAID & set(column.words) or len(column.words) == 1)
        and column.may_name
        and not column.is_dated
        and not is_scientific(column.different[:_SAMPLE])
    )
