"""Whether a change may take effect at once, or somebody has to say once more that it is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.desks.seals import is_beyond
from ringfence.errors import ConflictError

if TYPE_CHECKING:
    from ringfence.decisions.impact import Impact
    from ringfence.desks.seals import Seals

_HOUR: Final = 1 / 24  # of a day: over a shorter span, chance would be taken for a day's money
FEWEST_PAYMENTS: Final = 200
"""With fewer recent payments shares say nothing; a store that has no more is asked for no confirmation."""

CONFIRM_DIGITS: Final = 8
"""Of a version's digest, to be typed."""


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    """Up to where a change takes effect without a typed confirmation.

    `share` of recent payments with another outcome, 0 to 1; `money` a day, in major units of each currency,
    that only the change would stop or let through, None without a limit.
    """

    share: float = 0.05
    money: float | None = None

    def exceeded(self, sheet: Impact, portion: float = 1.0) -> str | None:
        """What is beyond the limits, for people; None where nothing is.

        `portion` is the share of payments for which the change is made.
        """
        if sheet.payments < FEWEST_PAYMENTS:
            if _recent(sheet) < FEWEST_PAYMENTS:
                return None
            judged = "there was time to judge" if sheet.left_out else "the present features measured"
            return (
                f"what it changes is not known: {judged} {sheet.payments:,} of the newest "
                f"{_recent(sheet):,} payments"
            )
        share = portion * sheet.share
        if share > self.share:
            return (
                f"it changes the outcome of {100 * share:.1f} % of recent payments, and the limit is "
                f"{100 * self.share:g} %"
            )
        if self.money is not None and sheet.left_out and sheet.days < _HOUR and sheet.changed:
            return (
                f"the money a day is not known: there was time to judge {sheet.payments:,} payments, of "
                f"{1440 * sheet.days:.0f} minutes"
            )
        for shift in sheet.money if self.money is not None else ():
            daily = portion * max(shift.stopped, shift.released) / max(sheet.days, _HOUR)
            if self.money is not None and daily > self.money:
                return (
                    f"it moves {daily:,.0f} {shift.currency} a day".rstrip()
                    + f", and the limit is {self.money:,.0f}"
                )
        return None


@dataclass(frozen=True, slots=True)
class Sealing:
    """By which seals a server knows sheets of a change of what was in force `before`."""

    seals: Seals
    before: str

    def holds(self, confirm: str, version: str, portion: float = 1.0) -> bool:
        """Whether `confirm` is the seal of a sheet of this change."""
        return self.seals.holds(confirm, version, self.before, portion)

    def sealed(self, sheet: Impact, limits: ChangeLimits, portion: float = 1.0) -> Impact:
        """The sheet with its seal."""
        beyond = limits.exceeded(sheet, abs(portion)) is not None
        seal = self.seals.seal(sheet.version, self.before, portion, beyond=beyond)
        return msgspec.structs.replace(sheet, confirm=seal)


class UnconfirmedError(ConflictError):
    """A change that nobody has confirmed, or seen the sheet of. `sheet` says what it would do.

    `portion` as of `ChangeLimits.exceeded`.
    """

    def __init__(self, sheet: Impact, message: str, portion: float = 1.0) -> None:
        self.sheet, self.portion = sheet, portion
        super().__init__(message)

    @property
    def word(self) -> str:
        """What is to be typed."""
        return self.sheet.version[:CONFIRM_DIGITS]

    @property
    def is_within(self) -> bool:
        """Whether the sheet has only to be seen: the change is within the limits."""
        return bool(self.sheet.confirm) and not is_beyond(self.sheet.confirm)


def demand_sheet(
    sheet: Impact, limits: ChangeLimits, sealing: Sealing, confirm: str, portion: float = 1.0
) -> None:
    """`UnconfirmedError` with the sealed sheet, unless `confirm` is its seal.

    Of fewer than `FEWEST_PAYMENTS` a sheet says nothing, and nothing is demanded. `portion` below 0 is taken
    away.
    """
    if sealing.holds(confirm, sheet.version, portion) or _recent(sheet) < FEWEST_PAYMENTS:
        return
    why = limits.exceeded(sheet, abs(portion)) or "nobody has been shown its impact, or that was too long ago"
    message = f"this change needs a confirmation: {why}. Confirm it with the `confirm` of its impact sheet"
    raise UnconfirmedError(sealing.sealed(sheet, limits, portion), message, abs(portion))


def _recent(sheet: Impact) -> int:
    """Payments that there are, judged or not: a machine without time for a sheet waives no confirmation."""
    return sheet.payments + sheet.unjudged + sheet.left_out


def demand_confirmation(sheet: Impact, limits: ChangeLimits, confirm: str, portion: float = 1.0) -> None:
    """`UnconfirmedError` where a change is beyond the limits, unless `confirm` begins as its version does."""
    why = limits.exceeded(sheet, portion)
    typed = confirm.strip().lower()
    if why is not None and not (len(typed) >= CONFIRM_DIGITS and sheet.version.startswith(typed)):
        word = sheet.version[:CONFIRM_DIGITS]
        message = f"this change needs a confirmation: {why}. Confirm it with {word}"
        raise UnconfirmedError(sheet, message, portion)
