"""Where commands that learn or measure take their history from: sources with a mapping, or a data folder."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ringfence.cli.deciding.run import choose_mapping
from ringfence.cli.terminal import options, screen
from ringfence.compose.clock import now_ms
from ringfence.compose.deciding.definitions import load_spec
from ringfence.compose.deciding.versions import registered_spec
from ringfence.compose.files import read_ordered
from ringfence.compose.folder.store import open_store
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import InputError
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.events.model import ATTRIBUTE_PREFIX, Kind
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features.durations import parse_duration_ms
from ringfence.learning.choosing.key_choice import (
    first_part,
    looked_until_ms,
    most_of_ms,
    proposed,
    usual_delay_ms,
)
from ringfence.learning.choosing.wide_features import (
    DEFAULT_DELAY_MS,
    NO_KEYS,
    fields_of,
    graph_for,
    wide_spec,
)
from ringfence.learning.data.history import Passed, collect
from ringfence.library import load_rules
from ringfence.measuring import in_log_order
from ringfence.ports import DECISIONS, EVENTS
from ringfence.replay import paired
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.rules import fit
from ringfence.settings import load_settings
from ringfence.store import DataFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ringfence.events.values.vocabulary import Mapping
    from ringfence.features.links import Graph
    from ringfence.features.spec import FeatureSpec
    from ringfence.learning.choosing.key_choice import Keys
    from ringfence.learning.data.history import Collected
    from ringfence.ports.sources import SourceBatch
    from ringfence.scoring.rulesets.rules import CompiledRules


_BATCH_ROWS = 16_384


@dataclass(slots=True)
class WantedHistory:
    """Which history, and what is to be measured over it.

    `spec` fixes the features; otherwise `features` names a file, or those in use (data folder) or a wide set
    made for the fields there are (sources) serve.
    """

    sources: list[str]
    data: Path | None = None
    mapping: str | None = None
    label_delay: str | None = None
    fmt: options.SourceFormat = None
    features: Path | None = None
    wide: bool = False
    rules: Path | None = None
    spec: FeatureSpec | None = None
    before_ms: int | None = None  # a wide set is chosen by what is earlier
    labels: list[str] = field(default_factory=list)  # files of labels for the payments of the sources
    labels_mapping: str | None = None
    inputs: frozenset[str] | None = None  # attributes and categories worth keeping, None for all


@dataclass(slots=True)
class FoundHistory:
    """A history taken in: what was kept of it, and how many records could not be read."""

    collected: Collected
    origin: str
    bad: int = 0
    keys: Keys = NO_KEYS
    looked_ms: int = 0  # a wide set was chosen by what is earlier
    asked_for: frozenset[str] = frozenset()  # names that the rule book speaks of


@dataclass(slots=True)
class _Open:
    """A history that is ready to be passed over once."""

    passed: Iterable[Passed]
    spec: FeatureSpec
    origin: str
    seed: int = 0
    bad: list[int] = field(default_factory=list)
    keys: Keys = NO_KEYS
    looked_ms: int = 0
    label_fields: frozenset[str] = frozenset()


def take_in(wanted: WantedHistory, what: str, most_bytes: Callable[[], int] | None = None) -> FoundHistory:
    """Pass over the history, with a bar that says `what`; `most_bytes` as of `collect`."""
    with screen.progress(what) as tell, _opened(wanted, tell) as history, options.compiling():
        rules = _rules(wanted, history.spec)
        collected = collect(
            history.passed,
            history.spec,
            rules,
            seed=history.seed,
            wanted=wanted.inputs,
            label_sources=load_settings().label_sources,
            most_bytes=most_bytes,
        )
    told = sorted(history.label_fields & {*collected.numbers, *collected.codes})
    collected.forget(told)
    if told:
        screen.say(f"No input, as the label is read from the same column: {', '.join(told)}")
    return FoundHistory(
        collected, history.origin, sum(history.bad), history.keys, history.looked_ms, rules.asked_for
    )


def _rules(wanted: WantedHistory, spec: FeatureSpec) -> CompiledRules:
    """The rule book, for comparison, as far as the features serve it."""
    path = options.rules_file(wanted.rules)
    return fit(default_book() if path is None else load_rules(path), spec)[0]


@contextmanager
def _opened(wanted: WantedHistory, tell: screen.Tell) -> Iterator[_Open]:
    if wanted.labels and not wanted.sources:
        raise InputError(
            f"--labels belong to files of payments, and none is named: `ringfence run {wanted.labels[0]}` "
            "takes them into the data folder"
        )
    if wanted.sources:
        yield _of_sources(wanted, tell)
        return
    with open_store(options.folder(wanted.data), read_only=True) as store:
        yield _of_store(wanted, store, tell)


def _of_sources(wanted: WantedHistory, tell: screen.Tell) -> _Open:
    settings = load_settings()
    chosen = choose_mapping(wanted.mapping or settings.mapping, wanted.sources, wanted.fmt)
    label_delay = wanted.label_delay or settings.label_delay
    bad: list[int] = []
    tokenizer = Tokenizer(secrets.token_bytes(32))  # ids are compared within this history only
    arrivals = read_ordered(
        wanted.sources,
        chosen,
        tokenizer,
        now_ms(),
        say=screen.say,
        batch_rows=_BATCH_ROWS,
        label_delay=label_delay,
        fmt=wanted.fmt,
    )
    passed = [0.0]
    reports = _reports(wanted, tokenizer, label_delay)
    history = in_log_order(chain(reports, _told(arrivals, bad, tell, passed)))
    spec, keys, looked_ms = _spec(wanted), NO_KEYS, 0
    if spec is None:
        first = first_part(history, lambda: passed[0], wanted.before_ms)
        if not passed[0] and wanted.before_ms is None:  # a stream, of which nobody knows how long it is
            wanted = replace(wanted, before_ms=most_of_ms(first))
        delay_ms = _delay_ms(chosen, label_delay, first)
        spec, keys = _wide(wanted, first, delay_ms, 0, without=label_fields(chosen))
        looked_ms = looked_until_ms(first, wanted.before_ms)
        history = chain(given_up(first), history)
    passed_on = (Passed(events) for events in history)
    return _Open(passed_on, spec, " ".join(wanted.sources), 0, bad, keys, looked_ms, label_fields(chosen))


def _reports(wanted: WantedHistory, tokenizer: Tokenizer, label_delay: str | None) -> list[SourceBatch]:
    """Labels that stand in files of their own, each to enter the history when it became known."""
    if not wanted.labels:
        return []
    mapping = choose_mapping(wanted.labels_mapping, wanted.labels)
    read = list(read_ordered(wanted.labels, mapping, tokenizer, now_ms(), label_delay=label_delay))
    lost = [one for batch in read for one in batch.bad]
    if lost:
        screen.say(
            f"{len(lost):,} records of {' '.join(wanted.labels)} are no labels and are left out, the first "
            f"because {lost[0].faults[0]}"
        )
    reports, labels = [], 0
    for batch in read:
        told = batch.events.take(batch.events.kind == Kind.LABEL)
        if batch.labels is not None:
            told = EventBatch.concat([told, batch.labels])
        reports.append(replace(batch, events=NO_EVENTS, labels=told))
        labels += len(told)
    if not labels:
        raise InputError(
            f"{' '.join(wanted.labels)} holds no label that could be read: name the mapping that reads its "
            "reports with --labels-mapping"
        )
    records = sum(len(batch.events) for batch in read)
    if labels < records:
        screen.say(
            f"{records - labels:,} of {records:,} records of {' '.join(wanted.labels)} that could be read "
            "hold no label and are left out"
        )
    return reports


def given_up(first: list[EventBatch]) -> Iterator[EventBatch]:
    """The batches in order, without what was worked out of them; none is held any longer than it is used."""
    first.reverse()
    while first:
        yield EventBatch(first.pop().table)


def label_fields(mapping: Mapping) -> frozenset[str]:
    """Fields of payments that a mapping reads from a column that is a label's, too: no inputs, ever."""
    labels = {record.label.column for record in mapping.records if record.label}
    for record in mapping.records:
        if record.kind == "label":
            told = record.sources().get("label")
            labels |= set(told.columns[:1]) if told else set()
    found = set()
    for record in mapping.records:
        fields = record.sources().items()
        attributes = (
            (ATTRIBUTE_PREFIX + name, one) for name, one in record.attribute_sources(labels).items()
        )
        found |= {name for name, source in (*fields, *attributes) if labels & set(source.columns)}
    return frozenset(found)


def _wide(
    wanted: WantedHistory,
    first: Sequence[EventBatch],
    delay_ms: int,
    seed: int,
    *,
    graph: Graph | None = None,
    without: frozenset[str] = frozenset(),
) -> tuple[FeatureSpec, Keys]:
    """A wide set for the fields that the first part of a history has, and what was found in it."""
    if not any(events.is_transaction.any() for events in first):
        raise InputError("there are no payments to learn from: check the source and its mapping")
    keys = proposed(first, delay_ms, seed, wanted.before_ms, without)
    fields = frozenset(name for events in first for name in fields_of(events))
    return wide_spec(fields, delay_ms, keys=keys).with_graph(graph or graph_for(fields)), keys


def _told(
    arrivals: Iterable[SourceBatch], bad: list[int], tell: screen.Tell, passed: list[float]
) -> Iterator[SourceBatch]:
    for arrival in arrivals:
        bad.append(len(arrival.bad))
        passed[0] = arrival.position / max(arrival.total, 1) if arrival.total is not None else 0.0
        yield arrival
        tell(arrival.position, arrival.total, "")


def _delay_ms(mapping: Mapping, label_delay: str | None, first: Sequence[EventBatch]) -> int:
    """How long after the payment its label comes: by option or mapping, else as the labels there are took."""
    said = label_delay or next((record.label.delay for record in mapping.records if record.label), None)
    return usual_delay_ms(first, 0) or DEFAULT_DELAY_MS if said is None else parse_duration_ms(said)


def _of_store(wanted: WantedHistory, store: DataFolder, tell: screen.Tell) -> _Open:
    def progress(done: int, total: int) -> None:
        tell(done, total, "")

    seed, origin = store.meta.hash_seed, str(store.folder)
    bad = [sum(waiting for _, waiting in store.quarantine.counts().values())]
    spec, keys, looked_ms = _spec(wanted), NO_KEYS, 0
    if spec is None and wanted.wide:
        if not store.log.end_offset(EVENTS):
            raise InputError(f"{origin} holds no payments yet: `ringfence run` takes them in")
        spec, keys, looked_ms = _of_log(wanted, store, seed)
    if spec is not None:
        passed = (Passed(events) for events, _ in paired(store.log, progress))
        return _Open(passed, spec, origin, seed, bad, keys, looked_ms)
    in_use = spec_in_use(store)
    passed = (
        Passed(events, None if stored is None else _stored(stored, in_use))
        for events, stored in paired(store.log, progress)
    )
    return _Open(passed, in_use, origin, seed, bad)


def _of_log(wanted: WantedHistory, store: DataFolder, seed: int) -> tuple[FeatureSpec, Keys, int]:
    """A wide set for a log, with the graph's signals where the features in use declare links.

    And until when the log was looked at for it.
    """
    end, at = store.log.end_offset(EVENTS), [0]

    def decoded() -> Iterator[EventBatch]:
        for batch in store.log.read(EVENTS):
            at[0] = batch.next_offset
            yield codec.decode(batch.payload)

    first = first_part(decoded(), lambda: at[0] / end, wanted.before_ms)
    told_ms = parse_duration_ms(wanted.label_delay) if wanted.label_delay else usual_delay_ms(first, seed)
    links = spec_in_use(store).graph if store.log.end_offset(DECISIONS) else None
    spec, keys = _wide(wanted, first, told_ms or DEFAULT_DELAY_MS, seed, graph=links)
    return spec, keys, looked_until_ms(first, wanted.before_ms)


def spec_in_use(store: DataFolder) -> FeatureSpec:
    """The specification of the newest decisions; `InputError` without any."""
    end = store.log.end_offset(DECISIONS)
    last = next(iter(store.log.read(DECISIONS, end - 1)), None) if end else None
    if last is None:
        raise InputError(f"{store.folder} holds no decisions yet: `ringfence run` takes payments in")
    digest = DecisionBatch.decode(last.payload).versions["features"]
    spec = registered_spec(store, digest)
    if spec is None:
        raise InputError(f"features {digest} are not registered here: name them with --features")
    return spec


def _stored(decisions: DecisionBatch, spec: FeatureSpec) -> NDArray[np.float64]:
    """Features as they were when the payments were decided, float64 (features, n)."""
    if decisions.versions["features"] != spec.digest:
        raise InputError(
            "the decisions of this history were made with more than one set of features: name one with "
            "--features, and it is measured anew over the whole log"
        )
    columns = [decisions.table.column(name).to_numpy(zero_copy_only=False) for name in spec.names]
    return np.stack(columns) if columns else np.empty((0, len(decisions)))


def _spec(wanted: WantedHistory) -> FeatureSpec | None:
    """What is named; of sources also what the project's features.py declares."""
    if wanted.spec is not None:
        return wanted.spec
    if wanted.wide:
        return None
    path = options.features_file(wanted.features) if wanted.sources else wanted.features
    if path is not None and wanted.features is None:
        screen.say(f"Features are those of {path}, as it is here: --wide makes a set for these payments")
    return None if path is None else load_spec(path)
