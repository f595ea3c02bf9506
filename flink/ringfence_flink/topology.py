"""Which stage takes from which, and how an element says where it goes."""

from __future__ import annotations

import struct
from typing import Final

STAGES: Final[dict[str, tuple[str, ...]]] = {
    "door": (),  # takes what the batcher gives
    "ids": ("door",),
    "order": ("door", "ids"),
    "route": ("door", "order"),
    "shard": ("route",),
    "decide": ("door", "order", "shard"),
}
"""Each stage behind those that it takes from."""

OUTPUTS: Final = ("decisions", "quarantine", "flag_matches")
WRITING: Final = ("door", "order", "decide")
"""The stages that give them."""

CODES: Final = {name: number for number, name in enumerate((*STAGES, *OUTPUTS))}
"""By which Java knows them."""

HEAD: Final = struct.Struct("<bi")  # code, key
RECORD: Final = struct.Struct("<iii")  # length of what follows, topic's number, length of the key
