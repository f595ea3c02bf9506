"""Rows that tell what became of a payment: authorised in one, captured or refunded in the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.ports.mappings import Question

if TYPE_CHECKING:
    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_BEGINS: Final = frozenset({"authorization", "authorisation", "auth", "authorized", "authorised"})
_FOLLOWS: Final = frozenset(
    {"capture", "captured", "settle", "settled", "void", "voided", "refund", "refunded", "chargeback"}
)


def choose_step(desk: DraftDesk) -> None:
    """Asks whether rows that report a later step of a payment are skipped: each would count as a payment."""
    repeated = _repeated_id(desk)
    for name, column in list(desk.left.items()):
        words = [_word(column.at(row)) for row in range(column.rows)]
        begun, later = (
            {row for row, word in enumerate(words) if word in some} for some in (_BEGINS, _FOLLOWS)
        )
        if not begun or not later or len(begun | later) <= len(column.texts) / 2 or repeated is None:
            continue
        alone = {repeated.at(row) for row in later} - {repeated.at(row) for row in begun}
        answers = ("all", "first") if 2 * len(alone) > len(later) else ("first", "all")
        skipped = [text for text in column.different if text.strip().lower() in _FOLLOWS]
        lost = f", and with them {len(alone):,} that no other row tells of" if alone else ""
        told = {"first": f"rows of {', '.join(skipped)} are skipped{lost}", "all": "all are payments"}
        unseen = f"; {len(alone):,} of these payments have no other row" if alone else ""
        given = desk.ask(
            Question(
                "steps",
                f"{name} tells what became of a payment, and {repeated.name} repeats: {len(later):,} of "
                f"{column.rows:,} rows report a later step, as {skipped[0]}{unseen}",
                answers,
                tuple(told[one] for one in answers),
            )
        )
        if given == "first":
            desk.plan.top.setdefault("skip", {})[name] = skipped
            _own_id(desk, repeated, [row for row in range(column.rows) if row not in later])
        return


def _word(value: object) -> str:
    return str(value or "").strip().lower()


def _repeated_id(desk: DraftDesk) -> Column | None:
    """The column that names a payment in each of its rows."""
    for column in desk.sample.columns.values():
        names = "id" in column.meanings and column.meanings & {"txn", "payment", "order"}
        if (names or column.words == ("id",)) and column.texts and column.unique < 1:
            return column
    return None


def _own_id(desk: DraftDesk, column: Column, kept: list[int]) -> None:
    """The payment's id once each payment has one row."""
    ids = [column.at(row) for row in kept]
    made = desk.plan.fields.get("transaction_id") == {"row_id": True}
    if made and column.name in desk.left and all(ids) and len(set(ids)) == len(ids):
        desk.take(column.name)
        desk.plan.fields["transaction_id"] = column.name
        desk.plan.remarks = [one for one in desk.plan.remarks if f"({column.name} repeats)" not in one]
