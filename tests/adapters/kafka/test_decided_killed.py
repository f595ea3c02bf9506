"""kill -9 while the decisions of another host are followed: none is lost, none comes twice."""

import json
import multiprocessing
import random
import signal
from contextlib import suppress
from types import SimpleNamespace

import pytest
from tests.adapters.kafka.test_decided import decisions_in, followed, lines
from tests.spine import open_store, runner

from ringfence.adapters.kafka import decided
from ringfence.adapters.kafka.records import NAMES
from ringfence.adapters.stream_records import StreamDecoding, Streamed
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer

pytestmark = pytest.mark.slow
COUNT = 600
ROUNDS = 8
MOST_WAITING = 200
PLACE = ("offset", "event_time_ms")  # of this log
ROWS = 8  # of a commit: a kill should meet many


@pytest.fixture
def elsewhere(tmp_path):
    """What another host decided, by payment, by three books of rules."""
    with open_store(tmp_path / "elsewhere") as other:
        at_work = runner(other)
        decoding = StreamDecoding(load_mapping("canonical"), Tokenizer(other.meta.token_key), NAMES)
        at_work.ingest(
            decoding((Streamed("e", 0, "", b"", line) for line in lines(0, 1)), 1_800_000_000_000).events
        )
        [made] = decisions_in(other)
    return [
        made
        | {"transaction_id": f"p{n}", "outcome": "decline", "reasons": [f"R{n}"]}
        | {"versions": made["versions"] | {"rules": f"book-{n * 3 // COUNT}"}}
        for n in range(COUNT)
    ]


def follow(folder, address, payments, decisions, said):
    """In a process of its own: follow, and say so of each batch that is handed on."""
    decided._MOST_WAITING = MOST_WAITING
    with (
        open_store(folder) as store,
        followed(store, SimpleNamespace(address=address), payments, decisions) as (at_work, source),
    ):

        def counted():
            for batch in source.batches(ROWS, until_end=True, is_over=lambda: False):
                if batch.positions:
                    said.send_bytes(b"!")
                yield batch

        at_work.run(counted())


def killed(folder, kafka, payments, decisions, after):
    """Follow in a process of its own, which is killed once it has been handed so many batches."""
    context = multiprocessing.get_context("spawn")  # a fork would take over locks of Kafka's threads
    heard, said = context.Pipe(duplex=False)
    child = context.Process(target=follow, args=(folder, kafka.address, payments, decisions, said))
    child.start()
    said.close()
    with heard, suppress(EOFError):  # it was through before
        for _ in range(after):
            heard.recv_bytes()
        child.kill()
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL), "a round ended with an error of its own"


def test_whatever_is_killed_each_decision_is_kept_once(kafka, tmp_path, elsewhere, monkeypatch):
    """Decisions come in another order than their payments, some twice, and more than there is room for."""
    monkeypatch.setattr(decided, "_MOST_WAITING", MOST_WAITING)
    chance, folder = random.Random(5), tmp_path / "data"
    payments, decisions = kafka.topic(2), kafka.topic(2)
    for at in range(0, COUNT, 20):
        kafka.send(payments, lines(at, 20), partition=at // 20 % 2)
    mixed = sorted(range(COUNT), key=lambda n: n + chance.randrange(150))
    for at in range(0, COUNT, 30):
        some = [json.dumps(elsewhere[n]) for n in mixed[at : at + 30]]
        kafka.send(decisions, some + some[:3], partition=chance.randrange(2))
    met = set()
    for _ in range(ROUNDS):
        killed(folder, kafka, payments, decisions, chance.randrange(1, 12))
        with open_store(folder) as store:
            met.add(len(decisions_in(store)))
    with open_store(folder) as store, followed(store, kafka, payments, decisions) as (at_work, source):
        totals = at_work.run(source.batches(ROWS, until_end=True, is_over=lambda: False))
        kept = decisions_in(store)
    assert len(met) > 2
    assert totals.duplicates == 0
    assert sorted(one["transaction_id"] for one in kept) == sorted(one["transaction_id"] for one in elsewhere)
    told = {one["transaction_id"]: one for one in elsewhere}
    for one in kept:
        name, own = one["transaction_id"], {key: one[key] for key in PLACE}
        assert one == told[name] | own
