"""What comes through a partition that steers a job: versions to be put in force, and what servers say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.errors import RingfenceError, RuleError
from ringfence.events.activation import Part, activation
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.sharded.kinds import is_of_kind
from ringfence.sharded.plan import check_rules
from ringfence.sharded.references import is_reference, reference_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.sharded.library import ControlLibrary
    from ringfence.sharded.plan import ShardedPlan

BODY: Final = "attributes.body"
"""Column of an activation with the text of the version."""

_KIND: Final = "activation"


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A record by which a version is put in force; `body` is its text, of rules or of a deployment."""

    kind: str
    part: Part
    digest: str
    body: str = ""
    author: str = ""
    note: str = ""


class ControlRecord(NamedTuple):
    """A record of a control topic.

    Attributes:
        append_ms: its timestamp, which its sender may choose.
        place: topic, partition and offset, such as `rules/0/1041`.
        log: identity of the log that it was published from; empty where it came from none.
        offset: of its activation there.
    """

    value: bytes
    append_ms: int
    place: str
    log: str = ""
    offset: int = 0


def activation_record(part: Part, digest: str, body: str = "", *, author: str = "", note: str = "") -> bytes:
    """The value of a record that puts a version in force.

    `body` is its text: `RuleSet.to_json`, or `Deployment.to_json`, which names models by their digests.
    """
    return msgspec.json.encode(Change(_KIND, part, digest, body, author, note))


def _check(library: ControlLibrary, told: Change) -> None:
    if told.body:
        known = library.learn(told.part, told.body)
        if known != told.digest:
            raise msgspec.ValidationError(f"the text is that of {known}, not {told.digest}")
    elif told.part is Part.RULES and told.digest not in library.shipped_rules:
        raise RuleError(f"rules {told.digest} came without their text: send their activation with it")
    if told.part is Part.RULES:
        check_rules(library.rules(told.digest))
    else:
        library.models(told.digest)


def is_of(record: bytes, part: Part) -> bool:
    """Whether a record of `activation_record` is about this part."""
    return change_in(record).part is part


def change_in(value: bytes) -> Change:
    """What a record of `activation_record` says; msgspec's errors where it is none."""
    return msgspec.json.decode(value, type=Change)


def is_change(value: bytes) -> bool:
    """Whether a record of a control partition is about a version."""
    return is_of_kind(value, _KIND)


def decoded(
    plan: ShardedPlan,
    partition: int,
    offsets: NDArray[np.int64],
    append_ms: NDArray[np.int64],
    values: Sequence[bytes],
) -> tuple[EventBatch, NDArray[np.int64], list[BadRecord]]:
    """As `Decode`; of a partition that may, also versions, and what servers have said."""
    source = plan.partitions[partition]
    steers = partition in plan.controls
    changes = [row for row, value in enumerate(values) if steers and is_change(value)]
    brought = [row for row, value in enumerate(values) if steers and is_reference(value)]
    if not changes and not brought:
        return plan.decode(source, offsets, append_ms, values)
    others = np.setdiff1d(np.arange(len(values)), [*changes, *brought])
    events, rows, bad = plan.decode(
        source, offsets[others], append_ms[others], [values[row] for row in others.tolist()]
    )
    parts, places = [events] if len(events) else [], others[rows].tolist()
    found = _references(plan, source, offsets, append_ms, {row: values[row] for row in brought})
    parts += [found.events] if len(found.events) else []
    places += found.rows
    bad += found.bad
    for row in changes:
        made = change_of(plan, values[row], int(append_ms[row]), source, int(offsets[row]))
        if isinstance(made, EventBatch):
            parts.append(made)
            places.append(row)
        else:
            bad.append(made)
    order = np.argsort(places, kind="stable")
    whole = EventBatch.concat(parts).take(order) if parts else events
    return whole, np.array(places, np.int64)[order], bad


class _Brought(NamedTuple):
    """Events of records, the row of each, and what is bad."""

    events: EventBatch
    rows: list[int]
    bad: list[BadRecord]


def _references(
    plan: ShardedPlan,
    source: str,
    offsets: NDArray[np.int64],
    append_ms: NDArray[np.int64],
    values: Mapping[int, bytes],
) -> _Brought:
    """Lists, flags, profiles and labels in some rows, by the canonical mapping whatever the job's own is."""
    decode = plan.canonical or plan.decode
    lines: dict[int, bytes] = {}
    bad: list[BadRecord] = []
    for row, value in values.items():
        try:
            lines[row] = bytes(reference_in(value, plan.keys_digest).event)
        except RuleError as error:
            fault = Fault(Reason.MALFORMED, "event", str(error))
            _, _, cleaned = decode(source, offsets[[row]], append_ms[[row]], [value])
            bad += [replace(one, faults=(fault,)) for one in cleaned]
    at = np.array(list(lines), np.int64)
    events, rows, refused = decode(source, offsets[at], append_ms[at], list(lines.values()))
    return _Brought(events, at[rows].tolist(), bad + refused)


def change_of(
    plan: ShardedPlan, value: bytes, append_ms: int, source: str, offset: int
) -> EventBatch | BadRecord:
    """The activation in a record, or why this job cannot put it in force."""
    try:
        told = change_in(value)
        library = plan.library
        if library is not None:
            _check(library, told)
    except (RingfenceError, msgspec.DecodeError) as error:
        return BadRecord(source, offset, (Fault(Reason.MALFORMED, "activation", str(error)),), value)
    made = activation(told.part, told.digest, append_ms, author=told.author, note=told.note).table
    return EventBatch(made.append_column(BODY, pa.array([told.body or None], pa.string())))
