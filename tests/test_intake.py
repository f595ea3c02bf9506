"""The door to the log, with hashes so short that ids share them all the time."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.spine import batch

from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.intake import Intake
from ringfence.ports import EVENTS, LogBatch
from ringfence.testing.memory.event_log import MemoryLog


class NarrowIntake(Intake):
    """As an intake, but with hashes of two bits."""

    def _ids(self, events):
        hashes = super()._ids(events)
        return (hashes != 0) * (1 + (hashes & 3))


def an_event(number: int, amount: int, *, is_label: bool) -> dict:
    own = {"kind": Kind.LABEL, "event_id": f"id-{number}"} if is_label else {"transaction_id": f"id-{number}"}
    return own | {"event_time_ms": 1_000, "amount_minor": amount}


events = st.builds(an_event, st.integers(0, 9), st.sampled_from([100, 100, 100, 200]), is_label=st.booleans())


def expected_of(row, offset, model):
    """What a dict of identities says: the row's offset, or why it gets none."""
    identity = (row.get("kind"), row.get("event_id", row.get("transaction_id")))
    if identity not in model:
        model[identity] = (offset, row["amount_minor"])
        return offset, True
    at, amount = model[identity]
    return (at if amount == row["amount_minor"] else -1), False


def logged(log, admitted):
    if len(admitted.events):
        base = log.end_offset(EVENTS)
        log.append([LogBatch(EVENTS, base, len(admitted.events), 0, 0, codec.encode(admitted.events))])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(events, min_size=1, max_size=8), max_size=8), st.integers(0, 8))
@example([[an_event(n, 100, is_label=False) for n in range(10)]] * 2, 1)
def test_ids_that_share_a_hash_are_events_of_their_own(calls, restart_at):
    """Compared with a dict by id, in any batches, also after a restart that reads the log again."""
    log, model, offset = MemoryLog(), {}, 0
    intake = NarrowIntake(log, 7)
    for number, rows in enumerate(calls):
        if number == restart_at:
            intake = NarrowIntake(log, 7)
            for item in log.read(EVENTS):
                intake.absorb(codec.decode(item.payload), item.base_offset)
        wanted, duplicates, conflicts = [], 0, 0
        for row in rows:
            at, is_new = expected_of(row, offset, model)
            wanted.append(at)
            offset += is_new
            duplicates += not is_new and at >= 0
            conflicts += at < 0
        admitted = intake.admit_now(batch(rows), log.end_offset(EVENTS))
        logged(log, admitted)
        assert admitted.offsets.tolist() == wanted
        assert (admitted.duplicates, len(admitted.conflicts)) == (duplicates, conflicts)
    assert log.end_offset(EVENTS) == offset == len(model)


def test_a_payment_whose_id_shares_a_hash_is_decided_and_not_quarantined():
    """Nine ids in three hashes: all of them enter, each keeps its offset when it is sent again."""
    intake = NarrowIntake(log := MemoryLog(), 7)
    rows = [an_event(number, 100, is_label=False) for number in range(9)]
    first = intake.admit_now(batch(rows), 0)
    logged(log, first)
    again = intake.admit_now(batch(rows), log.end_offset(EVENTS))
    assert (len(first.events), first.conflicts) == (9, [])
    assert (again.duplicates, again.conflicts, again.offsets.tolist()) == (9, [], list(range(9)))
