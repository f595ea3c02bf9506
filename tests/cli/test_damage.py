"""Every file of a data folder, damaged in every way: what each command does then, and never a traceback.

What can be made again is made again, and the answers stay the same. What cannot is named, with the remedy,
and nothing is decided, changed or deleted.
"""

import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from benchmarks.damage import DAMAGE, DERIVED, PLACES, place
from tests import artifacts, rights

from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.adapters.finder import IndexFollower
from ringfence.adapters.lake import LakeFollower
from ringfence.adapters.sqlite import Store
from ringfence.api.server import Server
from ringfence.api.serving import authoriser_of, check_keys
from ringfence.api.settings import ServeSettings
from ringfence.cli import execute
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.decisions.index import Wanted
from ringfence.errors import CorruptError, RingfenceError, StoreError
from ringfence.features.catalog import CATALOG
from ringfence.follow import catch_up
from ringfence.saving import Snapshotting
from ringfence.scoring.artifacts.manifest import FOREST, MODEL, REPORT
from ringfence.web import Site

from .conftest import payment, write_ndjson

pytestmark = pytest.mark.slow

OPENED = re.compile(r"writer\.lock|ringfence\.db-(wal|shm)")  # what opening a store makes
COMMON = ("missing", "truncated", "flipped", "a directory")
MODEL_FILES = ("manifest", "onnx")
READING = ("decisions", "sql", "verify")
ROWS = 40


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A store with everything in it: three runs, a model in force, tables, an index, keys."""
    base = tmp_path_factory.mktemp("template")
    folder, patch = base / "data", pytest.MonkeyPatch()
    patch.chdir(base)
    try:
        for part in range(3):
            rows = [payment(n, amount=2.0) for n in range(ROWS * part, ROWS * part + ROWS)]
            path = write_ndjson(base / f"{part}.ndjson", rows)
            assert execute(["run", str(path), "--data", str(folder), "--batch-rows", "20"]) == 0
        arrays = artifacts.grow()
        graph = artifacts.forest_graph(arrays, 3, artifacts.PLAIN)
        files = {MODEL: graph, FOREST: artifacts.packed(arrays), REPORT: b"<p>how good it is</p>" * 20}
        digest = artifacts.write(base / "model", files, inputs=artifacts.INPUTS, spec=CATALOG)
        assert execute(["models", "import", str(base / "model"), "--data", str(folder)]) == 0
        assert execute(["models", "promote", digest, "--data", str(folder)]) == 0
        assert execute(["sql", "SELECT 1", "--data", str(folder)]) == 0
        with Store.open(folder) as store:
            catch_up(store.log, LakeFollower(store.log, store.tables, ROWS))
            catch_up(store.log, IndexFollower(store.log, folder / "index", store.meta.hash_seed, ROWS, ROWS))
        with closing(ApiKeys(folder)) as keys:
            keys.create("one", frozenset({Role.ADMIN}), 0)
    finally:
        patch.undo()
    return folder


@pytest.fixture(scope="module")
def undamaged():
    """What commands say of the template, by name: asked once."""
    return {}


@pytest.fixture
def damaged(template, project):
    """A copy of the store, with a file damaged."""

    def make(what, how):
        folder = project / "data"
        shutil.copytree(template, folder)
        DAMAGE[how](place(folder, what))
        return folder

    return make


@pytest.fixture
def commands(ringfence, project):
    """Each command line on a folder, as `Ended`; no exception of any kind gets through."""
    more = write_ndjson(project / "more.ndjson", [payment(500)])
    lines = {
        "run": ("run", more),
        "decisions": ("decisions", "--json", "--limit", "200"),
        "sql": ("sql", "SELECT count(*) AS n, sum(score) AS s FROM decisions", "--format", "json"),
        "verify": ("replay", "--verify", "--json"),
        "doctor": ("doctor", "--deep", "--json", "--port", "0"),
        "backup": ("backup", project / "copy"),
    }
    return lambda name, folder: ringfence(*lines[name], "--data", folder)


def start(folder):
    """What `ringfence serve` does before it listens; how many decisions its dashboard finds."""
    with (
        closing(authoriser_of(folder, ServeSettings(port=0))) as authoriser,
        open_session(folder, load_definitions(None, None), Snapshotting()) as session,
    ):
        dashboard = Site(Server(session, ServeSettings(), authoriser))
        dashboard.finder.refresh()
        return dashboard.finder.count(Wanted()), session.warnings


@pytest.mark.parametrize(
    ("what", "how"),
    [
        (what, how)
        for what in (*DERIVED, "report")
        for how in DAMAGE
        if what in ("snapshot", "table") or how in COMMON
    ],
)
def test_what_can_be_made_again_is_and_nothing_else_changes(
    damaged, template, undamaged, commands, what, how
):
    folder = damaged(what, how)
    for name in READING:
        if name not in undamaged:
            undamaged[name] = commands(name, template).out
        ended = commands(name, folder)
        assert (ended.code, ended.out) == (0, undamaged[name])
    found, _ = start(folder)
    assert found == 3 * ROWS
    assert commands("run", folder).code == 0
    assert commands("backup", folder).code == 0
    again = commands("verify", folder)
    assert (again.code, again.json["compared"]) == (0, 3 * ROWS + 1)


@pytest.mark.parametrize(
    "how", ["missing", "empty", "truncated", "headless", "foreign", "a directory", "a dangling link"]
)
def test_a_log_that_is_gone_is_named_with_the_remedy_and_nothing_is_touched(damaged, commands, how):
    folder = damaged("log", how)
    kept = sorted(path for path in folder.rglob("*") if not OPENED.fullmatch(path.name))
    for name in ("run", *READING, "backup"):
        ended = commands(name, folder)
        assert ended.code == 3
        assert "ringfence restore" in ended.err or "mount its disk" in ended.err
    with pytest.raises(StoreError, match=r"ringfence restore|mount its disk"):
        start(folder)
    doctor = {check["part"]: check for check in commands("doctor", folder).json}
    assert doctor["store"]["state"] == "BAD"
    assert sorted(path for path in folder.rglob("*") if not OPENED.fullmatch(path.name)) == kept


@pytest.mark.parametrize("how", COMMON)
@pytest.mark.parametrize("what", MODEL_FILES)
def test_a_model_in_force_that_is_damaged_is_named_and_importing_it_again_mends_it(
    damaged, commands, template, ringfence, what, how
):
    folder = damaged(what, how)
    assert commands("run", folder).code == 2
    with pytest.raises(RingfenceError, match="import"):
        start(folder)
    assert commands("sql", folder).code == 0
    assert commands("doctor", folder).code == 1
    if how != "a directory":
        model = template.parent / "model"
        assert ringfence("models", "import", model, "--data", folder).code == 0
        assert commands("run", folder).code == 0


@pytest.mark.parametrize("how", DAMAGE)
def test_without_its_keys_a_server_that_had_some_does_not_let_everybody_in(damaged, commands, how):
    folder = damaged("keys", how)
    assert commands("run", folder).code == 0
    settings = ServeSettings(port=0)
    with Store.open(folder) as store:
        store.remember("served_with_keys", "yes")
        with (
            pytest.raises(StoreError, match=r"copy|right|move it away|Choose a folder"),
            closing(authoriser_of(folder, settings)) as authoriser,
        ):
            check_keys(store, authoriser)


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_lock_is_taken_or_named(damaged, commands, how):
    ended = commands("run", damaged("lock", how))
    if how in ("a directory", "a dangling link"):
        assert ended.code == 3
        assert "writer.lock" in ended.err
    else:
        assert ended.code == 0


def test_a_byte_flipped_anywhere_in_the_log_is_no_traceback(template, project, commands):
    """One in each page and some more: whatever it hits, commands answer or say what is damaged."""
    size = (template / "ringfence.db").stat().st_size
    for position in range(7, size, 25013):
        folder = project / f"at-{position}"
        shutil.copytree(template, folder, ignore=shutil.ignore_patterns("tables", "index", "snapshots"))
        path = folder / "ringfence.db"
        content = bytearray(path.read_bytes())
        content[position] ^= 1 << position % 8
        path.write_bytes(content)
        for name in ("verify", "run"):
            ended = commands(name, folder)
            assert ended.code in (0, 1, 2, 3), (position, name, ended.err)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["snapshot-old.bin", "snapshot-1.bin", "notes.txt"])
def test_files_of_others_among_the_snapshots_are_left_alone(template, project, commands, name):
    folder = project / "data"
    shutil.copytree(template, folder)
    (folder / "snapshots" / name).write_text("mine")
    assert commands("run", folder).code == 0
    assert commands("doctor", folder).code == 0
    assert (folder / "snapshots" / name).read_text() == "mine"


def test_snapshots_and_an_index_of_another_store_are_not_used(template, project, commands):
    """They hold ids hashed with another key: with them nothing would be known again."""
    folder = project / "data"
    rows = [payment(n, amount=2.0) for n in range(3 * ROWS + 5)]
    assert execute(["run", str(write_ndjson(project / "a.ndjson", rows)), "--data", str(folder)]) == 0
    for name in ("snapshots", "index"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(template / name, folder / name)
    found, warnings = start(folder)
    assert found == len(rows)
    assert any("another store" in warning for warning in warnings)
    ended = commands("verify", folder)
    assert (ended.code, ended.json["compared"]) == (0, len(rows))


@pytest.mark.parametrize("topic", ["events", "decisions"])
@pytest.mark.parametrize("which", ["min", "max"])
def test_a_batch_that_is_gone_from_the_log_is_told_by_every_command(
    template, project, commands, topic, which
):
    folder = project / "data"
    shutil.copytree(template, folder)
    with Store.open(folder) as store, store.log.transaction() as connection:
        connection.execute(
            f"DELETE FROM batch WHERE id = (SELECT {which}(id) FROM batch WHERE topic_id = "
            f"(SELECT id FROM topic WHERE name = '{topic}'))"
        )
    for name in ("run", *READING, "backup"):
        ended = commands(name, folder)
        assert ended.code == 3
        assert topic in ended.err
        assert "ringfence restore" in ended.err
    with pytest.raises(CorruptError, match="not whole"):
        start(folder)


@pytest.mark.parametrize(("topic", "counted"), [("decisions", "undecided"), ("events", "unpaid")])
def test_a_log_that_was_made_to_look_whole_is_found_out(template, project, commands, topic, counted):
    """The last batch is gone, and the topic says that it ends before it."""
    folder = project / "data"
    shutil.copytree(template, folder)
    with Store.open(folder) as store, store.log.transaction() as connection:
        (number,) = connection.execute("SELECT id FROM topic WHERE name = ?", (topic,)).fetchone()
        rows = connection.execute(
            "SELECT id, base_offset, next_offset FROM batch WHERE topic_id = ? ORDER BY id DESC", (number,)
        ).fetchall()
        gone = rows[:2] if topic == "events" else rows[:1]  # the last events are the model's activation
        for row, *_ in gone:
            connection.execute("DELETE FROM batch WHERE id = ?", (row,))
        connection.execute("UPDATE topic SET end_offset = ? WHERE id = ?", (gone[-1][1], number))
    ended = commands("verify", folder)
    assert (ended.code, ended.json[counted]) == (1, 20)


def test_secrets_that_have_changed_are_told(template, project, commands):
    folder = project / "data"
    shutil.copytree(template, folder)
    with Store.open(folder) as store, store.log.transaction() as connection:
        connection.execute("UPDATE meta SET value = zeroblob(8) WHERE name = 'hash_seed'")
    assert "have changed" in commands("run", folder).err
    assert "have changed" in commands("sql", folder).err


def test_a_store_of_a_newer_version_is_told_and_one_of_an_older_is_opened(template, project, commands):
    folder = project / "data"
    shutil.copytree(template, folder)
    with Store.open(folder) as store, store.log.transaction() as connection:
        connection.execute("PRAGMA user_version = 99")
    for name in ("run", *READING, "backup"):
        assert "newer Ringfence" in commands(name, folder).err
    with closing(sqlite3.connect(folder / "ringfence.db")) as connection:
        connection.executescript(
            "DROP INDEX batch_by_offset;"
            "CREATE UNIQUE INDEX batch_by_offset ON batch (topic_id, next_offset);"
            "DROP TABLE source_position;"
            "DELETE FROM meta WHERE name = 'seal'; PRAGMA user_version = 2;"
        )
    for name in (*READING, "run"):
        assert commands(name, folder).code == 0


RIGHTS = {"read-only": rights.make_read_only, "another user's": rights.give_to_another}
STOPPED = {
    ("log", "read-only"): {"run": 3, "doctor": 1},
    ("log", "another user's"): dict.fromkeys(("run", *READING, "backup"), 3) | {"doctor": 1},
    ("keys", "read-only"): {"doctor": 1},
    ("keys", "another user's"): {"backup": 3, "doctor": 1},
    ("lock", "read-only"): {"run": 3, "doctor": 1},
    ("lock", "another user's"): {"run": 3, "doctor": 1},
    ("manifest", "another user's"): {"run": 2, "backup": 3, "doctor": 1},
    ("onnx", "another user's"): {"run": 2, "backup": 3, "doctor": 1},
    ("report", "another user's"): {"backup": 3},
}
"""By file and right: exit codes other than 0."""

NOT_SERVED = ("log", "keys", "lock")


@pytest.mark.parametrize("how", RIGHTS)
@pytest.mark.parametrize("what", PLACES)
def test_rights_that_are_missing_are_named_and_the_rest_is_answered(template, project, commands, what, how):
    """Nothing is decided that could not be made durable, and no right is taken for damage."""
    for name in (*READING, "doctor", "backup", "run"):
        folder = project / name
        shutil.copytree(template, folder)
        path = place(folder, what)
        before = path.read_bytes()
        RIGHTS[how](path)
        with rights.obeyed():
            ended = commands(name, folder)
        assert ended.code == STOPPED.get((what, how), {}).get(name, 0), (name, ended.err)
        if ended.code:
            assert path.name in ended.err + ended.out
        if what not in DERIVED:
            assert path.read_bytes() == before or ended.code == 0


@pytest.mark.parametrize("how", RIGHTS)
@pytest.mark.parametrize("what", PLACES)
def test_a_server_starts_without_a_right_only_where_it_can_do_without(template, project, what, how):
    folder = project / "data"
    shutil.copytree(template, folder)
    path = place(folder, what)
    RIGHTS[how](path)
    with rights.obeyed():
        if what in NOT_SERVED or (what in MODEL_FILES and how != "read-only"):
            with pytest.raises(RingfenceError, match=path.name):
                start(folder)
        else:
            assert start(folder)[0] == 3 * ROWS


@pytest.mark.parametrize("how", RIGHTS)
def test_a_folder_without_rights_is_named_with_the_remedy(template, project, commands, how):
    folder = project / "data"
    beside = shutil.ignore_patterns("*-wal", "*-shm")  # a reader leaves them, and who has them may write
    shutil.copytree(template, folder, ignore=beside)
    RIGHTS[how](folder)
    with rights.obeyed():
        told = {name: commands(name, folder) for name in ("run", *READING, "backup", "doctor")}
    folder.chmod(0o700)
    assert {name: ended.code for name, ended in told.items()} == dict.fromkeys(told, 3) | {"doctor": 1}
    assert all("right" in ended.err + ended.out for ended in told.values()), told


@pytest.mark.parametrize("how", ["empty", "truncated", "foreign", "a directory", "a dangling link"])
def test_damaged_settings_are_named(template, project, commands, how):
    (project / "ringfence.toml").write_text('batch_rows = 10\nlabel_delay = "7d"\n')
    DAMAGE[how](project / "ringfence.toml")
    ended = commands("run", template)
    assert ended.code in (0, 2)
    assert ended.code == 0 or "ringfence.toml" in ended.err
