"""Backups: a data folder's state copied while it is served, checked, and put in place again.

The copy is a folder, or stands below a prefix of a bucket:

folder ──► back_up ──► copy ──► BackupBucket.put ──► s3://BUCKET/PREFIX/TIME-ID/… ──► restore ──► folder
"""

from ringfence.adapters.backup.bucket import BackupBucket, check_address, kept_at
from ringfence.adapters.backup.kept_backup import FolderBackup, KeptBackup
from ringfence.adapters.backup.manifest import MANIFEST, parse_manifest
from ringfence.adapters.backup.restoring import restore, verify
from ringfence.adapters.backup.writing import back_up

__all__ = [
    "MANIFEST",
    "BackupBucket",
    "FolderBackup",
    "KeptBackup",
    "back_up",
    "check_address",
    "kept_at",
    "parse_manifest",
    "restore",
    "verify",
]
