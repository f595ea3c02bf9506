"""Snapshots of the state: arrays on disk, so that a restart replays minutes of the log and not months."""

from ringfence.adapters.snapshots.folder import Finished, Snapshots
from ringfence.adapters.snapshots.layout import Snapshot

__all__ = ["Finished", "Snapshot", "Snapshots"]
