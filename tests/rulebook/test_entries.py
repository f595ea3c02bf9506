"""Changes of lists: what is taken, what is refused with its line, and what never gets into the log."""

import json

import pytest

from ringfence.errors import InputError
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.rulebook.entries import Entry, read_csv, to_events
from ringfence.scoring.rulesets.actions import ListKind

NOW_MS = 1_709_288_100_000
TOKENIZER = Tokenizer(b"0123456789abcdef")
NUMBER = "4111 1111 1111 1111"


def made(*entries, name="stolen", **options):
    events, refused = to_events(
        entries, name, ListKind.BLOCK, author="mira", now_ms=NOW_MS, tokenizer=TOKENIZER, **options
    )
    return events.table.to_pylist(), refused


def test_an_entry_says_who_put_whom_on_which_list_until_when_and_why():
    (row,), refused = made(Entry("d-5", "device", None, "2030-01-01", "seen thrice", "consortium"))
    assert refused == []
    assert row["list_name"], row["list_kind"] == ("stolen", "block")
    assert (row["entity_type"], row["entity_id"], row["note"]) == ("device", "d-5", "seen thrice")
    assert (row["attributes.author"], row["attributes.source"]) == ("mira", "consortium")
    assert (row["event_time_ms"], row["expires_at_ms"]) == (NOW_MS, 1_893_456_000_000)
    assert row["event_id"].startswith("list_entry-")


def test_two_changes_have_ids_of_their_own():
    rows, _ = made(Entry("a"), Entry("b"))
    assert len({row["event_id"] for row in rows}) == 2


@pytest.mark.parametrize("entity", ["card", None, "device"])
def test_a_card_number_becomes_its_token_wherever_it_stands(entity):
    (row,), _ = made(Entry(NUMBER, entity, None, None, f"card {NUMBER}", NUMBER))
    assert row["entity_id"] == TOKENIZER.token(NUMBER)
    assert not any(written in str(row) for written in ("4111 11", "411111"))


@pytest.mark.parametrize("field", ["card_id", "card_number"])
@pytest.mark.parametrize("digits", [NUMBER, "4111111111111112", "100000000001", "9999 0000 0000 1234"])
def test_a_card_on_a_list_is_the_card_of_payments_whichever_field_they_have_it_in(field, digits):
    record = {"transaction_id": "p", "event_time": NOW_MS, "amount": 1.0, field: digits}
    payment = JsonDecoder(TOKENIZER).decode_one(json.dumps(record).encode(), NOW_MS)
    rows, refused = made(Entry(digits, "card"), Entry(digits, "card", expires_at="soon"))
    assert payment.column("card_id")[0].as_py() in {row["entity_id"] for row in rows}
    assert [fault.line for fault in refused] == [2]


def test_taking_somebody_off_is_an_event_as_well():
    (row,), _ = made(Entry("d-5", "device"), removed=True)
    assert row["removed"] is True


def test_bad_entries_are_refused_one_by_one():
    rows, refused = made(
        Entry("a", "devise"),
        Entry("b"),
        Entry("c", expires_at="soon"),
        Entry(""),
        Entry("x" * 5000),
        lines=[2, 3, 4, 5, 6],
    )
    assert [row["entity_id"] for row in rows] == ["b"]
    assert [one.line for one in refused] == [2, 4, 5, 6]
    assert refused[0].problem.startswith("entity_type: is none of card, customer")
    assert "is not an ISO 8601 time" in refused[1].problem
    assert refused[2].problem == "entity_id: is missing"


@pytest.mark.parametrize("time", [10**29, -(10**29), 1 << 63, -1])
def test_a_number_that_is_no_time_is_refused_however_large(time):
    rows, [refused] = made(Entry("a", expires_at=time))
    assert not rows
    assert refused.problem.startswith("expires_at: ")


@pytest.mark.parametrize("name", ["", " a", "x" * 81])
def test_a_list_has_a_name(name):
    with pytest.raises(InputError, match="a list's name"):
        made(Entry("a"), name=name)


def test_a_csv_file_is_read_with_its_line_numbers():
    text = '\ufeffEntity_ID, note ,expires_at\nd-1,"two\nlines",2030-01-01\n\n,nobody,\nd-2,a,b,c\nd-3,,\n'
    entries, lines, refused = read_csv(text)
    assert [(entry.entity_id, entry.note) for entry in entries] == [("d-1", "two\nlines"), ("d-3", None)]
    assert lines == [3, 7]
    assert [(one.line, one.problem) for one in refused] == [
        (5, "entity_id is missing"),
        (6, "4 fields, the header has 3"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "entity_id among them"),
        ("entity_id,entity_id\na,b\n", "each once"),
        ("id\na\n", "no column 'id'"),
        ('entity_id\n"a\n', "line 2"),
        ("entity_id,list_kind\na,bad\n", None),
    ],
)
def test_a_file_that_is_no_list_is_refused_as_a_whole(text, said):
    if said is None:
        assert "list_kind is one of" in read_csv(text)[2][0].problem
        return
    with pytest.raises(InputError, match=said):
        read_csv(text)
