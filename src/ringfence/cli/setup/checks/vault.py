"""The vault of personal data: it opens with the master keys that are set, and these are where they belong."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

from ringfence.cli.setup.checks.check import Check, State
from ringfence.cli.terminal.screen import format_time
from ringfence.compose.folder.privacy import check_begun, check_setting, key_file, lost_originals, open_vault
from ringfence.compose.folder.store import VAULT, has_store, open_store
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def vault(folder: Path) -> Iterator[Check]:
    """The vault, and the place and rights of its keys; nothing where personal data is kept as it comes."""
    if not has_store(folder):
        if load_settings().personal_data == VAULT:
            check_begun(folder)
        return
    with open_store(folder, read_only=True) as store:
        if not check_setting(store):
            return
        open_vault(store).close()
        lost = lost_originals(store)
    path = key_file(folder)
    yield Check("vault", State.FINE, f"it opens with the master keys in {path}")
    if lost is not None:
        count, at_ms = lost
        said = f"{count:,} originals were not kept, the latest of {format_time(at_ms)}: their tokens stay"
        remedy = (
            "Nobody can read those values. A value is kept when it comes again; the server's log says what "
            "kept the vault from being written."
        )
        yield Check("vault", State.NOTE, said, remedy)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        said = f"others may use {path}, the master keys (mode {mode:04o})"
        yield Check("vault", State.BAD, said, f"chmod 600 {path}, and `ringfence privacy rotate`.")
    tree = next((one for one in path.resolve().parents if (one / ".git").exists()), None)
    if tree is not None:
        said = f"the master keys in {path} are in the git work tree {tree}: one commit publishes them"
        remedy = "Move the file elsewhere, and set vault_key. If it was ever committed, rotate the keys."
        yield Check("vault", State.BAD, said, remedy)
