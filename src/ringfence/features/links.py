"""The declaration of the entity graph: which ids of a payment are linked, and what is measured of that.

    graph = Graph.of(
        uses("account", "email", cap=20),
        uses("account", "phone", cap=20, open_to_all=["+15550100"]),
        pays("account", "counterparty", ttl="30d"),
        windows=("1d", "7d"),
    )
    spec = CATALOG.with_graph(graph)

A link `(a, x, type, t)` lives while `t + TTL(type) > now`, `now` being the stream's clock. It joins `a` and
`x` into one component if, when it comes, `x` is not open to all and has at most `cap(type)` entities with a
live link of the type, `a` included. A repeat is another link. A late link expires when its own time says so,
and is passed over where that lies in the past.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from ringfence.errors import SpecError
from ringfence.events.model import ID_FIELDS
from ringfence.events.values.norms import norm
from ringfence.features.durations import LONGEST_MS, format_duration, parse_duration_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

GRAPH: Final = "graph."
"""How the names of the graph's signals begin."""

_SHAPES: Final = (
    "cycle_length",
    "scatter_gather",
    "gather_scatter",
    "bipartite",
    "common_payees",
    "chain_length",
    "new_chain_length",
)
_PAIRS: Final = ("pair_payments", "paid_back")
_INCOMES: Final = ("seconds_since_income", "income_ratio", "income_match")
_LONGEST: Final = frozenset({*_PAIRS, *_INCOMES, *_SHAPES})  # over the longest window: no name says it
_MOST_LINKS: Final = 16
_MOST_WINDOWS: Final = 6
_LONGEST_CARD: Final = 500
_MOST_POINTS: Final = 10_000
_LARGEST_CAP: Final = 1000
_FIELDS: Final = {name.removesuffix("_id"): name for name in ID_FIELDS}

KINDS: Final = ("component", "shared", "degree", "fraud", "pair", "fan", "flow", "motif", "layering")
"""Families of signals. The last five are about payments between two entities and need a `pays` link.

`motif` and `layering` need one whose payees can pay in turn; `layering` counts what `motif` finds.
"""

_OF_PAYMENTS: Final = frozenset({"pair", "fan", "flow", "motif", "layering"})
_OF_PAYEES_WHO_PAY: Final = frozenset({"motif", "layering"})


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """A type of link between two ids of a payment. Made by `uses` and `pays`.

    Attributes:
        name: of what stands at its far end, which enters the names of signals.
        source, target: what kind of thing the ends are: ids of different kinds are never the same thing.
        cap: how many entities the far end may have for a link to join them, 0 for none.
        open_to_all: ids of far ends that join nobody, such as a call centre's phone, as events have them.
    """

    name: str
    source: str
    source_field: str
    target: str
    target_field: str
    ttl_ms: int
    cap: int
    is_payment: bool = False
    open_to_all: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "open_to_all", tuple(self.open_to_all))
        if not 0 < self.ttl_ms <= LONGEST_MS:
            raise SpecError(f"link {self.title!r}: a time to live is more than nothing and ends at 366 days")
        if not 0 <= self.cap <= _LARGEST_CAP:
            raise SpecError(f"link {self.title!r}: a cap is a whole number from 0 to {_LARGEST_CAP}")
        if self.source_field == self.target_field:
            raise SpecError(f"link {self.title!r} leads from a field to itself")

    @property
    def title(self) -> str:
        """As a sentence."""
        return f"{self.source} {'pays' if self.is_payment else 'uses'} {self.name}"


def uses(
    entity: str, attribute: str, *, ttl: str = "30d", cap: int = 20, open_to_all: Iterable[str] = ()
) -> Link:
    """An entity and something that others may use too: a device, an address, a phone.

    >>> uses("customer", "device").title
    'customer uses device'
    """
    return _link(entity, attribute, attribute, ttl, cap, False, open_to_all)


def pays(
    payer: str,
    payee: str,
    *,
    ttl: str = "30d",
    cap: int = 0,
    same: bool | None = None,
    open_to_all: Iterable[str] = (),
) -> Link:
    """A payment from one entity to another. By itself it joins nobody: many pay the same shop.

    `same` says that payees are of the payer's kind, so that one id is one thing whether it pays or is paid;
    a counterparty is, unless it says otherwise.

    >>> pays("account", "counterparty").target, pays("card", "merchant").target
    ('account', 'merchant')
    """
    same = payee == "counterparty" if same is None else same
    return _link(payer, payee, payer if same else payee, ttl, cap, True, open_to_all)


def _link(
    source: str, name: str, target: str, ttl: str, cap: int, is_payment: bool, open_to_all: Iterable[str]
) -> Link:
    for word in (source, name):
        if word not in _FIELDS:
            raise SpecError(f"a link has no end {word!r}: one of {', '.join(_FIELDS)}")
    if isinstance(open_to_all, str):
        raise SpecError(f"open_to_all of {name!r} is a list of ids: write [{open_to_all!r}]")
    ids = tuple(sorted(norm(_FIELDS[name], str(one)) or str(one) for one in open_to_all))
    ttl_ms = parse_duration_ms(ttl)
    return Link(name, source, _FIELDS[source], target, _FIELDS[name], ttl_ms, cap, is_payment, ids)


CARD: Final = (
    ("pair_is_new", 1, 1),
    ("new_chain_length", 2, 1),
    ("cycle_length", 3, 2),
    ("scatter_gather", 2, 2),
    ("bipartite", 1, 2),
    ("common_payees", 1, 2),
)
"""Points of layering unless a scorecard says otherwise: of those signals that the graph has."""


@dataclass(frozen=True, slots=True, order=True)
class LinkSignal:
    """One number per payment.

    Attributes:
        what: code of what is measured, `component_size`.
        of: the link's name or the kind of thing that it is about, empty for neither.
    """

    name: str
    family: str
    what: str
    of: str = ""
    window_ms: int = 0

    @property
    def is_id(self) -> bool:
        """Whether it names something, and more of it means nothing."""
        return self.what == "component_id"


@dataclass(frozen=True, slots=True, order=True)
class Points:
    """What a payment gets once a signal of it is so large: a row of a scorecard of layering.

    Attributes:
        signal: its full name; of any family but `layering`.
        at_least: from which value on. A null is less than everything.
        points: added, or taken away; whole.
    """

    signal: str
    at_least: float
    points: int


@dataclass(frozen=True)
class Graph:
    """Types of links, and what is measured of the graph that they make, in a fixed order."""

    links: tuple[Link, ...]
    subject: str
    windows_ms: tuple[int, ...]
    kinds: tuple[str, ...]
    memory_ms: int
    scorecard: tuple[Points, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("links", self.links), ("windows_ms", self.windows_ms), ("kinds", self.kinds)):
            object.__setattr__(self, name, tuple(value))
        problem = self._problem()
        if problem:
            raise SpecError(f"graph: {problem}")

    def _card_problem(self) -> str | None:
        if len(self.scorecard) > _LONGEST_CARD:
            return f"a scorecard has at most {_LONGEST_CARD} rows"
        if self.scorecard and "layering" not in self.kinds:
            return "a scorecard is for the kind 'layering'"
        known = {one.name for one in self.signals if one.family != "layering"}
        unknown = [row.signal for row in self.scorecard if row.signal not in known]
        if unknown:
            return f"the scorecard names {unknown[0]!r}, which the graph does not measure"
        if any(abs(row.points) > _MOST_POINTS for row in self.scorecard):
            return f"a row of the scorecard has at most {_MOST_POINTS} points"
        return None

    def _problem(self) -> str | None:  # noqa: C901, PLR0911 (one line a rule)
        if not 0 < len(self.links) <= _MOST_LINKS:
            return f"declares {len(self.links)} links: from 1 to {_MOST_LINKS}"
        names = [(link.name, link.source, link.is_payment) for link in self.links]
        if len(set(names)) < len(names):
            return "one link is declared twice"
        attributes = [link.name for link in self.links if not link.is_payment]
        if "shared" in self.kinds and len(set(attributes)) < len(attributes):
            return "two entities use the same attribute: leave 'shared' out of its kinds"
        if self.subject not in {link.source for link in self.links}:
            return f"nothing links its subject {self.subject!r} to anything"
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            return f"{unknown[0]!r} is no kind of signal: {', '.join(KINDS)}"
        if not self.flow and _OF_PAYMENTS & set(self.kinds):
            return f"{', '.join(sorted(_OF_PAYMENTS & set(self.kinds)))} need a link made by `pays`"
        if "layering" in self.kinds and "motif" not in self.kinds:
            return "'layering' counts what 'motif' finds: name both"
        if "motif" in self.kinds and self.flow and self.flow.source != self.flow.target:
            return f"'motif' needs payees of the payer's kind, and {self.flow.title!r} has others"
        if len(self.windows_ms) > _MOST_WINDOWS:
            return f"has at most {_MOST_WINDOWS} windows"
        if any(not 0 < window <= LONGEST_MS for window in (*self.windows_ms, self.memory_ms)):
            return "windows and memory are more than nothing and end at 366 days"
        if self.flow and max(self.windows_ms, default=0) > self.flow.ttl_ms:
            return (
                f"a window of {format_duration(max(self.windows_ms))} is longer than links of "
                f"{self.flow.title!r} live ({format_duration(self.flow.ttl_ms)}): give them a longer ttl"
            )
        return self._card_problem()

    @classmethod
    def of(
        cls,
        *links: Link,
        subject: str | None = None,
        windows: Iterable[str] = ("1d", "7d"),
        kinds: Iterable[str] | None = None,
        fraud_memory: str = "90d",
        scorecard: Iterable[Points] = (),
    ) -> Graph:
        """The graph of these links.

        `subject` is the entity that signals are about, the first link's unless said. `kinds` are families of
        signals (`KINDS`), all that the links allow unless said. `fraud_memory` is how long a payment that is
        confirmed as fraud is held against its subject and its payee. `scorecard` says which points of
        layering a payment gets, instead of `CARD`.

        >>> Graph.of(uses("customer", "device"), windows=[], kinds=["shared"]).names
        ('graph.shared_device',)
        """
        flow = next((link for link in links if link.is_payment), None)
        every = tuple(
            kind
            for kind in KINDS
            if (flow or kind not in _OF_PAYMENTS)
            and not (kind in _OF_PAYEES_WHO_PAY and flow and flow.source != flow.target)
        )
        return cls(
            tuple(links),
            subject or (links[0].source if links else ""),
            tuple(sorted({parse_duration_ms(window) for window in windows})),
            every if kinds is None else tuple(dict.fromkeys(kinds)),
            parse_duration_ms(fraud_memory),
            tuple(scorecard),
        )

    @property
    def flow(self) -> Link | None:
        """The link whose payments windows of money follow: the first that `pays` made."""
        return next((link for link in self.links if link.is_payment), None)

    @property
    def types(self) -> tuple[str, ...]:
        """Kinds of things, in order of first mention."""
        return tuple(dict.fromkeys(end for link in self.links for end in (link.source, link.target)))

    @property
    def signals(self) -> tuple[LinkSignal, ...]:
        """What is measured, in the order of its output."""
        return tuple(signal for kind in KINDS if kind in self.kinds for signal in self._family(kind))

    @property
    def names(self) -> tuple[str, ...]:
        """The signals' names."""
        return tuple(signal.name for signal in self.signals)

    def _family(self, kind: str) -> list[LinkSignal]:
        made: list[tuple[str, str, int]] = []
        if kind == "component":
            made = [("component_id", "", 0), ("component_size", "", 0)]
            made += [("component_of", name, 0) for name in self.types]
            made += [("linked_seconds", "", 0)]
        elif kind == "shared":
            shared = [link.name for link in self.links if not link.is_payment]
            made = [("shared", name, window) for name in shared for window in (0, *self.windows_ms)]
        elif kind == "degree":
            made = [("degree", "", 0), ("degree_damped", "", 0), ("hubs", "", 0)]
        elif kind == "fraud":
            names = ("fraud_neighbours", "fraud_neighbours_two_hops", "fraud_distance", "fraud_nearness")
            made = [(name, "", 0) for name in names]
        elif kind == "pair":
            news = ("new_payees", "new_payers", "payee_new_payers", "payee_new_payees")
            made = [("pair_is_new", "", 0)]
            made += [(name, "", self.windows_ms[-1]) for name in _PAIRS if self.windows_ms]
            made += [(name, "", window) for window in self.windows_ms for name in news]
        elif kind == "fan":
            names = ("fan_out", "fan_in", "payee_fan_in", "payee_fan_out")
            made = [(name, "", window) for window in self.windows_ms for name in names]
        elif kind == "layering":
            points = ("paid", "received")
            of = [f"{whose}layering_{side}" for whose in ("", "payee_") for side in points]
            made = [(name, "", window) for window in self.windows_ms for name in of]
        elif kind == "motif" and self.windows_ms:
            made = [(name, "", self.windows_ms[-1]) for name in _SHAPES]
        elif self.windows_ms:
            sums = ("pass_through", "income", "incomes", "payee_outlay", "payee_outlays")
            made = [(name, "", window) for window in self.windows_ms for name in sums]
            made += [(name, "", self.windows_ms[-1]) for name in _INCOMES]
        return [LinkSignal(_name(*one), kind, *one) for one in made]

    @property
    def card(self) -> tuple[Points, ...]:
        """The scorecard of layering that holds."""
        names = set(self.names)
        usual = tuple(Points(GRAPH + what, least, points) for what, least, points in CARD)
        return self.scorecard or tuple(row for row in usual if row.signal in names)

    @property
    def data(self) -> dict[str, Any]:
        """Its fields, for `from_data`."""
        found = asdict(self)
        if not self.scorecard:
            del found["scorecard"]
        return found

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Graph:
        """The graph whose `data` this was."""
        links = tuple(Link(**link) for link in data.pop("links"))
        card = tuple(Points(**row) for row in data.pop("scorecard", ()))
        return cls(links=links, scorecard=card, **data)


def _name(what: str, of: str, window_ms: int) -> str:
    parts = [f"component_{of}s" if what == "component_of" else what]
    if what == "shared":
        parts.append(of)
    if window_ms and what not in _LONGEST:
        parts.append(format_duration(window_ms))
    return GRAPH + "_".join(parts)
