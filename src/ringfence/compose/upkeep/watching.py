"""The watch over the models of a data folder: how the champion stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.adapters.watchbook import WatchBook
from ringfence.analysis.model_scores import heard
from ringfence.compose.deciding.models import in_force, model_registry
from ringfence.compose.messaging.alerts import rules_by_digest
from ringfence.learning.watching.drift import DriftReference
from ringfence.learning.watching.standing import Standing, standing
from ringfence.scoring.artifacts.manifest import REFERENCE
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.store import DataFolder


def watch_book(folder: Path) -> WatchBook:
    """What the watch over a data folder has found."""
    return WatchBook(folder)


def measure(store: DataFolder, now_ms: int) -> Standing:
    """How the champion stands by what the log holds; kept in the data folder.

    `InputError` or `ScorerError` where its files are not to be had.
    """
    book, champion = WatchBook(store.folder), in_force(store).champion
    found = Standing(champion, now_ms)
    if champion:
        artifact = model_registry(store.folder).read(champion)
        said = heard(
            store.log,
            store.meta.hash_seed,
            champion,
            artifact.manifest,
            rules_by_digest(store),
            load_settings().label_sources,
        )
        text = artifact.files.get(REFERENCE)
        reference = None if text is None else DriftReference.from_json(text)
        if said is not None:
            found = standing(said, champion, artifact.manifest, reference, now_ms, book.standing())
    book.keep(found)
    return found
