"""`ringfence topics`: the log itself."""

from __future__ import annotations

from ringfence.cli.terminal import options, screen
from ringfence.compose.folder.store import open_store
from ringfence.compose.following.followers import readers_of


def topics(data: options.Data = None, json: options.Json = False) -> None:
    """List the topics of the log with their offsets and the position of each reader.

    Example: ringfence topics
    """
    with open_store(options.folder(data), read_only=True) as store:
        log = store.log
        rows = [(name, log.start_offset(name), log.end_offset(name)) for name in log.topics()]
        readers = [(who, topic, at, log.end_offset(topic) - at) for who, topic, at in readers_of(store)]
    if json:
        screen.show_json(
            {
                "topics": [{"topic": name, "start": start, "end": end} for name, start, end in rows],
                "readers": [
                    {"reader": who, "topic": topic, "offset": at, "lag": lag}
                    for who, topic, at, lag in readers
                ],
            }
        )
        return
    numbers = ["start", "end", "records", "offset", "lag"]
    screen.show_table(
        ["topic", "start", "end", "records"], [(*row, row[2] - row[1]) for row in rows], numbers
    )
    if readers:
        screen.show()
        screen.show_table(["reader", "topic", "offset", "lag"], readers, numbers)
