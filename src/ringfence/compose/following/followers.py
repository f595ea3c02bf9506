"""Puts the followers of a data folder together."""

from __future__ import annotations

import contextlib
import time
from contextlib import closing, contextmanager
from functools import partial
from importlib.util import find_spec
from random import Random
from typing import TYPE_CHECKING, Final

from ringfence.adapters.audit.checkpoints import Checkpoints
from ringfence.adapters.audit.sealing import SealFollower
from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.cases import CaseFollower, read_policy
from ringfence.adapters.finder.writer import IndexFollower
from ringfence.adapters.lake.files import LakeFollower
from ringfence.adapters.landing import LandingFollower, open_place
from ringfence.adapters.links import LinkFollower
from ringfence.adapters.outbox import Casework, OutboxFollower
from ringfence.adapters.sqlite.roll import SqliteRoll
from ringfence.compose.aws import needs_aws
from ringfence.compose.clock import now_ms
from ringfence.compose.folder import companions
from ringfence.compose.folder.bus import open_bus
from ringfence.compose.folder.store import open_store, tokenizer_of
from ringfence.compose.kafka import kafka_client, kafka_options
from ringfence.compose.messaging.alerts import alert_policy
from ringfence.compose.messaging.messages import delivery, locked, messages_beside, outbox_of
from ringfence.compose.secrets import secret
from ringfence.compose.tracing import tracing_of
from ringfence.compose.upkeep.scheduled_commands import timetable
from ringfence.errors import InputError, InUseError
from ringfence.features.spec import FeatureSpec
from ringfence.follow import Pump, catch_up, declare
from ringfence.follow.history import check_history
from ringfence.follow.rounds import Rounds
from ringfence.ports.tracing import untraced
from ringfence.settings import load_settings
from ringfence.store import CASES, TRAIL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ringfence.adapters.aws import AuditTable
    from ringfence.adapters.kafka.control_sink import ControlSink
    from ringfence.adapters.kafka.sink import KafkaSink
    from ringfence.adapters.kinesis.sink import KinesisSink
    from ringfence.adapters.relational import RelationalStore
    from ringfence.events.activation import Part
    from ringfence.follow import Follower
    from ringfence.follow.supervised_process import Beside
    from ringfence.follow.timetable import Timetable
    from ringfence.store import DataFolder

LOCK_NAME: Final = "followers.lock"
_REFUSAL: Final = (
    "process {holder} runs the followers of {folder} already (`ringfence serve` starts one itself, unless "
    "RINGFENCE_SERVE_FOLLOW=false). Let it, or end it"
)


def followers_of(store: DataFolder) -> list[Follower]:
    """All that a store has; the relational store is one of them where `store_url` names a database."""
    settings = load_settings()
    checkpoints = Checkpoints(settings.audit_every_ms, now_ms, settings.audit_key, settings.audit_anchor)
    found: list[Follower] = [
        LakeFollower(store.log, store.tables),
        IndexFollower(store.log, store.folder / "index", store.meta.hash_seed),
        CaseFollower(store.log, store.folder, read_policy(settings.cases), _cases_of(store)),
        outbox_of(store),
        SealFollower(lambda: _trail_of(store.folder), checkpoints.due),
    ]
    found += link_followers_of(store)
    if settings.landing_url is not None:
        found.append(landing_zone(store))
    if settings.kafka_sink is not None:
        found += kafka_sinks(store, settings.kafka_sink)
    if settings.kafka_control is not None:
        found.append(control_sink(store, settings.kafka_control))
    if settings.kinesis_sink is not None:
        found.append(kinesis_sink(store, settings.kinesis_sink))
    if settings.dynamodb_table is not None:
        found.append(audit_table(store))
    return found if settings.store_url is None else [*found, relational_store(store)]


def _cases_of(store: DataFolder) -> Callable[[], None]:
    """`CorruptError` where the cases of a store are gone."""
    return partial(companions.check_not_lost, store.folder, CASES)


def _trail_of(folder: Path) -> SqliteTrail:
    companions.check_not_lost(folder, TRAIL)
    return SqliteTrail(folder)


def kafka_sinks(store: DataFolder, address: str) -> list[KafkaSink]:
    """The topics that follow this log; `InputError` where the address is none, or the library is missing."""
    client = kafka_client(address, kafka_options().sink)
    from ringfence.adapters.kafka.sink import FlaggedSink, KafkaSink  # noqa: PLC0415 (an extra)

    sinks = [KafkaSink(store.log, client, store.folder, store.quarantine)]
    if client.address.options.get("flagged"):
        sinks.append(FlaggedSink(store.log, client, store.folder))
    return sinks


def control_sink(store: DataFolder, text: str) -> ControlSink:
    """The control topic that follows this log; errors as of `kafka_sinks`."""
    client = kafka_client(text, kafka_options().control)
    if len(client.address.topics) != 1:
        raise InputError("kafka_control names one topic: the control topic of the Flink job")
    from ringfence.adapters.kafka.control_sink import ControlSink  # noqa: PLC0415 (an extra)
    from ringfence.sharded.references import keys_of  # noqa: PLC0415 (loads the language of rules)

    def text_of(part: Part, digest: str) -> str | None:
        found = store.registry.find(part, digest)
        return None if found is None else found.body

    return ControlSink(store.log, client, store.folder, text_of, keys_of(tokenizer_of(store)))


def kinesis_sink(store: DataFolder, text: str) -> KinesisSink:
    """The streams that follow this log; `InputError` where the address is none, or the library is missing."""
    needs_aws("Kinesis")
    from ringfence.adapters.aws import aws_client  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kinesis.address import KinesisAddress  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.sink import OPTIONS, KinesisSink  # noqa: PLC0415 (likewise)

    address = KinesisAddress.of(text, OPTIONS)
    client, quarantine = aws_client("kinesis"), store.quarantine
    return KinesisSink(store.log, client, address, store.folder, sleep=time.sleep, quarantine=quarantine)


def landing_zone(store: DataFolder, to: str | None = None) -> LandingFollower:
    """The landing zone of this log, at `to` or where the settings say; `InputError` where none is named."""
    settings = load_settings()
    return LandingFollower(
        store.log,
        open_place(landing_address(to)),
        store.meta.store_id,
        now_ms,
        fmt=settings.landing_format,
        layout=settings.landing_layout,
        file_mb=settings.landing_file_mb,
        file_seconds=settings.landing_file_seconds,
        quarantine=store.quarantine,
        keep_days=settings.landing_keep_days,
    )


def landing_address(to: str | None = None) -> str:
    """Address of the landing zone; `InputError` where none is named."""
    address = to or load_settings().landing_url
    if address is None:
        raise InputError(
            "no landing zone is named: give --to FOLDER or --to s3://BUCKET/PREFIX, or set landing_url in "
            "ringfence.toml (RINGFENCE_LANDING_URL)"
        )
    return address


def link_followers_of(store: DataFolder) -> list[Follower]:
    """What keeps the links of the newest specification, where that declares a graph."""
    versions = store.registry.versions("features")
    graph = FeatureSpec.from_json(versions[-1].body).graph if versions else None
    return [] if graph is None else [LinkFollower(store.folder, graph)]


def check_restored(folder: Path, follower: Follower) -> None:
    """As `check_history`, for a command that has a follower take the log by itself."""
    if SqliteRoll.is_in(folder):  # a restore leaves one
        with closing(SqliteRoll(folder)) as roll:
            check_history(roll, follower)


def bring_links_up(store: DataFolder) -> None:
    """Have the links taken up to the end of the log, unless another process sees to that right now."""
    with contextlib.suppress(InUseError), locked(store.folder, LOCK_NAME, _REFUSAL):
        for follower in link_followers_of(store):
            with closing(follower):
                catch_up(store.log, follower, all_of_it=True)


def audit_table(store: DataFolder, table: str | None = None) -> AuditTable:
    """The audit items of this log, in a table of DynamoDB; `InputError` where none is named, or no boto3."""
    settings = load_settings()
    found = table_name(table)
    from ringfence.adapters.aws import AuditTable, aws_client  # noqa: PLC0415 (an extra)

    days = settings.dynamodb_days
    return AuditTable(
        store.log, aws_client("dynamodb"), found, store.meta.store_id, days=days, sleep=time.sleep
    )


def create_audit_table(name: str) -> bool:
    """Make a table of DynamoDB for audit items; False where it is there already."""
    from ringfence.adapters.aws import aws_client, create_table  # noqa: PLC0415 (an extra)

    return create_table(aws_client("dynamodb"), name)


def table_name(table: str | None = None) -> str:
    """The table that is named here or in the settings."""
    found = table or load_settings().dynamodb_table
    if found is None:
        raise InputError(
            "no table is named: give --table NAME, or set dynamodb_table in ringfence.toml "
            "(RINGFENCE_DYNAMODB_TABLE)"
        )
    needs_aws("DynamoDB")
    return found


def relational_store(store: DataFolder, to: str | None = None) -> RelationalStore:
    """The relational store of this log, at `to` or where the settings say; errors as `store_address`."""
    address = store_address(to)
    from ringfence.adapters.relational import RelationalStore  # noqa: PLC0415 (an extra)

    settings = load_settings()
    password = secret(settings.store_password)
    return RelationalStore(store.log, address, store.meta.store_id, settings.label_sources, password)


def store_address(to: str | None = None) -> str:
    """Address of the relational store; `InputError` where none is named, or its libraries are missing."""
    address = to or load_settings().store_url
    if address is None:
        raise InputError(
            "no relational store is named: give --to postgresql://USER@HOST/DATABASE, or set store_url in "
            "ringfence.toml (RINGFENCE_STORE_URL)"
        )
    if any(find_spec(name) is None for name in ("alembic", "psycopg", "sqlalchemy")):
        raise InputError("the relational store needs more libraries: pip install 'ringfence[postgres]'")
    return address


def readers_of(store: DataFolder) -> list[tuple[str, str, int]]:
    """All who read the log, as of `EventLog.readers`, followers as far as they last said."""
    readers = {(who, topic): at for who, topic, at in store.log.readers()}
    if SqliteRoll.is_in(store.folder):
        with closing(SqliteRoll(store.folder)) as roll:
            entries = roll.entries()
        readers |= {(one.name, topic): at for one in entries for topic, at in one.positions.items()}
    return [(*which, at) for which, at in sorted(readers.items())]


def declare_all(store: DataFolder) -> None:
    """Have the log keep what its followers have not read, before the first of them runs."""
    with closing(SqliteRoll(store.folder)) as roll:
        declare(store.log, roll, followers_of(store))


@contextmanager
def following(
    folder: Path,
    heard: Callable[[str], None] = lambda _problem: None,
    lower: Callable[[], object] = lambda: None,
) -> Iterator[None]:
    """The followers of a data folder at work, until the block is left; messages in a process beside this one.

    `heard` is told why that process does not run; `lower` is called once that process is seen to, and lowers
    the priority of all that starts afterwards. `InUseError` where another process runs the followers,
    `StoreError` where there is no store.
    """
    with (
        open_store(folder, read_only=True) as store,
        locked(folder, LOCK_NAME, _REFUSAL),
        closing(SqliteRoll(folder)) as roll,
        tracing_of("ringfence-followers") as tracing,
    ):
        bus, settings = open_bus(folder), load_settings()
        alert_policy()  # what is wrong with it is told here
        casework = Casework(bus, folder, read_policy(settings.cases), store.meta.store_id, _cases_of(store))
        every = followers_of(store)
        declare(store.log, roll, every)
        others = [one for one in every if one.name != OutboxFollower.name]
        taking = untraced if tracing is None else tracing.take
        at_work: list[Pump | Rounds | Beside | Timetable] = [
            messages_beside(folder, heard, roll),
            Pump(store.log, roll, others, now_ms, Random(), taking=taking),  # noqa: S311
            Rounds("casework", lambda: casework.look(now_ms())),
            timetable(folder, now_ms),
        ]
        at_work[0].start()  # on a thread of its own, which keeps the priority that this one has now
        lower()
        for one in at_work[1:]:
            one.start()
        try:
            yield
        finally:
            for one in at_work:
                one.stop()
            casework.close()


@contextmanager
def undisturbed(folder: Path) -> Iterator[None]:
    """While the block runs no follower is at work on a data folder; `InUseError` where one is."""
    with locked(folder, LOCK_NAME, _REFUSAL), delivery(folder):
        yield


def bring_up(store: DataFolder) -> None:
    """Before retention takes anything: declared followers take all that there is, and the log hears of it.

    One that is paused, or run by another process right now, stays where it is.
    """
    declared = {(reader, topic) for reader, topic, _ in store.log.readers()}
    with closing(SqliteRoll(store.folder)) as roll:
        standing = {entry.name for entry in roll.entries() if entry.paused}
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(store.folder, LOCK_NAME, _REFUSAL))
                stack.enter_context(delivery(store.folder))
                is_ours = True
            except InUseError:
                is_ours = False
            for follower in followers_of(store):
                if not any((follower.name, topic) in declared for topic in follower.topics):
                    continue
                if is_ours and follower.name not in standing:
                    check_history(roll, follower)
                    catch_up(store.log, follower, all_of_it=True)
                positions = follower.positions()
                if isinstance(follower, OutboxFollower):
                    follower.bus.database.settle()  # before what is behind these positions goes
                for topic, offset in positions.items():
                    store.log.commit_reader(follower.name, topic, offset)
