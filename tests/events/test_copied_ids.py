"""Ids that people copy from messages: what masks card numbers there leaves each of them whole."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringfence.access.sessions import SignedIn
from ringfence.adapters.backup.bucket import backup_name
from ringfence.adapters.vault.keyring import Keyring
from ringfence.api.background.jobs import Job
from ringfence.bus.subscription import digest_of
from ringfence.desks.seals import Seals
from ringfence.errors import InputError
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.events.ids.identity import content_ids
from ringfence.events.ids.row_ids import RowIds
from ringfence.masking import lettered, mask_cards, names_card
from ringfence.testing.memory.keys import MemoryKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANY = 4_000
AROUND = st.text("0123456789 ,.-:", max_size=16)
LENGTHS = st.sampled_from([8, 12, 16, 32])


def rows() -> Iterator[str]:
    yield from RowIds(7).of([b"row %d" % (at // 2) for at in range(MANY)]).to_pylist()


def contents() -> Iterator[str]:
    amounts = pa.array(np.arange(MANY))
    yield from content_ids("transaction", MANY, {"amount": amounts}).to_pylist()


def backups() -> Iterator[str]:
    for at in range(MANY):
        yield backup_name(f"log-{at}", 1_800_000_000_000 + at, secrets.randbits(32))


def sessions() -> Iterator[str]:
    for at in range(MANY):
        yield SignedIn(f"session {at}", None, 0.0, 0.0).shown_id


def destinations() -> Iterator[str]:
    for at in range(MANY):
        yield digest_of(f"sms:+4917{at}", b"secret")


def jobs() -> Iterator[str]:
    for _ in range(MANY):
        yield Job("a backtest").id


def refused() -> Iterator[str]:
    for at in range(MANY):
        yield BadRecord("a.csv", at, (Fault(Reason.MALFORMED, "", ""),), b"%d" % at).id


def seals() -> Iterator[str]:
    for at in range(MANY):
        yield Seals(b"secret", lambda at=at: at).seal(f"{at:016x}", "in force", 1.0, beyond=bool(at % 2))


def keys() -> Iterator[str]:
    kept = MemoryKeys()
    for _ in range(50):
        yield kept.create("till", frozenset(), 0).split("_")[1]


GENERATORS = [rows, contents, backups, sessions, destinations, jobs, refused, seals, keys]


@pytest.mark.parametrize("generate", GENERATORS)
def test_a_message_repeats_an_id_as_it_is(generate: Callable[[], Iterator[str]]) -> None:
    for name in generate():
        said = f"there is no {name}: see `ringfence list`"
        assert str(InputError(said)) == said
        assert not names_card(f"/v1/anything/{name}"), name


@pytest.mark.parametrize("generate", [sessions, destinations, jobs, keys])
def test_an_id_has_a_letter_at_both_ends(generate: Callable[[], Iterator[str]]) -> None:
    assert [name for name in generate() if name[0].isdigit() or name[-1].isdigit()] == []


def test_a_refused_record_has_no_id_of_digits_alone() -> None:
    assert [name for name in refused() if name.isdigit()] == []


def test_a_master_keys_name_has_a_letter_at_both_ends(tmp_path) -> None:
    ring = Keyring.create(tmp_path / "master")
    for _ in range(20):
        ring.add()
    assert [name for name in ring.names if name[0].isdigit() or name[-1].isdigit()] == []


@given(st.text("0123456789", min_size=32, max_size=32), LENGTHS, AROUND, AROUND)
@example("41111111111111111111111111111111", 16, "4111 ", " 1111")
def test_whatever_stands_around_an_id_it_stays(digits: str, length: int, before: str, behind: str) -> None:
    name = lettered(digits[:length])
    assert name in mask_cards(f"{before} {name} {behind}")


@pytest.mark.parametrize(
    "text",
    [
        "row-4111111111111111",
        "card4111111111111111",
        "row-4111111111111111-2",
        "pan 4111-1111-1111-1111 abc",
        "f4111111111111111",
        "id-4111111111111111abcde",
        "4111111111111111deadbeef",
        "4111-1111-1111-1111-deadbeef",
        "dead-beef-4111111111111111",
        "row-4111111111111111deadbeef",
        "4111111111111111cafebabecafebabe",
        "deadbeefdead4111 1111 1111 1111",
        "4111 1111 1111 1111aaaabbbbcccc",
    ],
)
def test_a_card_number_is_masked_beside_other_letters(text: str) -> None:
    assert "****1111" in mask_cards(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4111111111111111D2512201", "4111111111111111"),
        ("track2=4111111111111111d251220112345678", "4111111111111111"),
        ("378282246310005F", "378282246310005"),
        ("4222222222222fff", "4222222222222"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_number_as_a_chip_writes_it_is_no_hexadecimal_id(text: str, number: str, *, strict: bool) -> None:
    """Track 2 without discretionary data has 24 characters, and a padded number 16: as many as some ids."""
    masked = mask_cards(text, strict=strict)
    assert number not in masked
    assert "2512201" not in masked


def test_looking_around_many_numbers_takes_no_more_steps_than_there_are_of_them() -> None:
    """Each number of one long word is looked at for itself, not for the whole word."""

    def steps(numbers: int) -> int:
        count = 0

        def note(_frame: object, event: str, _of: object) -> None:
            nonlocal count
            count += event == "c_call"

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            mask_cards("a4111111111111111" * numbers)
        finally:
            sys.setprofile(before)
        return count

    assert steps(200) < 3 * steps(100)
