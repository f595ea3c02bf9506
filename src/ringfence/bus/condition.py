"""An expression of the rule language about events of the bus: the second way to say which ones are wanted.

    outcome = 'decline' and amount > 500 and card.count_1h >= 3
    type like '%.label.recorded.%' and label

A name stands for a field of the event, of its `data`, or of the payment or the alert in there; what an event
does not have is null. `outcome` and `score` mean decisions alone: of an alert, they are `alert.outcome` and
`decision.score`. A field that holds a list is a text with its elements between commas: `reasons like
'%CARD_TESTING%'`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    Path = tuple[str, ...]

_WHERE: Final[tuple[Path, ...]] = (
    (),
    ("data",),
    ("data", "transaction"),
)
_OF_ALERT: Final = frozenset({"severity", "typology", "entity", "count", "state", "payments"})
_MAPS: Final = {"attributes": "attributes", "typology": "typologies"}
_OTHERWISE: Final = {"event_time": "event_time_ms", "cents": "amount", "model.probability": "probability"}
OF_TIME: Final = {"hour": "hour", "weekday": "isodow"}


class Values(Protocol):
    """Events of one type, by field."""

    def __len__(self) -> int: ...

    def column(self, path: Path) -> Any:
        """An Arrow array, or None where no event has the field."""
        ...


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression; equal to one of the same text."""

    text: str
    names: frozenset[str] = field(compare=False)
    taken: Callable[[Values], NDArray[np.bool_]] = field(compare=False, repr=False)
    """Gives the events of which it is true."""

    def holds(self, event: Mapping[str, Any]) -> bool:
        """Whether it is true of one event, as parsed JSON."""
        return bool(self.taken(_One(event))[0])


def paths_of(name: str) -> Iterator[Path]:
    """Where the value of a name may stand in an event.

    >>> ("data", "transaction", "attributes", "basket") in paths_of("attributes.basket")
    True
    """
    name = _OTHERWISE.get(name, "event_time_ms" if name in OF_TIME else name)
    first, dot, rest = name.partition(".")
    for where in _WHERE:
        if dot and first in _MAPS:
            yield (*where, _MAPS[first], rest)
        elif dot:
            yield (*where, "features", name)
            yield (*where, *name.split("."))
        else:
            yield (*where, name)
    if name in _OF_ALERT:
        yield "data", "alert", name


class _One:
    """One event as parsed JSON."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event

    def __len__(self) -> int:
        return 1

    def column(self, path: Path) -> Any:
        at: Any = self._event
        for name in path:
            if not isinstance(at, dict) or name not in at:
                return None
            at = at[name]
        if isinstance(at, dict) or (isinstance(at, list | tuple) and not all(isinstance(x, str) for x in at)):
            return None
        return pa.array([list(at)], pa.list_(pa.string())) if isinstance(at, list | tuple) else pa.array([at])
