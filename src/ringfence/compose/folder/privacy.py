"""Personal data of a data folder: the tokenizer that its log was written with, and its vault."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ringfence.access.approvals import Deed
from ringfence.adapters.cases import CasePersons
from ringfence.adapters.outbox import BusPersons
from ringfence.adapters.vault import Keyring, SqliteVault, VaultWriter, has_vault
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.approvals import open_approvals
from ringfence.compose.folder.bus import has_outbox, open_bus
from ringfence.compose.folder.cases import has_cases, open_cases
from ringfence.compose.folder.store import (
    PERSONAL,
    VAULT,
    check_not_lost,
    has_store,
    keeps_tokens,
    tokenizer_of,
)
from ringfence.compose.folder.tables import open_tables
from ringfence.decisions.index import DecisionQuery
from ringfence.desks.alerts import forms_of
from ringfence.desks.person_search import PersonPlace, PersonQuestions, PersonSearch
from ringfence.desks.privacy import PrivacyDesk
from ringfence.errors import InputError
from ringfence.features.durations import parse_duration_ms
from ringfence.ports import EVENTS
from ringfence.settings import is_of_originals, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ringfence.desks.privacy import Second
    from ringfence.ports.vault import Vault
    from ringfence.rulebook.desk import Who
    from ringfence.store import DataFolder

_PAGE: Final = 50_000  # decisions that are asked for at once
_LOST: Final = "lost_originals"
_INIT: Final = "run `ringfence privacy init`, before the first event comes"


def begin_vault(store: DataFolder) -> Path:
    """Make the vault of a store that holds nothing yet, and its master key unless that is there.

    Where the key is. `InputError` where something stands in the way.
    """
    path = key_file(store.folder)
    if not keeps_tokens(store) and store.log.end_offset(EVENTS):
        raise InputError(_in_the_open(store))
    keys = Keyring.read(path) if path.exists() else Keyring.create(path)
    SqliteVault(store.folder, store.meta.store_id, keys, create=True).close()
    store.remember(PERSONAL, VAULT)
    return path


def check_begun(folder: Path) -> None:
    """`InputError` with the remedy where the settings want a vault and there is no store yet."""
    if load_settings().personal_data == VAULT and not has_store(folder):
        check_not_lost(folder)
        raise InputError(f"{folder} has no store and no vault yet: {_INIT}")


def open_vault(store: DataFolder) -> SqliteVault:
    """The vault of a store; `InputError` where it has none, or the keys are others."""
    if not keeps_tokens(store) and load_settings().personal_data == VAULT:
        if not store.log.end_offset(EVENTS):
            raise InputError(f"{store.folder} has no vault yet: {_INIT}")
        raise InputError(_in_the_open(store))
    if not keeps_tokens(store):
        raise InputError(
            f'{store.folder} keeps personal data as it comes: set personal_data = "vault" in a project '
            "with a new data folder, and run `ringfence privacy init`"
        )
    return SqliteVault(store.folder, store.meta.store_id, Keyring.read(key_file(store.folder)))


def check_setting(store: DataFolder) -> bool:
    """Whether a store keeps tokens; `InputError` where the setting is not what the store was begun with."""
    wanted, has = load_settings().personal_data == VAULT, keeps_tokens(store)
    if wanted and not has:
        raise InputError(
            f'personal_data = "vault", and {store.folder} has no vault: `ringfence privacy init` makes it '
            "before the first event comes"
        )
    if has and not wanted:
        raise InputError(
            f'the log of {store.folder} has tokens for personal data: set personal_data = "vault", as it was'
        )
    return has


@contextmanager
def keeping(store: DataFolder, now_ms: Callable[[], int], *, patient: bool) -> Iterator[VaultWriter | None]:
    """Who keeps originals while the block runs, None where the store has no vault.

    `InputError` where the setting is not what the store was begun with.
    """
    if not check_setting(store):
        yield None
        return
    vault = open_vault(store)
    try:

        def note(lost: int) -> None:
            before = lost_originals(store)
            store.remember(_LOST, f"{lost + (before[0] if before else 0)} {now_ms()}")

        writer = VaultWriter(vault, now_ms, patient=patient, note=note)
        try:
            yield writer
        finally:
            writer.close()
    finally:
        vault.close()


def lost_originals(store: DataFolder) -> tuple[int, int] | None:
    """How many originals the vault could not keep, ever, and when the latest of them came; None for none."""
    told = store.remembered(_LOST)
    if told is None:
        return None
    count, at_ms = map(int, told.split())
    return count, at_ms


@contextmanager
def person_search(
    store: DataFolder, *, check: Callable[[], None] = lambda: None, most: int | None = None
) -> Iterator[PersonSearch]:
    """What is held on somebody in a store; `check` and `most` as of `PersonSearch`."""
    vault, tables, places, closing = open_vault(store), open_tables(store), list[PersonPlace](), list[Any]()
    tokenizer = tokenizer_of(store)
    closing += [vault, tables]
    try:
        if has_cases(store.folder):
            cases = open_cases(store.folder)
            places.append(CasePersons(cases))
            closing.append(cases)

        if has_outbox(store.folder):
            bus = open_bus(store.folder)
            places.append(BusPersons(bus.database, store.log, partial(forms_of, tokenizer)))
            closing.append(bus)

        def decided(kind: str, identity: str, most: int | None) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            before: tuple[int, int] | None = None
            while most is None or len(found) < most:
                check()
                limit = _PAGE if most is None else min(_PAGE, most - len(found))
                query = DecisionQuery(entity=kind, entity_id=identity, limit=limit, before=before)
                page: list[dict[str, Any]] = tables.decisions(query).to_pylist()
                found += page
                if len(page) < limit:
                    break
                before = (page[-1]["event_time_ms"], page[-1]["offset"])
            return found

        yield PersonSearch(store.log, vault, tokenizer, places, decided, now_ms, check, most, _kept_for())
    finally:
        for one in closing:
            one.close()


def _kept_for() -> dict[str, int]:
    """How long originals are kept, by field and class."""
    times = load_settings().retention
    return {part: parse_duration_ms(text) for part, text in times.items() if is_of_originals(part)}


@contextmanager
def privacy_desk(
    store: DataFolder, now_ms: Callable[[], int], questions: PersonQuestions | None = None
) -> Iterator[PrivacyDesk]:
    """What people do with the personal data of a store.

    `questions` are answered elsewhere where this thread may not read the log.
    """
    approvals, settings = open_approvals(store.folder), load_settings()

    def approved(what: Second, subject: str, who: Who) -> AbstractContextManager[None]:
        return approvals.approved(Deed(what), subject, {"person": subject}, who)

    try:
        with person_search(store) as search:
            yield PrivacyDesk(
                search,
                questions or PersonQuestions(search.who, search.find),
                now_ms,
                settings.reveals_per_hour,
                settings.reveal_limit,
                approved,
            )
    finally:
        approvals.book.close()


def contacts_of(store: DataFolder) -> tuple[Callable[[str], str | None], Vault | None]:
    """The contact that a token stands for, None once it was erased; and what to close."""
    if not keeps_tokens(store):
        return lambda text: text, None
    vault = open_vault(store)

    def found(token: str) -> str | None:
        held = vault.of_token(token)
        return None if held is None else held.value

    return found, vault


def has_originals(folder: Path) -> bool:
    """Whether a data folder has a vault."""
    return has_vault(folder)


def key_file(folder: Path) -> Path:
    """Where the master keys of a data folder are; `InputError` where no place is set, or one inside it."""
    path = load_settings().vault_key
    if path is None:
        raise InputError(
            "vault_key is not set: name a file outside the data folder, which `ringfence privacy init` makes"
        )
    if folder.resolve() in path.resolve().parents:
        raise InputError(
            f"{path} is inside the data folder: who takes the folder would have the master key, too"
        )
    return path


def _in_the_open(store: DataFolder) -> str:
    return (
        f"{store.folder} holds events with personal data as it came, which no erasure could reach: "
        "begin a new data folder with this setting, and read your sources into it"
    )
