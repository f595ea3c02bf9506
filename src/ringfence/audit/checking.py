"""Whether a chain is whole: what is wrong, and at which record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from ringfence.audit.heads import Anchor, Head, VerifyingKey
from ringfence.audit.records import GENESIS, KEY_ADDED, Record, hash_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class ChainFault(msgspec.Struct, frozen=True):
    """Something wrong. `record` is the first bad record, the number it should have."""

    record: int
    kind: str
    problem: str


@dataclass(slots=True)
class Trust:
    """What is known from elsewhere: heads of before, and the first signing key where it was noted."""

    anchors: Sequence[Anchor] = ()
    first_key: str = ""


@dataclass(slots=True)
class _Walk:
    trail: str
    trust: Trust
    head: Head
    keys: list[str] = field(default_factory=list)
    new_key: int = 0  # record that brought a key which the one before has not signed yet
    newest_ms: int = 0
    first_keyed: int = 0  # record that brought the first key


def check_chain(
    trail: str, records: Iterable[Record], checkpoints: Mapping[int, Anchor], trust: Trust
) -> tuple[Head, list[ChainFault]]:
    """The end of the chain, and what is wrong with it, at most one finding of a kind.

    Args:
        trail: its id.
        records: all of them as they stand.
        checkpoints: signed heads, by the number of their record.
        trust: what is known from elsewhere.

    The chain ends for us at its first record that is out of place or does not hash to what it says: nothing
    behind it proves anything.
    """
    walk = _Walk(trail, trust, Head(trail))
    findings: dict[str, ChainFault] = {}
    known = {anchor.head.number: anchor for anchor in trust.anchors}
    for record in records:
        wrong = _next(walk, record)
        if wrong is not None:
            findings.setdefault(wrong.kind, wrong)
            break
        for wrong in (_keyed(walk, record, checkpoints), _anchored(walk, known.get(record.number))):
            if wrong is not None:
                findings.setdefault(wrong.kind, wrong)
    else:
        for wrong in _end(walk, known, checkpoints):
            findings.setdefault(wrong.kind, wrong)
    return walk.head, sorted(findings.values(), key=lambda found: found.record)


def _next(walk: _Walk, record: Record) -> ChainFault | None:
    """What is wrong with a record where it stands; otherwise it is the head."""
    due = walk.head.number + 1
    if record.number > due:
        gone = f"record {due:,} is" if record.number == due + 1 else f"{due:,} to {record.number - 1:,} are"
        return ChainFault(due, "gap", f"{gone} missing")
    if record.number < due:
        return ChainFault(due, "order", f"record {record.number:,} stands where {due:,} should")
    if hash_of(record) != record.hash:
        return ChainFault(due, "edit", "it does not say any more what it said when it was written")
    if record.previous != walk.head.hash:
        kind = (
            "begins another chain" if record.previous == GENESIS else "does not follow on the one before it"
        )
        return ChainFault(due, "order", f"it {kind}: one of the two was changed or put in another place")
    walk.head = Head(walk.trail, record.number, record.hash)
    walk.newest_ms = max(walk.newest_ms, record.time_ms)
    return None


def _keyed(walk: _Walk, record: Record, checkpoints: Mapping[int, Anchor]) -> ChainFault | None:
    """What is wrong with the keys and signatures up to a record."""
    if record.act.action == KEY_ADDED:
        unsigned, walk.new_key = walk.new_key, record.number if walk.keys else 0
        walk.keys.append(record.act.object)
        walk.first_keyed = walk.first_keyed or record.number
        if unsigned:
            return ChainFault(unsigned, "key", "the key before did not sign for this new one")
        if walk.trust.first_key not in ("", walk.keys[0]):
            return ChainFault(record.number, "key", "the first signing key is not the one that was noted")
    checkpoint = checkpoints.get(record.number)
    if checkpoint is None:
        return None
    if checkpoint.head != walk.head:
        return ChainFault(
            record.number, "signature", "a checkpoint was signed of another record in this place"
        )
    signer = walk.keys[-2] if walk.new_key == record.number else walk.keys[-1] if walk.keys else ""
    if checkpoint.key != signer or not VerifyingKey(signer).signed(walk.head, checkpoint.signature):
        return ChainFault(
            record.number, "signature", "the key in force did not sign the checkpoint of this record"
        )
    if walk.new_key == record.number:
        walk.new_key = 0
    return None


def _anchored(walk: _Walk, anchor: Anchor | None) -> ChainFault | None:
    if anchor is None or anchor.head == walk.head:
        return None
    if anchor.head.trail != walk.trail:
        return ChainFault(walk.head.number, "anchor", "the anchor is of another trail")
    return ChainFault(
        walk.head.number, "anchor", "the anchor kept another hash of this record: history was rewritten"
    )


def _end(
    walk: _Walk, anchors: Mapping[int, Anchor], checkpoints: Mapping[int, Anchor]
) -> Iterable[ChainFault]:
    last = walk.head.number
    if walk.new_key:
        yield ChainFault(walk.new_key, "key", "the key before did not sign for this new one")
    if walk.trust.first_key and not walk.keys:
        yield ChainFault(
            last + 1, "key", "no signing key is in the chain, and a first one was noted: it was made again"
        )
    if walk.keys and not checkpoints:
        yield ChainFault(
            walk.first_keyed, "signature", "no checkpoint is there, and the key that came here signed one"
        )
    if anchors and (most := max(anchors)) > last:
        yield ChainFault(
            last + 1, "cut", f"an anchor has seen record {most:,}, and the chain ends at {last:,}"
        )
    if checkpoints and (most := max(checkpoints)) > last:
        yield ChainFault(
            last + 1, "cut", f"a checkpoint of record {most:,} is there, and the chain ends at {last:,}"
        )
