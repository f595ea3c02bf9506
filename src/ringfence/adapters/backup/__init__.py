"""Backups: a data folder's state copied while it is served, checked, and put in place again."""

from ringfence.adapters.backup.manifest import MANIFEST, read_manifest
from ringfence.adapters.backup.restoring import restore
from ringfence.adapters.backup.writing import back_up

__all__ = ["MANIFEST", "back_up", "read_manifest", "restore"]
