"""From a feature specification to the tables that the kernel runs on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ringfence.errors import SpecError
from ringfence.events.model import AMOUNT_SCALE
from ringfence.features.kernel import layout as at
from ringfence.features.kinds import (
    ACTED,
    CATEGORICAL,
    MOVED,
    Feature,
    FeatureKind,
    Where,
    categorical_field,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from ringfence.features.calendar import Calendar
    from ringfence.features.spec import FeatureSpec

    Row: TypeAlias = NDArray[np.int64]
    Features: TypeAlias = Sequence[tuple[int, Feature]]
    Category: TypeAlias = tuple[str, Where | None]
    Span: TypeAlias = tuple[int, int, int]  # reach, delay, column that it reaches back from

T = TypeVar("T")
K = FeatureKind
_BY_VALUE = {K.SUM: at.SUM, K.MEAN: at.MEAN, K.STD: at.STD, K.RATIO: at.RATIO, K.ZSCORE: at.ZSCORE}
_OPERATION = {
    **_BY_VALUE,
    K.COUNT: at.COUNT,
    K.MIN: at.MIN,
    K.MAX: at.MAX,
    K.DISTINCT: at.N_DISTINCT,
    K.SHARE: at.BIT_SHARE,
    K.LABEL_COUNT: at.BITS,
    K.LABEL_RATE: at.BIT_SHARE,
    K.HOUR_SHARE: at.HOUR_SHARE,
    K.SINCE_LAST: at.SINCE_LAST,
    K.SINCE_FIRST: at.SINCE_FIRST,
    K.IS_NEW: at.IS_NEW,
    K.DISTANCE: at.DISTANCE,
    K.SPEED: at.SPEED,
    K.PREVIOUS: at.PREVIOUS,
    K.IS_SAME: at.IS_SAME,
}
_OF_THE_PAST = frozenset({K.SINCE_LAST, K.SINCE_FIRST, K.IS_NEW, K.DISTANCE, K.SPEED, K.PREVIOUS, K.IS_SAME})
_GROUPED = (at.SUM, at.MEAN, at.STD)
_LABELLED = frozenset({K.LABEL_COUNT, K.LABEL_RATE})
_MOST_TRACKERS = 128  # that the hashes of pairs tell apart


@dataclass
class _Window:
    """One window of one entity while its cell is laid out."""

    reach_ms: int
    delay_ms: int
    edge: int = 0  # column of a row that it reaches back from
    wanted: dict[tuple[int, int], int] = field(
        default_factory=dict
    )  # (kind, source) -> offset, set by the layout
    offset: int = 0

    def want(self, kind: int, source: int) -> None:
        if kind == at.SUMMED and (at.SQUARED, source) in self.wanted:
            return
        if kind == at.SQUARED:
            self.wanted.pop((at.SUMMED, source), None)
        self.wanted[kind, source] = 0

    def find(self, kinds: Iterable[int], source: int) -> int:
        return next(self.wanted[kind, source] for kind in kinds if (kind, source) in self.wanted)


@dataclass
class _Cell:
    """One entity's cell while it is laid out."""

    words: int
    strips: dict[tuple[int, int], int] = field(default_factory=dict)  # (value, sign) -> offset
    tracked: dict[Category, int] = field(default_factory=dict)  # category -> tracker
    windows: dict[Span, _Window] = field(default_factory=dict)

    def take(self, words: int) -> int:
        """Offset of so many more words."""
        self.words += words
        return self.words - words


@dataclass
class _Tables:
    """Rows of the program's tables as they gather."""

    windows: list[list[int]] = field(default_factory=list)
    accumulators: list[list[int]] = field(default_factory=list)
    extrema: list[list[int]] = field(default_factory=list)
    trackers: list[list[int]] = field(default_factory=list)
    operations: list[list[int]] = field(default_factory=list)
    groups: list[list[int]] = field(default_factory=list)


class CompiledFeatures:
    """A specification's tables, and which columns the engine must bring.

    `values` are the numeric columns of a row, as (field, condition under which a value counts); `categories`
    in the same way the fields whose hashes follow the keys; `conditions` the bits of the marks; `calendars`
    the periods whose beginnings a row holds from `calendar_word` on.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec
        self.conditions = _unique(f.where for f in spec.features if f.where and f.kind in (K.COUNT, K.SHARE))
        if len(self.conditions) > at.MARK_BITS:
            raise SpecError(f"{len(self.conditions)} conditions on counts and shares: at most {at.MARK_BITS}")
        self.needs_hour = any(f.kind is K.HOUR_SHARE for f in spec.features)
        self.needs_labels = any(f.kind in _LABELLED for f in spec.features)
        self.needs_places = any(f.kind in (K.DISTANCE, K.SPEED) for f in spec.features)
        self.values: list[tuple[str, Where | None]] = _unique(
            (f.field, f.where) for f in spec.features if f.field and f.kind not in CATEGORICAL
        )
        trackers = len({(f.entity, _category(f)) for f in spec.features if f.kind in CATEGORICAL})
        if trackers > _MOST_TRACKERS:
            raise SpecError(
                f"{trackers} combinations of entity, field and condition in distinct, is_new and is_same: "
                f"at most {_MOST_TRACKERS}"
            )
        self.mark_words = -(-(len(self.conditions) + trackers) // at.MARK_BITS)
        if self.needs_hour or self.needs_labels:
            self.mark_words = max(self.mark_words, 1)
        self.calendars: list[Calendar] = _unique(f.calendar for f in spec.features if f.calendar)
        self.calendar_word = 1 + len(self.values)
        after = self.calendar_word + len(self.calendars)
        self.marks_word = after if self.mark_words else -1
        self.id_word = self.marks_word + self.mark_words if self.needs_labels else -1
        self.row_words = after + self.mark_words + (self.id_word >= 0)
        self.key_column = at.IN_ROW + self.row_words
        self.categories = _unique(_category(f) for f in spec.features if f.kind in CATEGORICAL)
        self.category_column = self.key_column + len(spec.entities)
        self.input_columns = self.category_column + len(self.categories)
        self._lay_out()

    def _lay_out(self) -> None:
        """Give every strip, window and accumulator its place in a cell, and every feature its operation."""
        spec = self.spec
        tables = _Tables()
        entities = np.zeros((len(spec.entities), at.E_WORDS), np.int64)
        self.cell_words = at.CELL_HEADER
        for number, item in enumerate(spec.entities):
            row = entities[number]
            features = [(index, f) for index, f in enumerate(spec.features) if f.entity == item.name]
            row[at.E_SALT] = _salt(item.name)
            row[at.E_RETENTION] = spec.retention_ms(item.name)
            row[at.E_KEY_COLUMN] = self.key_column + number
            row[at.E_LOCATES] = any(f.kind in (K.DISTANCE, K.SPEED) for _, f in features)
            cell = _Cell(at.CELL_HEADER)
            self._lay_trackers(cell, row, features, tables, number)
            self._lay_windows(cell, row, features, tables)
            self._lay_strips(cell, row, features, tables)
            past = [(i, f) for i, f in features if f.exclude_current or f.kind in _OF_THE_PAST]
            present = [(i, f) for i, f in features if not (f.exclude_current or f.kind in _OF_THE_PAST)]
            for side, chosen in ((at.E_BEFORE, past), (at.E_AFTER, present)):
                self._lay_operations(row, side, [self._operation(i, f, cell) for i, f in chosen], tables)
            row[at.E_UNITS] = -(-cell.words // at.UNIT)
            self.cell_words = max(self.cell_words, cell.words)
        words = self.row_words, self.marks_word, self.id_word
        self.program = at.Program(
            entities=entities,
            windows=_table(tables.windows, at.W_WORDS),
            accumulators=_table(tables.accumulators, at.A_WORDS),
            extrema=_table(tables.extrema, 3),
            trackers=_table(tables.trackers, at.T_WORDS),
            ops=_table(tables.operations, at.O_WORDS),
            groups=_table(tables.groups, at.G_WORDS),
            made=self._made(tables),
            scales=np.array([self._scale(f) for f in spec.features], np.float64),
            defaults=np.array([f.default for f in spec.features], np.float64),  # None becomes NaN
            shape=np.array([spec.allowed_lateness_ms, *words, int(self.needs_places)], np.int64),
        )

    def _lay_strips(self, cell: _Cell, row: Row, features: Features, tables: _Tables) -> None:
        row[at.E_EXTREMA] = len(tables.extrema)
        for _, f in features:
            if f.kind in (K.MIN, K.MAX):
                key = self._extremum(f)
                if key not in cell.strips:
                    cell.strips[key] = cell.take(4)
                    tables.extrema.append([cell.strips[key], *key])
        row[at.E_EXTREMA + 1] = len(tables.extrema)

    def _lay_trackers(self, cell: _Cell, row: Row, features: Features, tables: _Tables, number: int) -> None:
        row[at.E_TRACKERS] = len(tables.trackers)
        for category in _unique(_category(f) for _, f in features if f.kind in CATEGORICAL):
            cell.tracked[category] = len(tables.trackers)
            word, bit = divmod(len(self.conditions) + len(tables.trackers), at.MARK_BITS)
            column = self.category_column + self.categories.index(category)
            tables.trackers.append([number, column, self.marks_word + word, bit])
        row[at.E_TRACKERS + 1] = len(tables.trackers)

    def _lay_windows(self, cell: _Cell, row: Row, features: Features, tables: _Tables) -> None:
        row[at.E_WINDOWS] = len(tables.windows)
        for _, f in features:
            self._want(cell, f)
        row[at.E_CALENDAR] = row[at.E_WINDOWS] + sum(1 for window in cell.windows.values() if window.edge)
        for window in sorted(cell.windows.values(), key=lambda window: (not window.edge, -window.reach_ms)):
            window.offset = cell.take(4 if window.delay_ms else 2)
            begin = len(tables.accumulators)
            for kind, source in window.wanted:
                window.wanted[kind, source] = cell.take(at.ACCUMULATOR_WORDS[kind])
                mark = [self.marks_word, source] if kind == at.BIT else [0, 0]
                if kind == at.DISTINCT:
                    mark = tables.trackers[source][at.T_WORD :]
                tables.accumulators.append([kind, window.wanted[kind, source], source, *mark])
            delayed = int(window.delay_ms > 0)
            end = len(tables.accumulators)
            tables.windows.append(
                [window.offset, window.reach_ms, window.delay_ms, delayed, begin, end, window.edge]
            )
        row[at.E_WINDOWS + 1] = len(tables.windows)

    def _lay_operations(self, row: Row, side: int, ops: list[list[int]], tables: _Tables) -> None:
        """Operations of one side: those by themselves, counts first, then group by group."""
        alone = [op for op in ops if op[at.O_CODE] not in _GROUPED]
        row[side] = len(tables.operations)
        tables.operations += sorted(alone, key=lambda op: op[at.O_CODE])
        row[side + 1] = len(tables.operations)
        row[side + at.GROUPS_OF_SIDE] = len(tables.groups)
        grouped = [op for op in ops if op[at.O_CODE] in _GROUPED]
        mine = (
            tables.windows[row[at.E_WINDOWS]][at.W_ACCUMULATORS] if tables.windows[row[at.E_WINDOWS] :] else 0
        )
        squared = {x[at.A_OFFSET] for x in tables.accumulators[mine:] if x[at.A_KIND] == at.SQUARED}
        for offset in _unique(op[at.O_ACCUMULATOR] for op in grouped):
            first = len(tables.operations)
            tables.operations += [op for op in grouped if op[at.O_ACCUMULATOR] == offset]
            tables.groups.append([offset, int(offset in squared), first, len(tables.operations)])
        row[side + at.GROUPS_OF_SIDE + 1] = len(tables.groups)

    def _made(self, tables: _Tables) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """What each feature is made of when a block of events is written out."""
        made = np.full((len(self.spec.features), 2), at.UNGROUPED, np.int64)
        for number, group in enumerate(tables.groups):
            for op in tables.operations[group[at.G_FIRST] : group[at.G_LAST]]:
                made[op[at.O_FEATURE]] = op[at.O_CODE], number
        return made

    def _extremum(self, f: Feature) -> tuple[int, int]:
        return self._value(f), 1 if f.kind is K.MAX else -1

    def _value(self, f: Feature) -> int:
        return 1 + self.values.index((str(f.field), f.where))

    def scale_of(self, name: str) -> int:
        """What a field's values are multiplied by to become integers."""
        if name in ACTED:
            return 1
        return AMOUNT_SCALE if name in ("amount", *MOVED) else int(10 ** self.spec.decimals.get(name, 6))

    def _scale(self, f: Feature) -> float:
        scaled = f.field and f.kind in (K.SUM, K.MEAN, K.STD, K.MIN, K.MAX, K.PREVIOUS)
        return float(self.scale_of(str(f.field))) if scaled else 1.0

    def _span(self, f: Feature) -> Span:
        """Where its window begins: so far back from the event, or with the period, to the millisecond."""
        if f.calendar:
            return 1, 0, self.calendar_word + self.calendars.index(f.calendar)
        return (f.window_ms or self.spec.horizon_ms) + f.delay_ms, f.delay_ms, 0

    def _want(self, cell: _Cell, f: Feature) -> None:
        if f.kind in _OF_THE_PAST and f.kind is not K.SINCE_FIRST:
            return
        span = self._span(f)
        window = cell.windows.setdefault(span, _Window(*span))
        if f.kind in (K.STD, K.ZSCORE):
            window.want(at.SQUARED, self._value(f))
        elif f.kind in _BY_VALUE:
            window.want(at.SUMMED, self._value(f))
        elif f.kind is K.DISTINCT:
            window.want(at.DISTINCT, cell.tracked[_category(f)])
        elif f.kind in _LABELLED:
            window.want(at.BIT, at.LABEL_BIT)
        elif f.kind is K.HOUR_SHARE:
            window.want(at.HOURS, 0)
        elif f.where and f.kind in (K.COUNT, K.SHARE):
            window.want(at.BIT, self.conditions.index(f.where))

    def _operation(self, index: int, f: Feature, cell: _Cell) -> list[int]:
        op = [0] * at.O_WORDS
        op[at.O_CODE] = at.BITS if f.kind is K.COUNT and f.where else _OPERATION[f.kind]
        op[at.O_FEATURE] = index
        op[at.O_BACK] = f.back
        span = self._span(f)
        op[at.O_REACH], _, op[at.O_EDGE] = span
        op[at.O_DELAYED] = int(f.delay_ms > 0)
        window = cell.windows.get(span)
        if window:
            op[at.O_WINDOW] = window.offset
        if f.kind in _BY_VALUE and window:
            op[at.O_SOURCE] = self._value(f)
            op[at.O_ACCUMULATOR] = window.find((at.SQUARED, at.SUMMED), self._value(f))
        elif f.kind in (K.MIN, K.MAX):
            op[at.O_SOURCE] = self._value(f)
            op[at.O_EXTREMUM] = cell.strips[self._extremum(f)]
        elif f.kind is K.DISTINCT and window:
            op[at.O_ACCUMULATOR] = window.wanted[at.DISTINCT, cell.tracked[_category(f)]]
        elif f.kind in (K.IS_NEW, K.IS_SAME):
            op[at.O_SOURCE] = cell.tracked[_category(f)]
        elif f.kind is K.PREVIOUS:
            op[at.O_SOURCE] = self._value(f)
        elif f.kind in _LABELLED and window:
            op[at.O_ACCUMULATOR] = window.wanted[at.BIT, at.LABEL_BIT]
        elif f.kind is K.HOUR_SHARE and window:
            op[at.O_ACCUMULATOR] = window.wanted[at.HOURS, 0]
        elif f.where and window:
            op[at.O_ACCUMULATOR] = window.wanted[at.BIT, self.conditions.index(f.where)]
        return op


@lru_cache(maxsize=64)
def tables_of(spec: FeatureSpec) -> CompiledFeatures:
    """A specification's tables, made once for all engines of it in this process."""
    return CompiledFeatures(spec)


def _category(f: Feature) -> Category:
    """What a feature counts the different values of: a field, and the condition under which one counts."""
    return categorical_field(str(f.field)), f.where


def _unique(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))


def _table(rows: list[list[int]], width: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    return np.array(rows, np.int64).reshape(-1, width)


def _salt(name: str) -> int:
    """Keeps equal ids of different entities apart."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)
