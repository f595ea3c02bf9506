"""Compiles an expression about events, and runs it over their columns. Loads the rule language."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.bus.condition import OF_TIME, Condition, paths_of
from ringfence.errors import InputError, RuleError
from ringfence.events.values.numbers import to_floats
from ringfence.scoring.columns import local_ms, part_of
from ringfence.scoring.language.expression import names_used, read
from ringfence.scoring.language.lower_boolean import compile_condition
from ringfence.scoring.language.names import EVENT_NAMES, Names, Type
from ringfence.scoring.language.program import Builder, run
from ringfence.scoring.language.text import Text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.bus.condition import Values

_TEXTS: Final = (
    *("type", "id", "source", "subject", "partitionkey", "time"),
    *("outcome", "model", "reasons", "rules", "shadow_rules", "degraded", "factors"),
    *("event_id", "label_source", "reason_code", "action", "entity_type", "entity_id", "list_name"),
    *("list_kind", "note", "input", "typology", "severity", "entity", "case_id", "change", "by", "state"),
    *("queue", "disposition", "objective"),
)
_NUMBERS: Final = (
    *("score", "probability", "latency_us", "offset", "event_time_ms", "decided_at_ms", "ingest_time_ms"),
    *("effective_at_ms", "expires_at_ms", "index", "threshold", "payments", "count", "version"),
    *("transaction_offset", "transaction_time_ms", "flag_offset", "flag_since_ms"),
    *("burn_rate", "window_minutes"),
)
_BOOLEANS: Final = ("control", "label", "removed", "escalated")
_DOTTED: Final = re.compile(r"(?!param\.)[a-z_][a-z0-9_]*(\.\S+)+")
_MOST_CHARACTERS: Final = 16_384


class _EventNames(Names):
    """Names with a dot are features, attributes and typologies: which there are, the events say."""

    def __init__(self) -> None:
        self.fixed = {
            **EVENT_NAMES,
            **dict.fromkeys(_TEXTS, Type.TEXT),
            **dict.fromkeys(_NUMBERS, Type.NUMBER),
            **dict.fromkeys(_BOOLEANS, Type.BOOLEAN),
        }
        self.derived = {}

    @staticmethod
    def is_dynamic(name: str) -> bool:
        return _DOTTED.fullmatch(name) is not None

    def nearest(self, name: str) -> str:
        found = difflib.get_close_matches(name[:200], list(self.fixed), n=3, cutoff=0.7)
        return f"did you mean {' or '.join(found)}?" if found else "an event has no such field"


_NAMES: Final = _EventNames()


@lru_cache(maxsize=1024)
def compiled(text: str) -> Condition:
    """The condition that a text is; `InputError` points at what is wrong.

    >>> compiled("outcome = 'decline' and score >= 80").holds({"data": {"outcome": "decline", "score": 93}})
    True
    """
    if len(text) > _MOST_CHARACTERS:
        raise InputError(f"the expression is longer than {_MOST_CHARACTERS:,} characters")
    build = Builder()
    try:
        parsed = read(text)
        names = names_used(parsed, _NAMES)
        register = compile_condition(parsed, _NAMES, build).true
    except RuleError as error:
        raise InputError(f"the expression: {error}") from None
    if any(what == "member" for _, _, value in build.steps if isinstance(value, tuple) for what in value[:1]):
        raise InputError("the expression: which list an entity is on is no field of an event")

    def taken(events: Values) -> NDArray[np.bool_]:
        found = run(build.steps, _Fields(events))[register]
        return np.array(np.broadcast_to(found, (len(events),)), np.bool_)

    return Condition(text, names, taken)


class _Fields:
    """What the steps of a condition load, as `ringfence.scoring.columns.Columns` has it of payments."""

    def __init__(self, events: Values) -> None:
        self._events = events

    def number(self, name: str) -> NDArray[np.float64]:
        if name in OF_TIME:
            part = self.time_part(OF_TIME[name], "UTC")
            return part if name == "hour" else part - 1
        if name == "cents":
            return np.round(self.number("amount") % 1 * 100, 2)
        found = self._column(name)
        if found is None or pa.types.is_null(found.type) or pa.types.is_list(found.type):
            return np.full(len(self._events), np.nan)
        if pa.types.is_string(found.type):
            return to_floats(found)[0] if name.startswith("attributes.") else np.full(len(found), np.nan)
        values: NDArray[np.float64] = pc.fill_null(found.cast(pa.float64()), np.nan).to_numpy(
            zero_copy_only=False
        )
        return values

    def text(self, name: str) -> Text:
        found = self._column(name)
        if found is None or pa.types.is_null(found.type):
            return Text(np.full(len(self._events), -1, np.int32), [])
        if pa.types.is_list(found.type):
            found = pc.binary_join(found.cast(pa.list_(pa.string())), ",")
        return Text.of(found)

    def truth(self, name: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        values = self.number(name)
        return values == 1, values == 0

    def is_null(self, name: str) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = np.isnan(self.number(name)) & self.text(name).is_null
        return found

    def time_part(self, part: str, zone: str) -> NDArray[np.float64]:
        times = self.number("event_time")
        known = ~np.isnan(times)
        found = part_of(local_ms(np.where(known, times, 0).astype(np.int64), zone or "UTC"), part)
        return np.where(known, found, np.nan)

    def _column(self, name: str) -> Any:
        for path in paths_of(name):
            found = self._events.column(path)
            if found is not None:
                return found
        return None
