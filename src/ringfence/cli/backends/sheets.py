"""What a change would do to recent payments, shown before it is made; and its confirmation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ringfence.cli.terminal import screen
from ringfence.desks.confirming import CONFIRM_DIGITS, UnconfirmedError
from ringfence.desks.seals import is_beyond
from ringfence.errors import ConflictError
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.cli.backends.desks import DeskWriting
    from ringfence.decisions.impact import Impact
    from ringfence.rulebook.wire import ImpactOf

T = TypeVar("T")
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Confirm the change, also beyond the limits of ringfence.toml.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change for recent payments.")]


def show_impact(told: Impact, role: str = "") -> None:
    """Recent payments by outcome, before and after, the money and the customers."""
    if not told.payments:
        screen.show("No payment has been decided by these features yet: what would change is not known.")
        return
    rows = [
        (outcome, f"{before / told.payments:.2%}", f"{after / told.payments:.2%}", f"{after - before:+,}")
        for outcome, before, after in zip(OUTCOMES, told.before, told.after, strict=True)
    ]
    head = [f"of the newest {told.payments:,} payments", "now", "after", "payments"]
    screen.show_table(head, rows, head[1:])
    if told.left_out:
        screen.show(
            f"{told.left_out:,} older payments are left out: judging them took longer than five seconds."
        )
    if role == "challenger":
        screen.show("In shadow it changes nothing of that.")
        return
    screen.show(f"{told.changed:,} payments ({told.share:.2%}) would have another outcome.")
    for shift in told.money:
        sums = f"{shift.stopped:,.2f} newly stopped, {shift.released:,.2f} newly approved"
        screen.show(f"{shift.currency or 'no currency'}: {sums}")
    if told.customers:
        screen.show(f"{told.customers:,} customers newly stopped, such as {', '.join(told.examples)}")


def shown(desk: DeskWriting, asked: ImpactOf, *, json: bool) -> Impact:
    """The impact sheet, which this shows."""
    told = desk.impact(asked)
    if json:
        screen.show_json(told)
    else:
        show_impact(told)
    return told


def confirmed(act: Callable[[str], T], *, yes: bool, seen: Impact | None = None) -> T:
    """Make a change. Beyond the limits it takes `yes`, or the version's first digits typed at a terminal.

    A server wants its own sheet's `confirm`: within the limits that is sent for whoever runs the command.
    Where a sheet was `seen`, its own is sent at once: a sheet takes seconds, and is not made again.
    """
    try:
        return act(_first_word(seen, yes=yes))
    except UnconfirmedError as error:
        confirm = error.sheet.confirm or error.word
        if yes or error.is_within:
            return act(confirm)
        if not sys.stdin.isatty():
            raise ConflictError(f"{error}, or with --yes. Nothing was changed") from error
        if seen is None or seen.changes != error.sheet.changes:
            show_impact(error.sheet)
        question = f"{str(error).partition('. ')[0]}. Type {error.word} to confirm it"
        typed = str(typer.prompt(question, default="", show_default=False)).strip().lower()
        return act(confirm if typed == error.word else "")


def _first_word(seen: Impact | None, *, yes: bool) -> str:
    """What confirms a change whose sheet was seen; nothing where somebody has to type it."""
    if seen is None:
        return ""
    if yes:
        return seen.confirm or seen.version[:CONFIRM_DIGITS]
    return "" if is_beyond(seen.confirm) else seen.confirm
