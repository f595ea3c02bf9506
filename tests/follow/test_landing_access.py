"""Lines beside a zone in a folder: who created and removed which file; bounded, without card numbers."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime

import pytest
from tests.follow.test_landing import FolderPlace

from ringfence.adapters.landing.access import ZoneAccess
from ringfence.adapters.landing.tending import compact
from ringfence.adapters.sqlite import Store
from ringfence.errors import StoreError
from ringfence.follow import catch_up


def lines(zone):
    """Of all files, the oldest first."""
    files = [zone / "_access" / f"access{age}.ndjson" for age in (*(f".{n}" for n in range(99, 0, -1)), "")]
    return [json.loads(line) for path in files if path.exists() for line in path.read_text().splitlines()]


@pytest.fixture
def zone(tmp_path):
    with Store.open(tmp_path / "data") as store:
        made = FolderPlace(store, str(tmp_path / "zone"))
        for _ in range(3):
            made.fill(1)
            catch_up(made.log, made.follower(), all_of_it=True)
        yield made


def test_each_file_that_comes_and_goes_has_a_line(zone, tmp_path):
    there = {str(path.relative_to(tmp_path / "zone")) for path in (tmp_path / "zone").rglob("*.*")}
    told = lines(tmp_path / "zone")
    left = {one["file"] for one in told if one["did"] == "create"}
    left -= {one["file"] for one in told if one["did"] == "remove"}
    assert left == {name for name in there if not name.startswith("_access")}
    events = [one for one in told if one["file"].startswith("events/")]
    assert [one["bytes"] for one in events] == [
        (tmp_path / "zone" / one["file"]).stat().st_size for one in events
    ]
    assert {(one["pid"], bool(one["user"]), bool(one["host"])) for one in told} == {(os.getpid(), True, True)}
    assert all(datetime.fromisoformat(one["at"]) <= datetime.now(UTC) for one in told)
    compact(zone.place, date(2200, 1, 1))
    since = lines(tmp_path / "zone")[len(told) :]
    assert [one["did"] for one in since if one["file"].startswith("events/")] == ["create", *["remove"] * 3]
    zone.follower().reset()
    assert len(lines(tmp_path / "zone")) > len(told) + len(since)  # they outlive the files


def test_what_did_not_happen_has_no_line(zone, tmp_path):
    told = lines(tmp_path / "zone")
    name = zone.place.names("events")[0]
    assert not zone.place.create(name, b"other")
    zone.place.remove(["events/none.parquet"])
    catch_up(zone.log, zone.follower(), all_of_it=True)
    assert lines(tmp_path / "zone") == told


def test_the_lines_are_bounded_and_the_oldest_go(tmp_path):
    access = ZoneAccess(tmp_path, most_bytes=1000, older=2)
    for number in range(100):
        access.tell("create", [(f"events/{number}", {"bytes": 1}), (f"decisions/{number}", {"bytes": 1})])
    files = sorted((tmp_path / "_access").glob("*.ndjson"))
    assert len(files) <= 3
    assert all(path.stat().st_size < 1400 for path in files)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    named = [one["file"] for one in lines(tmp_path)]
    wanted = [f"{topic}/{number}" for number in range(100) for topic in ("events", "decisions")]
    assert named == wanted[-len(named) :]


def _tell(zone, name):
    access = ZoneAccess(zone, most_bytes=2000, older=99)
    for number in range(50):
        access.tell("create", [(f"{name}/{number}", {})])


def test_several_processes_lose_no_line_of_each_other(tmp_path):
    with ProcessPoolExecutor(3) as pool:
        for told in [pool.submit(_tell, tmp_path, name) for name in ("a", "b", "c")]:
            told.result()
    named = sorted(one["file"] for one in lines(tmp_path))
    assert named == sorted(f"{name}/{number}" for name in ("a", "b", "c") for number in range(50))


def test_a_number_like_that_of_a_card_is_not_repeated(zone, tmp_path):
    stray = tmp_path / "zone" / "events" / "export 4111111111111111.csv"
    stray.write_bytes(b"somebody put it there")
    zone.follower().reset()
    assert not stray.exists()
    text = "".join(path.read_text() for path in (tmp_path / "zone" / "_access").glob("*.ndjson"))
    assert "411111" not in text
    assert "events/export *.csv" in text


def test_nothing_is_done_that_cannot_be_told(zone, tmp_path):
    (tmp_path / "zone" / "_access" / "access.ndjson").unlink()
    (tmp_path / "zone" / "_access" / "access.ndjson").mkdir()
    names = zone.place.names("events")
    with pytest.raises(StoreError, match="see to its rights"):
        zone.place.create("events/x.parquet", b"")
    with pytest.raises(StoreError, match="see to its rights"):
        zone.place.remove(names)
    assert zone.place.names("events") == names
