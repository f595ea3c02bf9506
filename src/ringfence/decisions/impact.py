"""What a change of what decides would do to recent payments, as data: shown before it takes effect."""

from __future__ import annotations

import msgspec


class Shift(msgspec.Struct, frozen=True):
    """Amounts of one currency, in major units.

    Payments that only the change would stop (give any outcome but approve), and those it would let through.
    """

    currency: str
    stopped: float
    released: float


class Impact(msgspec.Struct, frozen=True):
    """Recent payments by outcome, least strict first.

    `changes[i][j]` of them have outcome i by what is in force and j by `version`, the digest of what is to
    replace it, with lists, flags and profiles of now. `customers` have a payment that only the change would
    stop; `examples` are ids of such payments. `days` are those between the first and the last payment.
    `unjudged` recent payments are not among them: other features measured them, or their events are gone.
    Nor are `left_out` older ones, for which there was no time. `confirm` makes the change: a server's seal.
    """

    version: str
    payments: int
    before: list[int]
    after: list[int]
    changes: list[list[int]]
    days: float = 0.0
    money: list[Shift] = []
    customers: int = 0
    examples: list[str] = []
    unjudged: int = 0
    left_out: int = 0
    confirm: str = ""

    @property
    def changed(self) -> int:
        """Payments that would have another outcome."""
        return self.payments - sum(row[at] for at, row in enumerate(self.changes))

    @property
    def share(self) -> float:
        """Of the payments, those that would have another outcome."""
        return self.changed / self.payments if self.payments else 0.0
