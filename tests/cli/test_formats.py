"""Stored samples of each format: opened, verified, upgraded and gone on with by today's version."""

import json
import re
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from ringfence.adapters.backup.manifest import MANIFEST, sum_of
from ringfence.adapters.sqlite.migrate import LATEST
from scripts import store_sample

FORMATS = Path(__file__).parent.parent / "formats"
SAMPLES = sorted(path.name.removesuffix(".tar.xz") for path in FORMATS.glob("*.tar.xz"))
OUTCOMES = ("transaction_id", "outcome", "score", "reasons")


def unpacked(name, folder):
    with tarfile.open(FORMATS / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return [json.loads(line) for line in (folder / "decisions.json").read_text().splitlines()]


def told(rows):
    return {row["transaction_id"]: [row[name] for name in OUTCOMES] for row in rows}


def version_of(path):
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute("PRAGMA user_version").fetchone()[0]


def test_there_is_a_sample_of_today_and_of_each_format_that_stores_were_kept_in():
    kept = {int(found[1]) for name in SAMPLES if (found := re.fullmatch(r"store-(\d+)", name))}
    assert kept >= set(range(2, LATEST + 1)), "scripts/store_sample.py makes one, before the schema changes"
    assert f"vault-{LATEST}" in SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_a_store_of_each_format_is_read_upgraded_and_gone_on_with(ringfence, project, name):
    before = unpacked(name, project)
    rows = store_sample.payments(store_sample.PAYMENTS, 30)
    (project / "more.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    went_on = ringfence("run", "more.ndjson", "--data", "data", "--json")
    assert (went_on.code, went_on.json["transactions"]) == (0, 30), went_on.err
    assert version_of(project / "data" / "ringfence.db") == LATEST
    after = ringfence("decisions", "--limit", "200", "--json", "--data", "data")
    assert told(after.json_lines).items() >= told(before).items()
    again = ringfence("run", "payments.ndjson", "--data", "data", "--json")
    assert (again.json["transactions"], again.json["duplicates"]) == (0, store_sample.PAYMENTS)
    verified = ringfence("replay", "--verify", "--json", "--data", "data")
    assert (verified.code, verified.json["compared"], verified.json["differing"]) == (0, 150, 0)
    assert ringfence("audit", "verify", "--data", "data").code == 0
    assert ringfence("backup", "copy", "--data", "data").code == 0


@pytest.mark.parametrize("name", [one for one in SAMPLES if one.endswith(f"-{LATEST}")])
def test_a_backup_of_this_format_is_restored(ringfence, project, name):
    before = unpacked(name, project)
    assert ringfence("restore", "backup", "--data", "restored").code == 0
    shutil.rmtree(project / "data")
    found = ringfence("decisions", "--limit", "200", "--json", "--data", "restored")
    assert told(found.json_lines) == told(before)
    assert ringfence("audit", "verify", "--data", "restored").code == 0
    assert ringfence("cases", "list", "--json", "--data", "restored").json


@pytest.mark.parametrize("file", ["ringfence.db", "cases.db", "bus.db", "audit.db", "access.db"])
def test_a_backup_of_a_newer_version_is_refused_before_anything_is_put_in_place(ringfence, project, file):
    unpacked(f"store-{LATEST}", project)
    with closing(sqlite3.connect(project / "backup" / file)) as opened:
        opened.execute("PRAGMA user_version = 99")
    manifest = project / "backup" / MANIFEST
    found = json.loads(manifest.read_text())
    found["files"][file] = sum_of(project / "backup" / file)
    manifest.write_text(json.dumps(found))
    ended = ringfence("restore", "backup", "--data", "restored")
    assert ended.code == 3
    assert f"backup/{file} has " in ended.err
    assert "partial" not in ended.err
    assert "use the newer Ringfence that wrote it" in ended.err
    assert [*(project / "restored").iterdir()] == []


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("bus.db", ("bus", "list")),
        ("cases.db", ("cases", "list")),
        ("audit.db", ("audit", "verify")),
        ("access.db", ("keys", "list")),
        ("ringfence.db", ("decisions",)),
    ],
)
def test_a_file_of_a_newer_version_is_refused_and_not_written_to(ringfence, project, file, command):
    unpacked(f"store-{LATEST}", project)
    path = project / "data" / file
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    ended = ringfence(*command, "--data", "data")
    assert ended.code == 3
    assert "newer Ringfence that wrote it" in ended.err
    assert path.read_bytes() == before
