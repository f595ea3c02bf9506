"""What is said of values that are kept, but not quite as they were written."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Altered(StrEnum):
    """What became of a value that is kept, but not quite as it was written."""

    ROUNDED = "rounded"  # an amount had more decimals than are kept
    CREDITED = "credited"  # an amount that is marked as a credit is a payment
    MOVED = "moved"  # a local time that its clock skips moved to the change


_SAID: Final = {
    Altered.ROUNDED: """
1 amount had more decimals than its currency has (two if none is given); it was rounded half to even
{:,} amounts had more decimals than their currency has (two if none is given); they were rounded half to even
""",
    Altered.CREDITED: """
1 amount marked as a credit (CR) was taken as a payment; if it is a refund, write it as -12.50
{:,} amounts marked as credits (CR) were taken as payments; if they are refunds, write them as -12.50
""",
    Altered.MOVED: """
1 local time was skipped when clocks went forward, and counts as the moment of the change; check the zone
{:,} local times were skipped when clocks went forward, and count as the moment of the change; check the zone
""",
}


def altered(counts: Mapping[Altered, int]) -> list[str]:
    """What `run` says of so many values.

    >>> altered({Altered.MOVED: 0}), altered({Altered.ROUNDED: 2})[0][:24]
    ([], '2 amounts had more decim')
    """
    said = []
    for how, wordings in _SAID.items():
        one, several = wordings.strip().splitlines()
        count = counts.get(how, 0)
        if count:
            said.append(one if count == 1 else several.format(count))
    return said
