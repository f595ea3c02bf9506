"""Where the profiles, list entries, flags and labels of a stored batch came from."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

    from ringfence.events.batch import EventBatch

_KEY: Final = b"origin"


class EventOrigin(StrEnum):
    """How events reached a log. The words are stored: never change them."""

    HERE = "here"  # made by people or rules here, or sent over HTTP or in a file
    STREAM = "stream"  # read from topics, streams or buckets, which others read as well
    CONTROL = "control"  # taken over from a control topic


def marked(table: pa.RecordBatch, origin: EventOrigin) -> pa.RecordBatch:
    """The rows with their origin, which is no content: events compare as without it."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: origin.encode()})


def origin_of(events: EventBatch) -> EventOrigin | None:
    """The origin of a stored batch; None where it is not known, as of what older versions stored.

    >>> from ringfence.events.activation import Part, activation
    >>> from ringfence.events.batch import EventBatch
    >>> batch = activation(Part.RULES, "abc", 7, author="mira")
    >>> origin_of(batch), origin_of(EventBatch(marked(batch.table, EventOrigin.HERE)))
    (None, <EventOrigin.HERE: 'here'>)
    """
    found = (events.table.schema.metadata or {}).get(_KEY)
    return None if found is None else EventOrigin(found.decode())
