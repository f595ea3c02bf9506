"""Opens the store of a data folder."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.snapshots import Snapshots, layout
from ringfence.adapters.sqlite import Store, soundness
from ringfence.adapters.sqlite.news import News
from ringfence.adapters.sqlite.roll import SqliteRoll
from ringfence.compose.folder import companions
from ringfence.errors import CorruptError
from ringfence.events.ids.hashing import mark_of
from ringfence.events.privacy.personal import PersonalData
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.values.norms import Norms
from ringfence.settings import load_settings
from ringfence.store import LOG, TRAIL, WRITER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ringfence.audit.trail import Trail
    from ringfence.events.privacy.personal import Original
    from ringfence.follow.roll import Roll
    from ringfence.ports import SavedState, SnapshotStore
    from ringfence.store import DataFolder

PERSONAL: Final = "personal_data"
"""Under which a store remembers that its log holds tokens for personal data."""

VAULT: Final = "vault"


def open_store(folder: Path, *, read_only: bool = False) -> DataFolder:
    """The store in this folder, made if it is not there; `InUseError` if another process writes to it.

    With `read_only`, a store that some other process may be writing to, and that has to exist.
    """
    return Store.open(folder, read_only=read_only)


def news_of(store: DataFolder) -> AbstractContextManager[Callable[[], bool]]:
    """Tells, whenever it is called, whether the store has been written to since the call before."""
    return closing(News(store.folder / LOG))


def keeps_tokens(store: DataFolder) -> bool:
    """Whether the log of a store has tokens in place of personal data."""
    return store.remembered(PERSONAL) == VAULT


def let_go(_originals: Sequence[Original]) -> None:
    """Keeps no originals: for who only asks."""


def tokenizer_of(store: DataFolder, keep: Callable[[Sequence[Original]], None] = let_go) -> Tokenizer:
    """The guard at the door of a store, with what the project says stands for no id.

    Where its log has tokens in place of personal data, `keep` takes the originals.
    """
    settings = load_settings()
    key, norms = store.meta.token_key, Norms(settings.null_values, settings.keep_values)
    personal = PersonalData(key, keep, settings.personal_fields) if keeps_tokens(store) else None
    return Tokenizer(key, norms, personal)


def door_of(folder: Path, keep: Callable[[Sequence[Original]], None]) -> tuple[Tokenizer, int]:
    """The guard at the door of a store that another process writes to, and the seed of its hashes."""
    with open_store(folder, read_only=True) as store:
        return tokenizer_of(store, keep), store.meta.hash_seed


def has_store(folder: Path) -> bool:
    """Whether there is a store in this folder."""
    return (folder / LOG).exists()


def check_not_lost(folder: Path) -> None:
    """`CorruptError` where a store was in this folder and its file is gone."""
    soundness.check_not_lost(folder / LOG)


def written_files(folder: Path) -> tuple[Path, ...]:
    """The files of a store that a process that decides has to write, there or not."""
    return folder / LOG, folder / WRITER


def log_bytes(folder: Path) -> int:
    """How large the file of a store is, with what has not been written back to it."""
    return sum(path.stat().st_size for path in folder.glob(f"{LOG}*"))


def open_snapshots(store: DataFolder) -> SnapshotStore:
    """The saved states of a store."""
    return Snapshots(store.snapshots)


def states_up_to(store: DataFolder, offset: int) -> Iterator[SavedState]:
    """Saved states of this log of no later than an offset, the newest first; a damaged one is passed over."""
    folder, mark = Snapshots(store.snapshots), mark_of(store.meta.hash_seed)
    for at in folder.offsets():
        if at <= offset:
            try:
                saved = layout.read(folder.path_of(at))
            except (CorruptError, FileNotFoundError):  # or one that has just been replaced
                continue
            if saved.header.get("log", mark) == mark:
                yield saved


def open_trail(folder: Path) -> Trail:
    """The audit trail of a data folder, made if there was none; `CorruptError` where it is gone."""
    companions.check_not_lost(folder, TRAIL)
    return SqliteTrail(folder)


def has_trail(folder: Path) -> bool:
    """Whether anything was ever written down in a data folder; `CorruptError` where that is gone."""
    companions.check_not_lost(folder, TRAIL)
    return SqliteTrail.is_in(folder)


def open_roll(folder: Path) -> Roll:
    """The followers that are declared in a data folder, made if there is no such list."""
    return SqliteRoll(folder)


def has_roll(folder: Path) -> bool:
    """Whether a follower has ever been declared in a data folder."""
    return SqliteRoll.is_in(folder)
