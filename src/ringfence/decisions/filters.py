"""The filter of the decisions page: what was typed, what it means, and what of it cannot be meant."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlencode

from ringfence.decisions.index import LISTS, PLACE, Term, Wanted, parse_place
from ringfence.decisions.period import Period
from ringfence.features.spec import ENTITY_KEYS
from ringfence.masking import mask_cards, names_card
from ringfence.scoring.rulesets.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TEXTS: Final = ("entity", "entity_id", *LISTS, "since", "until", "min_score", "min_amount")
_LONGEST: Final = 4096
T = TypeVar("T")


@dataclass(slots=True)
class DecisionFilter:
    """`given` are the fields as typed; `problems` say by field what is wrong with it."""

    given: dict[str, str]
    outcomes: frozenset[Outcome]
    before: tuple[int, int] | None = None
    period: Period = field(default_factory=Period)
    problems: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, query: Mapping[str, str], outcomes: list[str], period: Period) -> DecisionFilter:
        """The filter of an address and its period; unknown outcomes are passed over."""
        given = {name: query.get(name, "").strip()[:_LONGEST] for name in TEXTS}
        given |= {name: mask_cards(text, strict=True) for name, text in given.items() if name != "entity_id"}
        known = frozenset(Outcome(name) for name in outcomes if name in list(Outcome))
        cursor = query.get("before", "")
        before = parse_place(cursor) if re.match(PLACE, cursor) else None
        return cls(given, known, before, period)

    def wanted(self, id_of: Callable[[str, str], str], last_ms: int = 0) -> Wanted:
        """What to look for: without the fields that have a problem.

        `id_of` puts the id of a kind of entity into the form in which payments have it; `last_ms` is when the
        newest payment was, where a named range ends.
        """
        terms = [Term(kind, self.given[kind]) for kind in LISTS if self.given[kind]]
        if self.given["entity_id"]:
            terms += self._entity(id_of)
        moment_ms = self.period.moment_ms
        named = self.period.span_ms(last_ms) or (0, Wanted().until_ms)
        since = self._read("since", moment_ms, named[0])
        until = self._read("until", moment_ms, Wanted().until_ms)
        score = self._read("min_score", _score, 0.0)
        for name in ("since", "until"):  # as the form's own field wants it
            if self.given[name] and name not in self.problems:
                self.given[name] = f"{self.period.local(moment_ms(self.given[name])):%Y-%m-%dT%H:%M}"
        amount = self._read("min_amount", float, 0.0) or None
        return Wanted(tuple(terms), self.outcomes, since, until, score, amount, self.before)

    def address(self, before: tuple[int, int] | None = None) -> str:
        """The address of this filter, from some place on."""
        fields = [(name, value) for name, value in self.given.items() if value and name != "entity"]
        if self.given["entity_id"]:
            fields.append(("entity", self.given["entity"]))
        fields += [("outcome", outcome) for outcome in sorted(self.outcomes)]
        fields += [
            (name, value)
            for name, value in (("range", self.period.range), ("zone", self.period.zone))
            if value not in ("", "UTC")
        ]
        if before is not None:
            fields.append(("before", f"{before[0]}-{before[1]}"))
        return "/decisions" + (f"?{urlencode(fields)}" if fields else "")

    @property
    def is_empty(self) -> bool:
        return not self.outcomes and not any(v for name, v in self.given.items() if name != "entity")

    def _entity(self, id_of: Callable[[str, str], str]) -> list[Term]:
        kind, name = self.given["entity"] or "card", self.given["entity_id"]
        if names_card(name):
            self.given["entity_id"] = ""
            self.problems["entity_id"] = "A card number is looked up in the search box, which never shows it."
            return []
        if kind not in ENTITY_KEYS:
            self.problems["entity_id"] = f"There is no entity {kind!r}."
            return []
        self.given["entity_id"] = id_of(kind, name)
        return [Term(kind, self.given["entity_id"])]

    def _read(self, name: str, read: Callable[[str], T], otherwise: T) -> T:
        text = self.given[name]
        if not text:
            return otherwise
        try:
            return read(text)
        except (ValueError, OverflowError):
            self.problems[name] = f"{text[:40]!r} cannot be used here."
            return otherwise


def _score(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise ValueError
    return value
