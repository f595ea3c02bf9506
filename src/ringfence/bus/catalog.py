"""What the log says, as CloudEvents 1.0: one type for each thing that can happen.

An event's id is `TOPIC:OFFSET`, its source the log: together they are the event's for ever.
"""

from __future__ import annotations

from functools import cached_property, partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.bus.table import EventTable
from ringfence.decisions.decision import DECISION_FIELDS, DecisionBatch
from ringfence.errors import CorruptError
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.model import ATTRIBUTE_PREFIX, EVENT_SCHEMA, Kind
from ringfence.ports import DECISIONS, DRIFT, EVENTS, FLAG_MATCHES, MODEL_NEWS, SLO_NEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ringfence.ports import EventLog, LogBatch

PREFIX: Final = "com.ringfence."
DECISION_MADE: Final = f"{PREFIX}decision.made.v1"
DRIFT_FOUND: Final = f"{PREFIX}model.drifted.v1"
MODEL_WEAKENED: Final = f"{PREFIX}model.weakened.v1"
MODEL_PROPOSED: Final = f"{PREFIX}model.proposed.v1"
OBJECTIVE_BURNING: Final = f"{PREFIX}objective.burning.v1"
OBJECTIVE_RECOVERED: Final = f"{PREFIX}objective.recovered.v1"
FLAG_MATCHED: Final = f"{PREFIX}flag.matched.v1"
CASE_OPENED: Final = f"{PREFIX}case.opened.v1"
CASE_CHANGED: Final = f"{PREFIX}case.changed.v1"
CASE_CLOSED: Final = f"{PREFIX}case.closed.v1"
CASE_TYPES: Final = {
    CASE_OPENED: "A case was opened.",
    CASE_CHANGED: "Something happened to a case; `change` says what. No text that an analyst wrote.",
    CASE_CLOSED: "A case was decided, as `disposition` says.",
}
"""Types of events that the file of cases and not the log has."""

TYPES: Final = {
    DECISION_MADE: "A payment was decided; with score, reasons, features and the payment itself.",
    f"{PREFIX}label.recorded.v1": "A payment was said to be fraud, or not to be.",
    f"{PREFIX}profile.changed.v1": "Something became known of a customer, a card, or another entity.",
    f"{PREFIX}list.changed.v1": "An entity joined a list or left it.",
    f"{PREFIX}flag.changed.v1": "An entity was flagged, or a flag was taken away.",
    f"{PREFIX}version.activated.v1": "Other rules, or another model, decide from here on.",
    f"{PREFIX}lifecycle.recorded.v1": "A payment was captured, reversed, refunded or charged back.",
    FLAG_MATCHED: "A payment turned out to be covered by a flag that came after it.",
    DRIFT_FOUND: "Payments of a day are no longer like those that a model was trained on.",
    MODEL_WEAKENED: "The model that decides is no better than chance, the rules or a challenger any more.",
    MODEL_PROPOSED: "A model was trained on schedule and waits for somebody to put it in force.",
    OBJECTIVE_BURNING: "The service misses an objective so fast that its budget of failures will not last.",
    OBJECTIVE_RECOVERED: "The budget of an objective no longer burns too fast.",
}
"""Every type of event of the log, and what has happened."""

TOPICS: Final = (DECISIONS, EVENTS, DRIFT, FLAG_MATCHES, MODEL_NEWS, SLO_NEWS)
"""Topics of the log that the bus reads."""

ALERT_FEED: Final = "alerts"
CASE_FEED: Final = "cases"
FEEDS: Final = (ALERT_FEED, CASE_FEED)
"""What can be pulled beside them: events that other files have, by numbers of their own."""

KINDS: Final = {
    Kind.LABEL: "label.recorded",
    Kind.PROFILE: "profile.changed",
    Kind.LIST_ENTRY: "list.changed",
    Kind.FLAG: "flag.changed",
    Kind.ACTIVATION: "version.activated",
    Kind.LIFECYCLE: "lifecycle.recorded",
}
"""Events of the log that are events of the bus as they are."""

_CONTENT: Final = "application/json"
_SKIPPED: Final = frozenset({"kind", "amount_minor"})
DECISION_DATA: Final = tuple(
    field.name
    for field in DECISION_FIELDS
    if field.name not in ("typologies", "typology_scores", "factor_weights", "challengers")
)
PAYMENT_FIELDS: Final = tuple(
    name for name in EVENT_SCHEMA.names if name not in _SKIPPED and not name.endswith("_time_ms")
)
_KEYS: Final = ("card_id", "account_id", "customer_id", "merchant_id")
FEATURES_PATH: Final = ("data", "features")
_TYPOLOGIES: Final = ("data", "typologies")
_PAYMENT: Final = ("data", "transaction")
Located = tuple[Any, EventTable]


def tables(topic: str, batches: Sequence[LogBatch], log: EventLog, source: str) -> Iterator[Located]:
    """Events of some batches of a topic, in order: their offsets in it (int64) beside each table.

    Payments are no events of the bus, their decisions are. `log` gives the payments of decisions.
    """
    if topic == DECISIONS:
        yield from _decisions(batches, log, source)
    elif topic == EVENTS:
        for batch in batches:
            yield from _inputs(batch, source)
    else:
        for batch in batches:
            yield from _plain_rows(batch, source)


def type_of(kind: Kind) -> str:
    """Type of the event that an event of the log is.

    >>> type_of(Kind.LABEL)
    'com.ringfence.label.recorded.v1'
    """
    return f"{PREFIX}{KINDS[kind]}.v1"


def _decisions(batches: Sequence[LogBatch], log: EventLog, source: str) -> Iterator[Located]:
    decoded = [(batch.base_offset, DecisionBatch.decode(batch.payload)) for batch in batches]
    for _, alike in groupby(decoded, lambda one: one[1].table.schema.metadata):
        bases, group = zip(*alike, strict=True)
        offsets = np.concatenate([np.arange(len(one)) + base for base, one in zip(bases, group, strict=True)])
        told = _Decisions([one.table for one in group], group[0], log)
        columns: dict[tuple[str, ...], Any] = {
            ("data", name): partial(told.column, name) for name in DECISION_DATA
        }
        columns |= {
            ("partitionkey",): told.keys,
            ("subject",): partial(told.column, "transaction_id"),
            ("time",): told.times,
        }
        groups: dict[tuple[str, ...], Callable[[], dict[tuple[str, ...], Any]]] = {
            FEATURES_PATH: told.features,
            _TYPOLOGIES: told.typologies,
            _PAYMENT: told.payment_columns,
        }
        constants: dict[tuple[str, ...], str] = {
            ("data", "versions", part): digest for part, digest in group[0].versions.items()
        }
        yield offsets, _table(DECISION_MADE, source, DECISIONS, offsets, columns, constants, groups)


class _Decisions:
    """Some decisions of one form, and their columns as events have them, each made when it is asked for."""

    def __init__(self, batches: Sequence[pa.RecordBatch], form: DecisionBatch, log: EventLog) -> None:
        self._batches = batches
        self._form = form
        self._log = log

    def column(self, name: str) -> Any:
        """One that a decision has itself."""
        if len(self._batches) == 1:
            return self._batches[0].column(name)
        return pa.chunked_array([one.column(name) for one in self._batches]).combine_chunks()

    def times(self) -> Any:
        """When each was decided."""
        return _instants(self.column("decided_at_ms"))

    def keys(self) -> Any:
        """What each is about first of all."""
        keys = [self.payments.column(name).cast(pa.string()) for name in _KEYS]
        return pc.coalesce(*keys, self.column("transaction_id"))

    def features(self) -> dict[tuple[str, ...], Any]:
        """Features, by path."""
        return {(*FEATURES_PATH, name): partial(self.column, name) for name in self._form.feature_names}

    def typologies(self) -> dict[tuple[str, ...], Any]:
        """Scores of typologies, by path."""
        return _typologies(self.column("typologies"), self.column("typology_scores"))

    def payment_columns(self) -> dict[tuple[str, ...], Any]:
        """Fields of the payments, by path."""
        return _payment_columns(self.payments)

    @cached_property
    def payments(self) -> EventBatch:
        """The payments, in the order of their decisions."""
        return _payments(self._log, self.column("offset").to_numpy())


def _typologies(lists: Any, scores: Any) -> dict[tuple[str, ...], Any]:
    """Scores by typology, null where a decision has none."""
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    names, values = lists.flatten(), scores.flatten().to_numpy(zero_copy_only=False)
    found: dict[tuple[str, ...], Any] = {}
    for name in names.unique().to_pylist():
        column = np.full(len(lists), np.nan)
        hit = pc.equal(names, name).to_numpy(zero_copy_only=False)
        column[rows[hit]] = values[hit]
        found[*_TYPOLOGIES, name] = pa.array(column, from_pandas=True)
    return found


def _payments(log: EventLog, offsets: Any) -> EventBatch:
    """The payments at these ascending offsets, null where retention has taken them."""
    begin = log.start_offset(EVENTS)
    first, after = max(int(offsets[0]), begin), int(offsets[-1]) + 1
    found = list(log.read(EVENTS, first, after)) if first < after else []
    if not found:
        return EventBatch(pa.RecordBatch.from_pydict({"kind": pa.nulls(len(offsets), pa.uint8())}))
    events = EventBatch.concat([codec.decode(batch.payload) for batch in found])
    places = offsets - found[0].base_offset
    return EventBatch(events.table.take(pa.array(places, mask=places < 0)))


def _payment_columns(payments: EventBatch) -> dict[tuple[str, ...], Any]:
    columns = {
        (*_PAYMENT, name): payments.table.column(name)
        for name in payments.table.schema.names
        if name in PAYMENT_FIELDS
    }
    columns[*_PAYMENT, "amount"] = pa.array(payments.amount, from_pandas=True)
    return columns | _attributes(payments, _PAYMENT)


def _attributes(events: EventBatch, path: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
    return {
        (*path, "attributes", name.removeprefix(ATTRIBUTE_PREFIX)): events.written(name)
        if name in events.others
        else events.column(name)
        for name in events.attribute_names
    }


def _inputs(batch: LogBatch, source: str) -> Iterator[Located]:
    """Everything but payments, kind by kind in runs: order is the log's."""
    events = codec.decode(batch.payload)
    if events.only_payments:
        return
    rows = np.flatnonzero(~events.is_transaction)
    kinds = events.kind[rows]
    for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(kinds)) + 1):
        if not len(part):
            continue
        told = events.take(rows[part])
        offsets = rows[part] + batch.base_offset
        columns: dict[tuple[str, ...], Any] = {
            ("data", name): told.table.column(name)
            for name in told.table.schema.names
            if name in EVENT_SCHEMA.names and name not in _SKIPPED
        } | _attributes(told, ("data",))
        columns["data", "offset"] = pa.array(offsets)
        if "amount_minor" in told.table.schema.names:
            columns["data", "amount"] = pa.array(told.amount, from_pandas=True)
        columns["time",] = partial(_time_of, told)
        subject = pc.coalesce(told.column("entity_id").cast(pa.string()), told.column("transaction_id"))
        columns["subject",] = columns["partitionkey",] = pc.coalesce(subject, pa.scalar("-"))
        yield offsets, _table(type_of(Kind(int(kinds[part[0]]))), source, EVENTS, offsets, columns, {})


def _time_of(events: EventBatch) -> Any:
    return _instants(pc.coalesce(events.column("ingest_time_ms"), events.column("event_time_ms")))


_PLAIN: Final = {
    DRIFT: (DRIFT_FOUND, "found_ms", "model"),
    FLAG_MATCHES: (FLAG_MATCHED, "transaction_time_ms", "entity_id"),
}
_NEWS: Final = {
    "weakened": MODEL_WEAKENED,
    "proposed": MODEL_PROPOSED,
    "burning": OBJECTIVE_BURNING,
    "recovered": OBJECTIVE_RECOVERED,
}


def _plain_rows(batch: LogBatch, source: str) -> Iterator[Located]:
    try:
        with pa.ipc.open_stream(batch.payload) as reader:
            table = reader.read_all().combine_chunks()
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptError(f"a stored batch of {batch.topic} cannot be read ({error})") from error
    offsets = np.arange(batch.base_offset, batch.next_offset)
    if batch.topic in _PLAIN:
        type_, time, subject = _PLAIN[batch.topic]
        yield offsets, _plain_table(table, offsets, (type_, time, subject), source, batch.topic)
        return
    news = np.array(table.column("news").to_pylist())
    for part in np.split(np.arange(len(news)), np.flatnonzero(news[1:] != news[:-1]) + 1):
        told = table.drop_columns(["news"]).take(pa.array(part))
        subject = "objective" if batch.topic == SLO_NEWS else "model"
        form = _NEWS[news[part[0]]], "found_ms", subject
        yield offsets[part], _plain_table(told, offsets[part], form, source, batch.topic)


def _plain_table(
    table: pa.Table, offsets: Any, form: tuple[str, str, str], source: str, topic: str
) -> EventTable:
    type_, time, subject = form
    columns: dict[tuple[str, ...], Any] = {("data", name): table.column(name) for name in table.schema.names}
    columns["time",] = _instants(table.column(time))
    columns["subject",] = columns["partitionkey",] = table.column(subject)
    return _table(type_, source, topic, offsets, columns, {})


def _table(
    type_: str,
    source: str,
    topic: str,
    offsets: Any,
    columns: dict[tuple[str, ...], Any],
    constants: dict[tuple[str, ...], str],
    groups: dict[tuple[str, ...], Callable[[], dict[tuple[str, ...], Any]]] | None = None,
) -> EventTable:
    columns["id",] = lambda: pc.binary_join_element_wise(topic, pa.array(offsets).cast(pa.string()), ":")
    envelope = {"specversion": "1.0", "type": type_, "source": source, "datacontenttype": _CONTENT}
    told = {(name,): value for name, value in envelope.items()} | constants
    return EventTable(len(offsets), told, columns, groups)


def _instants(column: Any) -> Any:
    """Milliseconds since 1970 as RFC 3339 has them."""
    times = column.cast(pa.timestamp("ms"))
    return pc.binary_join_element_wise(pc.strftime(times, format="%Y-%m-%dT%H:%M:%S"), "Z", "")
