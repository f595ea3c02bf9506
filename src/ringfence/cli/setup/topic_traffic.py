"""Traffic to topics of Kafka: each record with the id of whom it is about as its key."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.cli.terminal import screen
from ringfence.compose.kafka import topic_outlet
from ringfence.compose.streams import is_topic
from ringfence.errors import InputError
from ringfence.simulate.flagged_accounts import FLAGS
from ringfence.simulate.lines import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

_KEYS: Final = {
    "canonical": ("customer_id", "entity_id", "transaction_id"),
    "flagged-accounts": ("Account_Id",),
    "micro-macro": ("account",),
}
"""Fields of a record of each schema, the first of which that it has is its key."""


@contextmanager
def topics(address: str, schema: str) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """What sends batches of one schema; all has arrived when the block is left.

    Of `flagged-accounts` the second topic, where the address names two, is that of the flags.
    """
    if not is_topic(address):
        raise InputError("--to takes a server or topics of Kafka")
    outlet = topic_outlet(address)
    most = 2 if schema == "flagged-accounts" else 1
    if len(outlet.topics) > most:
        raise InputError(f"schema {schema} goes to {most} topic{'s' * (most > 1)} at most")
    if made := outlet.open():
        screen.say(f"Made {', '.join(made)}.")
    record_of = msgspec.json.Decoder(dict[str, object]).decode

    def send(batch: pa.RecordBatch) -> None:
        topic = outlet.topics[-1 if batch.schema.equals(FLAGS) else 0]
        lines = json_lines(batch).to_pylist()
        outlet.send(topic, ((_key(record_of(line), _KEYS[schema]), line) for line in lines))

    try:
        yield send
    finally:
        outlet.close()


def _key(record: dict[str, object], names: tuple[str, ...]) -> str:
    return str(next((record[name] for name in names if record.get(name) is not None), ""))
