"""Backups: a data folder's state copied while it is served, checked, and put in place again.

The copy is a folder, or stands below a prefix of a bucket:

folder ──► back_up ──► copy ──► Shelf.put ──► s3://BUCKET/PREFIX/TIME-ID/… ──► restore ──► folder
"""

from ringfence.adapters.backup.manifest import MANIFEST, parse_manifest
from ringfence.adapters.backup.restoring import restore, verify
from ringfence.adapters.backup.shelf import Shelf, check_address, kept_at
from ringfence.adapters.backup.sources import FolderBackup, KeptBackup
from ringfence.adapters.backup.writing import back_up

__all__ = [
    "MANIFEST",
    "FolderBackup",
    "KeptBackup",
    "Shelf",
    "back_up",
    "check_address",
    "kept_at",
    "parse_manifest",
    "restore",
    "verify",
]
