"""Files that are named after the offsets that they cover: together they are the position."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def chain(spans: Iterable[tuple[int, int]], begin: int, end: int) -> list[tuple[int, int]]:
    """Those of the spans (first offset, offset after the last) that follow on one another, the longest first.

    They may begin before the log does, at `begin`: what it has forgotten is kept. A gap is no matter where
    the log has forgotten all that was in it. None goes beyond the log's `end`.

    >>> chain([(0, 5), (5, 8), (5, 20), (20, 25), (30, 40)], 0, 100)
    [(0, 5), (5, 20), (20, 25)]
    >>> chain([(0, 5), (7, 9)], 7, 100), chain([(3, 9)], 0, 100), chain([(0, 9)], 0, 8)
    ([(0, 5), (7, 9)], [], [])
    """
    found: list[tuple[int, int]] = []
    for first, after in sorted(spans, key=lambda span: (span[0], -span[1])):
        at = found[-1][1] if found else min(first, begin)
        if after <= end and (first == at or at < first <= begin):
            found.append((first, after))
    return found
