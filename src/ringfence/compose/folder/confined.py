"""The process that asks what anybody may write: python -m ringfence.compose.folder.confined FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from ringfence.adapters.lake import Lake
from ringfence.adapters.lake.confined import MEMORY, serve
from ringfence.compose.folder.store import open_store
from ringfence.settings import load_settings


def main(folder: str) -> None:
    """Serve the analysis tables of a data folder until standard input ends."""
    with open_store(Path(folder), read_only=True) as store:
        sources = load_settings().label_sources
        serve(Lake(store, memory=MEMORY, label_sources=sources, patience=0.0))


if __name__ == "__main__":
    main(sys.argv[1])
