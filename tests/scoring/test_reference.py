"""Profiles, lists and flags as of an event's time, and the transactions that a late flag finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.events.model import Kind
from ringfence.scoring.reference import FLAG_MATCH_SCHEMA, Reference, segments
from ringfence.scoring.reference.profiles import Profiles
from ringfence.scoring.reference.recent import Recent
from ringfence.scoring.reference.table import IdTable

DAY = 86_400_000


def profile(entity_type, entity_id, **attributes):
    free = {f"attributes.{name}": value for name, value in attributes.items()}
    return {"kind": Kind.PROFILE, "entity_type": entity_type, "entity_id": entity_id, **free}


def entry(entity_id, kind, name=None, **more):
    return {"kind": Kind.LIST_ENTRY, "entity_id": entity_id, "list_kind": kind, "list_name": name, **more}


def flag(entity_id, since, entity_type="account", **more):
    fields = {"entity_type": entity_type, "entity_id": entity_id, "effective_at_ms": since, **more}
    return {"kind": Kind.FLAG, **fields}


def paid(account, time, **more):
    return {"account_id": account, "event_time_ms": time, **more}


@pytest.fixture
def reference():
    return Reference(5)


def offsets(matches):
    return matches.column("transaction_offset").to_pylist()


def test_a_profile_is_known_from_its_place_in_the_log_on(reference, events, fires):
    ask = "customer.profile.age < 30 and customer.profile.tier = 'gold' and customer.profile.vip"
    row = {"customer_id": "ann"}
    assert fires(ask, row, reference=reference) == [False]
    reference.apply(events(profile("customer", "ann", age=25.0, tier="gold", vip=True)), 0)
    assert fires(ask, row, {"customer_id": "bob"}, {"customer_id": None}, reference=reference) == [
        True,
        False,
        False,
    ]
    assert fires(ask.replace("customer.p", "card.p"), {"card_id": "ann"}, reference=reference) == [False]


def test_a_later_profile_changes_what_it_says_and_keeps_the_rest(reference, events, fires):
    reference.apply(events(profile("customer", "ann", age=25.0, tier="gold")), 0)
    reference.apply(
        events(profile("customer", "ann", tier="tin"), profile("customer", "bob", tier="gold")), 1
    )
    row = {"customer_id": "ann"}
    assert fires("customer.profile.age = 25 and customer.profile.tier = 'tin'", row, reference=reference) == [
        True
    ]
    assert fires("customer.profile.age is null", {"customer_id": "bob"}, reference=reference) == [True]


def test_of_two_profiles_in_one_batch_the_last_stays(reference, events, fires):
    reference.apply(events(*(profile("customer", "ann", age=float(age)) for age in range(40))), 0)
    assert fires("customer.profile.age = 39", {"customer_id": "ann"}, reference=reference) == [True]


def test_an_attribute_that_becomes_text_is_no_longer_a_number(reference, events, fires):
    reference.apply(events(profile("customer", "ann", code=5.0)), 0)
    reference.apply(events(profile("customer", "ann", code="five")), 1)
    row = {"customer_id": "ann"}
    assert fires("customer.profile.code = 'five'", row, reference=reference) == [True]
    assert fires("customer.profile.code = 5", row, reference=reference) == [False]


def test_a_list_entry_expires_and_can_be_taken_back(reference, events, fires):
    """An entry until 100 holds at 99, not at 100."""
    reference.apply(
        events(entry("c1", "block", "stolen", expires_at_ms=100), entry("c2", "block", "stolen")), 0
    )
    rows = [
        {"card_id": c, "event_time_ms": t} for c, t in (("c1", 99), ("c1", 100), ("c2", 10**12), ("c3", 0))
    ]
    assert fires("card_id in list 'stolen'", *rows, reference=reference) == [True, False, True, False]
    assert fires("card.blocked", *rows, reference=reference) == [True, False, True, False]
    assert fires("card_id not in list 'stolen'", *rows, {"card_id": None}, reference=reference) == [
        False,
        True,
        False,
        True,
        False,
    ]
    reference.apply(events(entry("c2", "block", "stolen", removed=True)), 2)
    assert fires("card.blocked or card.watched", *rows, reference=reference) == [True, False, False, False]


def test_an_entry_for_one_entity_type_leaves_others_with_the_same_id_alone(reference, events, fires):
    reference.apply(events(entry("1234", "block", "bad", entity_type="account"), entry("9", "watch")), 0)
    row = {"account_id": "1234", "merchant_id": "1234", "device_id": "9", "ip": "9"}
    assert fires("account.blocked and account_id in list 'bad'", row, reference=reference) == [True]
    assert fires("merchant.blocked or merchant_id in list 'bad'", row, reference=reference) == [False]
    assert fires("device.watched and ip.watched and ip in list 'watch'", row, reference=reference) == [True]


def test_a_flag_holds_from_its_date_until_it_expires(reference, events, fires):
    """Flag from day 2 to day 5:  day 1 -, day 2 x, day 4 x, day 5 -."""
    reference.apply(events(flag("a", 2 * DAY, expires_at_ms=5 * DAY)), 0)
    rows = [paid("a", day * DAY) for day in (1, 2, 4, 5)]
    assert fires("account.flagged", *rows, reference=reference) == [False, True, True, False]
    assert fires("account.flag_age_days = 2", *rows, reference=reference) == [False, False, True, False]
    assert fires("account.flag_age_days is null", *rows, reference=reference) == [True, False, False, True]


def test_several_flags_on_one_account_count_once_and_the_latest_gives_the_age(reference, events, fires):
    reference.apply(events(flag("a", 1 * DAY), flag("a", 3 * DAY), flag("a", 1 * DAY), flag("b", 0)), 0)
    rows = [paid("a", 2 * DAY), paid("a", 4 * DAY)]
    assert fires("account.flag_age_days = 1", *rows, reference=reference) == [True, True]


def test_a_flag_is_removed_by_its_date_or_with_all_others(reference, events, fires):
    reference.apply(events(flag("a", DAY), flag("a", 3 * DAY), flag("a", 3 * DAY, removed=True)), 0)
    assert fires("account.flag_age_days = 3", paid("a", 4 * DAY), reference=reference) == [True]
    reference.apply(events(flag("a", None, removed=True)), 3)
    assert fires("account.flagged", paid("a", 4 * DAY), reference=reference) == [False]


def test_a_transaction_before_its_flags_message_is_found_when_it_arrives(reference, events):
    """Log:  t(day 1)  t(day 3)  other(day 3)  flag from day 2  ->  the second transaction only."""
    reference.remember(events(paid("a", DAY), paid("a", 3 * DAY), paid("b", 3 * DAY)), 10)
    found = reference.apply(events(flag("a", 2 * DAY)), 13)
    assert found.schema == FLAG_MATCH_SCHEMA
    assert found.to_pylist() == [
        {
            "transaction_offset": 11,
            "transaction_time_ms": 3 * DAY,
            "entity_type": "account",
            "entity_id": "a",
            "flag_offset": 13,
            "flag_since_ms": 2 * DAY,
        }
    ]


def test_no_transaction_is_found_twice_however_many_flags_arrive(reference, events):
    reference.remember(events(paid("a", 3 * DAY), paid("a", 4 * DAY)), 0)
    assert offsets(reference.apply(events(flag("a", 2 * DAY), flag("a", DAY)), 2)) == [0, 1]
    assert offsets(reference.apply(events(flag("a", 0)), 4)) == []
    reference.remember(events(paid("a", 5 * DAY)), 5)  # decided with the flag in force
    assert offsets(reference.apply(events(flag("a", 4 * DAY)), 6)) == []


def test_a_flag_that_had_expired_or_starts_later_finds_nothing(reference, events):
    reference.remember(events(paid("a", 3 * DAY)), 0)
    late = events(flag("a", DAY, expires_at_ms=2 * DAY), flag("a", 4 * DAY), flag("a", 0, "merchant"))
    assert offsets(reference.apply(late, 1)) == []


def test_only_recent_transactions_are_remembered(events):
    reference = Reference(5)
    reference.recent = Recent(keep_ms=7 * DAY, keep_count=3)
    for day in (1, 2, 3, 4):
        reference.remember(events(paid("a", day * DAY)), day)
    reference.remember(events(paid("b", 10 * DAY)), 9)
    assert offsets(reference.apply(events(flag("a", 0)), 20)) == [4]  # 1, 2: pushed out; 3: a week old


def test_an_attribute_of_few_among_many_takes_no_place_for_each_of_them(reference, events, fires):
    few = {f"extra_{number}": float(number) for number in range(40)}
    reference.apply(events(profile("customer", "first", **few)), 0)
    reference.apply(events(*(profile("customer", f"c{at}", tier="gold") for at in range(5000))), 1)
    before = state_bytes(reference)
    reference.apply(events(profile("customer", "c7", **few)), 6000)  # the names are known
    reference.apply(events(profile("customer", "c8", **{f"new_{at}": "x" for at in range(40)})), 6001)
    assert state_bytes(reference) - before < 80 * 5000  # a place for each would take 80 * 5000 * 12
    again = Reference.from_arrays({name: array.copy() for name, array in reference.to_arrays().items()}, 5)
    for state in (reference, again):
        rows = [{"customer_id": name} for name in ("first", "c7", "c8", "c9")]
        assert fires("customer.profile.extra_3 = 3", *rows, reference=state) == [True, True, False, False]
        assert fires("customer.profile.new_3 = 'x'", *rows, reference=state) == [False, False, True, False]
        assert fires("customer.profile.tier = 'gold'", *rows, reference=state) == [False, True, True, True]
        state.apply(events(*(profile("customer", f"c{at}", new_3="y") for at in range(9, 4000))), 6002)
        assert fires("customer.profile.new_3 = 'x'", *rows, reference=state) == [False, False, True, False]
        assert fires("customer.profile.new_3 = 'y'", *rows, reference=state) == [False, False, False, True]


def test_a_snapshot_with_a_place_for_each_entity_still_opens(reference, events, fires):
    reference.apply(events(*(profile("customer", f"c{at}", tier="gold") for at in range(3000))), 0)
    arrays = reference.to_arrays()
    arrays["profiles.json"] = np.frombuffer(b'{"customer": {"age": [], "tier": ["gold"]}}', np.uint8)
    arrays["profiles.customer.age.numbers"] = np.where(np.arange(3000) == 7, 30.0, np.nan)
    arrays["profiles.customer.age.codes"] = np.full(3000, -1, np.int32)
    old = Reference.from_arrays(arrays, 5)
    assert fires(
        "customer.profile.age = 30", {"customer_id": "c7"}, {"customer_id": "c8"}, reference=old
    ) == [
        True,
        False,
    ]


def state_bytes(reference):
    return sum(array.nbytes for array in reference.to_arrays().values())


def test_control_rows_are_set_apart_from_the_rest_in_order(events):
    rows = [{}, {"kind": Kind.LABEL}, flag("a", 0), profile("card", "c"), {}, entry("x", "block")]
    assert segments(events(*rows)) == [(0, 2, False), (2, 4, True), (4, 5, False), (5, 6, True)]
    assert segments(events({}, {})) == [(0, 2, False)]
    assert segments(events({}).slice(0, 0)) == []


def test_state_comes_back_from_its_arrays_bit_for_bit(reference, events, fires):
    reference.remember(events(paid("a", 3 * DAY, customer_id="u"), paid("b", 4 * DAY)), 0)
    control = events(
        profile("customer", "ann", age=25.0, tier="gold"),
        profile("customer", "bob", tier="é"),
        entry("c1", "block", "stolen"),
        flag("a", 2 * DAY),
    )
    reference.apply(control, 2)
    again = Reference.from_arrays({name: array.copy() for name, array in reference.to_arrays().items()}, 5)
    before, after = reference.to_arrays(), again.to_arrays()
    assert before.keys() == after.keys()
    assert all(
        before[name].tobytes() == after[name].tobytes() and before[name].dtype == after[name].dtype
        for name in before
    )
    for state in (reference, again):
        state.apply(events(profile("customer", "cid", tier="gold", new=1.0), entry("c9", "allow")), 9)
        assert fires("customer.profile.tier = 'gold'", {"customer_id": "cid"}, reference=state) == [True]
        assert fires("card.allowed", {"card_id": "c9"}, reference=state) == [True]
        assert offsets(state.apply(events(flag("a", 0), flag("b", 0), flag("u", 0, "customer")), 10)) == [
            1,
            0,
        ]


def test_control_events_without_an_id_or_type_change_nothing(reference, events, fires):
    nothing = [
        flag(None, 0),
        flag("a", 0, None),
        entry(None, "block", "x"),
        profile(None, "a", age=1.0),
        profile("card", None, age=1.0),
    ]
    reference.apply(events(*nothing), 0)
    rows = [{"account_id": "a", "card_id": None}]
    assert fires("account.flagged or card.blocked or card.profile.age = 1", *rows, reference=reference) == [
        False
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(-3, 40), max_size=30), max_size=8),
    st.lists(st.integers(-5, 45), max_size=20),
)
def test_an_id_table_is_a_dictionary_in_order_of_insertion(inserts, asked):
    table, expected = IdTable(), {}
    for ids in inserts:
        rows = table.insert(np.array(ids, np.int64))
        wanted = [expected.setdefault(i, len(expected)) if i else -1 for i in ids]
        assert rows.tolist() == wanted
    assert table.find(np.array(asked, np.int64)).tolist() == [expected.get(i, -1) for i in asked]
    assert table.ids().tolist() == list(expected)


VALUES = {**dict.fromkeys("abcd", 1.0), **dict.fromkeys("efgh", "x")}
SAID = st.sets(st.sampled_from("abcdefgh"), max_size=4).map(lambda names: {one: VALUES[one] for one in names})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ann", "bob"]), SAID), min_size=1, max_size=12), st.data())
def test_of_more_names_than_there_is_room_for_the_first_are_kept_whatever_comes_in_one_batch(
    events, said, data
):
    """Four names of eight: event by event, and in any batches, the same are kept, and the rest is counted."""

    def known(sizes):
        reference, rest = Reference(5), [profile("customer", who, **what) for who, what in said]
        reference.profiles = Profiles(most_names=4)
        while rest:
            size = sizes()
            reference.apply(events(*rest[:size]), 0)
            rest = rest[size:]
        names = {}
        for one in reference.profiles._entities.values():
            names |= dict.fromkeys(one.attributes)
        of = [reference.profiles.attributes("customer", at) for at in hashed]
        return set(names), of, reference.profiles.left_out

    hashed = [events({"customer_id": who}).hashes("customer_id", 5)[0] for who in ("ann", "bob")]
    alone = known(lambda: 1)
    assert len(alone[0]) <= 4
    assert known(lambda: data.draw(st.integers(1, len(said)))) == alone
    wanted = []
    for _, what in said:
        wanted += [name for name in sorted(what) if name not in wanted]
    assert alone[0] == set(wanted[:4])
    assert alone[2] == sum(name in wanted[4:] for _, what in said for name in what)
