"""Token keys that rotate: nobody who was known is forgotten, and who comes later has another token."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from tests.api.conftest import session_in

from ringfence.adapters.sqlite import Store
from ringfence.compose.folder.privacy import begin_vault, privacy_desk
from ringfence.compose.folder.store import tokenizer_of
from ringfence.compose.folder.token_keys import token_keys_of
from ringfence.compose.folder.token_rotation import (
    forget_older_keys,
    known_by_older_keys,
    prepare_token_key,
    take_effect,
)
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import CorruptError, InputError
from ringfence.events import codec
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.privacy.token_keys import TokenKeys, mark, marks_in
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.ports import DECISIONS, EVENTS

NOW_MS = time.time_ns() // 1_000_000
WHEN_RUN = ["decided_at_ms", "latency_us"]
CARD, OTHER = "4111111111111111", "5500005555555559"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with a vault that holds nothing yet."""
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "vault")
    monkeypatch.setenv("RINGFENCE_VAULT_KEY", str(tmp_path / "keys.json"))
    with Store.open(tmp_path / "data") as store:
        begin_vault(store)
    return tmp_path / "data"


def rotate(folder):
    with Store.open(folder, read_only=True) as store:
        made = prepare_token_key(store, NOW_MS)
    return take_effect(folder, made.name, NOW_MS)


def take(folder, payments):
    with session_in(folder) as session:
        decoder = JsonDecoder(session.tokenizer)
        for one in payments:
            events, bad = decoder.decode_lines([json.dumps(one).encode()], NOW_MS, "test", 0)
            assert not bad
            session.runner.ingest(events)


def payment(number, person):
    return {
        "transaction_id": f"t{number}", "event_time": NOW_MS - 10_000_000 + number * 1000,
        "amount": f"{10 + number}.00", "currency": "EUR", "customer_id": f"C-{person}",
        "email": f"c{person}@mail.example", "phone": f"+4917012{person:05}",
        "card_number": CARD if person % 2 else OTHER, "merchant_id": f"m{number % 3}",
    }  # fmt: skip


def decisions(folder):
    with Store.open(folder, read_only=True) as store:
        found = [DecisionBatch.decode(one.payload).table for one in store.log.read(DECISIONS)]
    return pa.Table.from_batches(found).drop_columns(WHEN_RUN)


def tokens_of(folder, field):
    """By payment."""
    with Store.open(folder, read_only=True) as store:
        rows = [row for one in store.log.read(EVENTS) for row in codec.decode(one.payload).table.to_pylist()]
    return {row["transaction_id"]: row.get(field) for row in rows if row.get("transaction_id")}


def door(folder):
    with Store.open(folder, read_only=True) as store:
        return tokenizer_of(store)


@pytest.mark.parametrize("seed", range(3))
def test_features_are_those_of_a_store_whose_keys_never_rotated(folder, tmp_path, seed):
    """payments of seven persons | rotation | nine more as well | rotation | all of them."""
    chance = Random(seed)
    known, later = range(7), range(16)
    before = [payment(number, chance.choice(known)) for number in range(20)]
    between = [payment(number, chance.choice(later)) for number in range(20, 45)]
    after = [payment(number, chance.choice(later)) for number in range(45, 70)]
    take(folder, before)
    never = tmp_path / "never"
    shutil.copytree(folder, never)
    first = door(folder)
    rotate(folder)
    take(folder, between)
    second = rotate(folder)
    take(folder, after)
    take(never, [*between, *after])
    assert second.since_offset == 45
    assert decisions(folder).equals(decisions(never))
    old, new = tokens_of(never, "customer_id"), tokens_of(folder, "customer_id")
    were_known = {one["customer_id"] for one in before}
    for one in [*before, *between, *after]:
        name, by_first = one["transaction_id"], first.as_kept("customer_id", one["customer_id"])
        assert old[name] == by_first
        assert (new[name] == by_first) == (one["customer_id"] in were_known)
    assert len(set(new.values())) == len(set(old.values()))  # and nobody has two
    assert tokens_of(folder, "card_id") == tokens_of(never, "card_id")  # both cards were known


def test_who_is_known_keeps_the_token_through_a_chain_of_keys():
    keys = [bytes([number]) * 32 for number in range(3)]
    known: list[str] = []
    for count in range(1, 4):
        marks = np.unique(np.array([mark(token) for token in known], np.uint64))
        tokenizer = Tokenizer(TokenKeys(tuple(keys[:count]), keys[0], marks))
        made = [tokenizer.token(f"{number:016}") for number in range(10 * count)]
        assert made[: len(known)] == known
        assert made[len(known) :] == [
            Tokenizer(keys[count - 1]).token(f"{n:016}") for n in range(len(known), 10 * count)
        ]
        assert tokenizer.seed("rows") == Tokenizer(keys[0]).seed("rows")
        known = made


def test_marks_are_found_in_columns_and_within_texts():
    tokens = [Tokenizer(b"k" * 32).token(f"{number:016}") for number in range(4)]
    columns = [
        pa.array([tokens[0], None, "plain"]),
        pa.array([f"paid with {tokens[1]} and {tokens[2]}", None, None]),
        pa.array([1, 2, 3]),
        pa.array([tokens[3]] * 3).dictionary_encode(),
    ]
    assert marks_in(columns).tolist() == sorted(map(mark, tokens))


def test_a_card_without_a_vault_keeps_its_token(tmp_path):
    folder = tmp_path / "data"
    take(folder, [payment(1, 1)])
    first = door(folder)
    rotate(folder)
    second = door(folder)
    assert second.card(CARD).token == first.card(CARD).token
    assert second.card(OTHER).token != first.card(OTHER).token


def test_find_reveal_export_and_erase_work_for_old_and_new(folder, tmp_path):
    take(folder, [payment(1, 1), payment(2, 3)])
    first = door(folder)
    rotate(folder)
    take(folder, [payment(3, 2), payment(4, 1)])
    with Store.open(folder, read_only=True) as store:
        before = known_by_older_keys(store)
        with privacy_desk(store, lambda: NOW_MS) as desk:
            assert len(desk.find("C-1").decisions) == 2
            found = desk.find("email=c2@mail.example")
            assert (found.kind, len(found.events)) == ("customer", 1)
            token = first.as_kept("email", "c1@mail.example")
            assert desk.reveal(token, "me", "a call back").value == "c1@mail.example"
            desk.erase("C-1", "me", "asked for it")
        assert known_by_older_keys(store) == before - 3  # id, address and number; the card stays
    assert door(folder).as_kept("customer_id", "C-1") != first.as_kept("customer_id", "C-1")
    assert door(folder).as_kept("customer_id", "C-3") == first.as_kept("customer_id", "C-3")


def test_older_keys_are_forgotten_with_who_was_known_by_them(folder):
    take(folder, [payment(1, 1)])
    with Store.open(folder, read_only=True) as store, pytest.raises(InputError, match="nothing to forget"):
        known_by_older_keys(store)
    first = door(folder)
    rotate(folder)
    with Store.open(folder, read_only=True) as store:
        assert known_by_older_keys(store) == 4
        assert forget_older_keys(store, NOW_MS) == ["first"]
    assert door(folder).as_kept("customer_id", "C-1") != first.as_kept("customer_id", "C-1")
    assert len(token_keys_now(folder).keys) == 1


def token_keys_now(folder):
    with Store.open(folder, read_only=True) as store:
        return token_keys_of(store)


def test_so_many_keys_are_live_and_no_more(folder):
    take(folder, [payment(1, 1)])
    for _ in range(7):
        rotate(folder)
    with pytest.raises(InputError, match=r"8 token keys are live.*--forget"):
        rotate(folder)
    assert len(token_keys_now(folder).keys) == 8


def test_two_rotations_at_once_make_one_key(folder):
    take(folder, [payment(1, 1)])
    with Store.open(folder, read_only=True) as store:
        one, other = prepare_token_key(store, NOW_MS), prepare_token_key(store, NOW_MS)
    assert one.name == other.name
    assert take_effect(folder, one.name, NOW_MS) == take_effect(folder, other.name, NOW_MS)
    assert len(token_keys_now(folder).keys) == 2


def test_a_key_that_waits_takes_effect_at_the_next_start(folder):
    take(folder, [payment(1, 1)])
    first = door(folder)
    with Store.open(folder, read_only=True) as store:
        prepare_token_key(store, NOW_MS)
    assert door(folder).as_kept("customer_id", "C-9") == first.as_kept("customer_id", "C-9")
    take(folder, [payment(2, 2)])
    assert tokens_of(folder, "customer_id")["t2"] != first.as_kept("customer_id", "C-2")


def test_a_lost_file_of_keys_is_refused_and_makes_no_new_tokens(folder):
    take(folder, [payment(1, 1)])
    rotate(folder)
    kept = (folder / "tokens.db").read_bytes()
    for path in folder.glob("tokens.db*"):
        path.unlink()
    with pytest.raises(CorruptError, match=r"tokens.db is missing.*restore"), session_in(folder):
        pass
    assert not (folder / "tokens.db").exists()
    (folder / "tokens.db").write_bytes(kept)
    take(folder, [payment(2, 1)])
    rotate(folder)
    take(folder, [payment(3, 1)])
    for path in folder.glob("tokens.db*"):
        path.unlink()
    (folder / "tokens.db").write_bytes(kept)  # of before the second rotation
    with pytest.raises(CorruptError, match="does not hold key"), session_in(folder):
        pass


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM known",
        "UPDATE known SET marks = zeroblob(length(marks))",
        "UPDATE token_key SET key = zeroblob(32) WHERE number = 1",
        "DELETE FROM about",
    ],
)
def test_a_damaged_file_of_keys_is_refused(folder, change):
    take(folder, [payment(1, 1)])
    rotate(folder)
    with closing(sqlite3.connect(folder / "tokens.db")) as connection:
        connection.execute(change)
        connection.commit()
    with pytest.raises(CorruptError, match=r"tokens.db is damaged.*[Rr]estore"), session_in(folder):
        pass


def test_keys_of_another_installation_are_refused(folder, tmp_path, monkeypatch):
    take(folder, [payment(1, 1)])
    rotate(folder)
    monkeypatch.delenv("RINGFENCE_PERSONAL_DATA")
    other = tmp_path / "other"
    take(other, [payment(1, 1)])
    for path in folder.glob("tokens.db*"):
        shutil.copy(path, other)
    with pytest.raises(InputError, match="another installation"), session_in(other):
        pass


def test_who_was_known_before_a_log_was_trimmed_keeps_the_token(folder):
    take(folder, [payment(number, number) for number in range(1, 5)])
    first = door(folder)
    with Store.open(folder) as store:
        store.log.trim(EVENTS, 3)
        assert store.log.start_offset(EVENTS) == 3
    for path in folder.glob("vault.db*"):
        path.unlink()
    with Store.open(folder) as store:
        begin_vault(store)  # as somebody does whose vault is gone
    rotate(folder)
    after = door(folder)
    for person in range(1, 5):
        assert after.as_kept("customer_id", f"C-{person}") == first.as_kept("customer_id", f"C-{person}")
    assert after.as_kept("customer_id", "C-9") != first.as_kept("customer_id", "C-9")


ROTATION = """
import sys, time
from pathlib import Path
from ringfence.adapters.sqlite import Store
from ringfence.compose.folder.token_rotation import prepare_token_key, take_effect
folder = Path(sys.argv[1])
print("ready", flush=True)
with Store.open(folder, read_only=True) as store:
    made = prepare_token_key(store, 1)
take_effect(folder, made.name, 1)
"""


@pytest.mark.slow
def test_a_rotation_that_is_killed_leaves_the_keys_of_before_or_the_new_one(folder):
    chance, begun = Random(19), 0
    take(folder, [payment(number, number) for number in range(1, 9)])
    first = door(folder)
    for number in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", ROTATION, str(folder)], stdout=subprocess.PIPE, env=os.environ
        ) as process:
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.06))
            process.send_signal(signal.SIGKILL)
        take(folder, [payment(100 + number, 50 + number)])
        for person in range(1, 9):
            known = first.as_kept("customer_id", f"C-{person}")
            assert door(folder).as_kept("customer_id", f"C-{person}") == known
        live = len(token_keys_now(folder).keys) if (folder / "tokens.db").exists() else 1
        assert live >= begun
        begun = live
        if live > 5:
            break
    tokens = tokens_of(folder, "customer_id")
    for number in range(12):
        if f"t{100 + number}" in tokens:
            assert door(folder).as_kept("customer_id", f"C-{50 + number}") in tokens.values()
    rotate(folder)  # goes on where the last one was killed
    assert door(folder).as_kept("customer_id", "C-1") == first.as_kept("customer_id", "C-1")
