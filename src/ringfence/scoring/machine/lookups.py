"""What a program works out from one text alone, such as `lower(city) LIKE 'b%'`: once for each word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.scoring.language import operations as ops
from ringfence.scoring.language.program import load, run
from ringfence.scoring.language.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ringfence.scoring.columns import Columns
    from ringfence.scoring.language.program import Steps

_MOST: Final = 4096  # words that are remembered


class Lookup:
    """The last of some steps, of which one loads the text `field` and no other loads anything."""

    def __init__(self, field: str, steps: Steps) -> None:
        self._field = field
        self._steps = steps
        self._known = self._work_out([None])

    def of(self, columns: Columns) -> NDArray[Any]:
        """Value in each row (n,), truth or number."""
        text = columns.text(self._field)
        known = self._known
        fresh = {word for word in text.words if word not in known}
        if fresh:
            forget = len(known) + len(fresh) > _MOST
            known = self._work_out({None, *text.words}) if forget else known | self._work_out(fresh)
            self._known = known  # in one move: another thread may be asking
        values = [known[word] for word in text.words]
        values.append(known[None])  # code -1 is null
        return np.array(values)[text.codes]

    def _work_out(self, words: Iterable[str | None]) -> dict[str | None, Any]:
        """The value for each word, and for null."""
        asked = list(words)
        codes = np.array([-1 if word is None else row for row, word in enumerate(asked)], np.int32)
        found = run(self._steps, _OneText(Text(codes, asked)))[-1]
        return dict(zip(asked, np.broadcast_to(found, len(asked)).tolist(), strict=True))


class _OneText:
    """Columns of which one text is known."""

    def __init__(self, words: Text) -> None:
        self._words = words

    def text(self, _name: str) -> Text:
        return self._words


def fields_asked(steps: Steps) -> list[str | None]:
    """The one text that each register is worked out from alone; None for any other register.

    Ranks do not count: they depend on all words of a batch.
    """
    loads: list[frozenset[int]] = []
    for register, (operation, operands, _) in enumerate(steps):
        own = {register} if operation in (load, ops.text_ranks) else set()
        loads.append(frozenset(own).union(*(loads[operand] for operand in operands)))
    return [_text_of(steps, found) for found in loads]


def _text_of(steps: Steps, loads: frozenset[int]) -> str | None:
    if len(loads) != 1:
        return None
    operation, _, value = steps[next(iter(loads))]
    return str(value[1][0]) if operation is load and value[0] == "text" else None
