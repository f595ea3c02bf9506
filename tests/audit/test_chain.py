"""The chain by itself: whatever is changed afterwards shows, at the first record that is not what it was."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.audit import GENESIS, Act, Anchor, Head, SigningKey, Trust, chained, check_chain
from ringfence.audit.records import KEY_ADDED

TRAIL = "t1"


def act(number, **more):
    given = {"actor": f"user:{number % 3}", "channel": "api", "action": "list.added", "object": f"l{number}"}
    return Act(**given | more)


def chain(acts):
    records, previous = [], GENESIS
    for number, one in enumerate(acts, 1):
        records.append(chained(one, number, 1000 * number, previous))
        previous = records[-1].hash
    return records


def head_at(records, number):
    return Head(TRAIL, number, records[number - 1].hash)


def checked(records, checkpoints=None, **trust):
    return check_chain(TRAIL, records, checkpoints or {}, Trust(**trust))


def only(found):
    (finding,) = found[1]
    return finding.record, finding.kind


TEN = chain([act(number) for number in range(10)])


def test_one_that_nobody_touched_is_whole():
    assert checked(TEN) == (head_at(TEN, 10), [])
    assert checked([]) == (Head(TRAIL), [])


@given(
    st.integers(0, 9),
    st.sampled_from(["number", "time_ms", "previous", "hash", "actor", "object", "details"]),
)
def test_any_change_of_a_record_shows_at_that_record(at, field):
    record = TEN[at]
    other = {"number": 77, "time_ms": 5, "previous": "1" * 64, "hash": "2" * 64}
    if field in other:
        changed = msgspec.structs.replace(record, **{field: other[field]})
    else:
        told = {"details": {"note": "x"}}.get(field, "somebody else")
        changed = msgspec.structs.replace(record, act=msgspec.structs.replace(record.act, **{field: told}))
    head, (finding,) = checked([*TEN[:at], changed, *TEN[at + 1 :]])
    assert (finding.record, head.number) == (at + 1, at)


@given(st.integers(0, 8))
def test_a_record_that_is_gone_leaves_a_gap(at):
    assert only(checked([*TEN[:at], *TEN[at + 1 :]])) == (at + 1, "gap")


@given(st.integers(0, 8))
def test_two_in_another_order_show(at):
    swapped = [*TEN[:at], TEN[at + 1], TEN[at], *TEN[at + 2 :]]
    assert only(checked(swapped))[0] == at + 1
    renumbered = [msgspec.structs.replace(one, number=number) for number, one in enumerate(swapped, 1)]
    assert only(checked(renumbered)) == (at + 1, "edit")


def test_a_record_that_was_hashed_again_breaks_with_the_next():
    forged = chained(act(3, object="another"), 4, 4000, TEN[2].hash)
    assert only(checked([*TEN[:3], forged, *TEN[4:]])) == (5, "order")


def test_a_chain_that_was_cut_looks_whole_until_somebody_has_seen_more():
    assert checked(TEN[:6])[1] == []
    seen = Anchor(head_at(TEN, 8), 0)
    assert only(checked(TEN[:6], anchors=[seen])) == (7, "cut")
    assert checked(TEN, anchors=[seen])[1] == []


def test_a_chain_that_was_made_again_is_not_the_one_that_was_anchored():
    again = chain([act(number, actor="nobody") for number in range(10)])
    assert checked(again)[1] == []
    assert only(checked(again, anchors=[Anchor(head_at(TEN, 8), 0)])) == (8, "anchor")
    assert only(checked(TEN, anchors=[Anchor(Head("t2", 8, TEN[7].hash), 0)])) == (8, "anchor")


class Signed:
    """A chain with a first key at record 1 and a second one at record 6."""

    def __init__(self):
        self.keys = first, second = SigningKey.new(), SigningKey.new()
        acts = [act(number) for number in range(10)]
        acts[0] = act(0, action=KEY_ADDED, object=first.public)
        acts[5] = act(5, action=KEY_ADDED, object=second.public)
        self.records = chain(acts)
        self.checkpoints = dict(self.signed(which, at) for which, at in ((0, 1), (0, 3), (0, 6), (1, 9)))

    def signed(self, which, at, records=None):
        head = head_at(records or self.records, at)
        return at, Anchor(head, 0, self.keys[which].public, self.keys[which].sign(head))


@pytest.fixture(scope="module")
def signed():
    return Signed()


def test_signatures_of_a_key_and_of_the_one_after_it_hold(signed):
    assert checked(signed.records, signed.checkpoints, first_key=signed.keys[0].public)[1] == []


def test_a_first_key_that_is_not_the_one_that_was_noted_shows(signed):
    found = checked(signed.records, signed.checkpoints, first_key=signed.keys[1].public)
    assert only(found) == (1, "key")


def test_a_new_key_that_the_one_before_did_not_sign_for_shows(signed):
    without = {at: one for at, one in signed.checkpoints.items() if at != 6}
    assert only(checked(signed.records, {at: one for at, one in without.items() if at < 6})) == (6, "key")
    by_itself = dict([*without.items(), signed.signed(1, 6)])
    assert (6, "signature") in [(one.record, one.kind) for one in checked(signed.records, by_itself)[1]]


def test_a_key_of_before_signs_nothing_any_more(signed):
    late = signed.checkpoints | dict([signed.signed(0, 9)])
    assert only(checked(signed.records, late)) == (9, "signature")


def test_a_chain_that_was_made_again_without_the_key_shows_at_the_first_checkpoint(signed):
    acts = [one.act for one in signed.records]
    acts[1] = act(1, actor="nobody")
    again = chain(acts)
    first = checked(again, signed.checkpoints)[1][0]
    assert (first.record, first.kind) == (3, "signature")
    copied = {
        at: Anchor(head_at(again, at), 0, one.key, one.signature) for at, one in signed.checkpoints.items()
    }
    first = checked(again, copied)[1][0]
    assert (first.record, first.kind) == (3, "signature")


def test_a_chain_that_was_made_again_without_any_key_shows_who_noted_one(signed):
    bare = chain([act(number) for number in range(10)])
    assert checked(bare)[1] == []
    assert only(checked(bare, first_key=signed.keys[0].public)) == (11, "key")


def test_checkpoints_that_somebody_took_away_show_by_the_key_that_made_them(signed):
    found = checked(signed.records[:5], first_key=signed.keys[0].public)
    assert only(found) == (1, "signature")
    assert checked(signed.records[:5], dict([signed.signed(0, 3)]))[1] == []


def test_a_checkpoint_behind_the_end_shows_that_the_end_was_cut(signed):
    assert only(checked(signed.records[:7], signed.checkpoints)) == (8, "cut")


@given(st.text(), st.dictionaries(st.text(), st.text(), max_size=40))
def test_whatever_text_comes_is_bounded_and_hashes_to_the_same_when_read_again(text, details):
    record = chained(act(1, object=text * 50, details=details), 1, 0, GENESIS)
    again = msgspec.json.decode(msgspec.json.encode(record), type=type(record))
    assert checked([again])[1] == []
    assert len(record.act.object) <= 500
    assert len(record.act.details) <= 20
