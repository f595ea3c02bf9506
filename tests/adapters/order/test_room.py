"""A disk too small to sort on: nothing is decided, and the remedies are named."""

import json
import random
import shutil
from functools import partial

import pytest

from ringfence.adapters.files.order import ordered
from ringfence.adapters.files.order.runs import PREFIX, runs_in
from ringfence.cli import execute
from ringfence.errors import StoreFullError

NOON_MS = 1_746_100_800_000


def write(path, rows, seed):
    """Payments in no order, which pack badly."""
    chance = random.Random(seed)
    minutes = chance.sample(range(rows), rows)
    with path.open("w") as file:
        for at, minute in enumerate(minutes):
            record = {
                "transaction_id": f"s{seed}-{at}-{chance.randbytes(200).hex()}",
                "event_time": NOON_MS + 60_000 * minute,
                "amount": 5,
                "card_id": f"c{at}",
            }
            file.write(json.dumps(record) + "\n")
    return str(path)


def fill(disk, but):
    """Leave so many bytes."""
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - but))


def test_a_run_that_has_no_room_to_sort_says_so_decides_nothing_and_can_be_repeated(
    small_disk, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ordered, "runs_in", partial(runs_in, run_rows=200))
    data = small_disk / "data"
    first, more = write(tmp_path / "first.ndjson", 20, 1), write(tmp_path / "more.ndjson", 2000, 2)
    assert execute(["run", first, "--data", str(data)]) == 0
    fill(small_disk, but=400_000)
    capsys.readouterr()
    assert execute(["run", more, "--data", str(data)]) == 3
    said = capsys.readouterr().err
    assert "no room left" in said
    assert "--order arrival" in said
    assert not list(data.glob(f"{PREFIX}*"))
    (small_disk / "ballast").unlink()
    assert (
        execute(["sql", "SELECT count(*) AS n FROM decisions", "--data", str(data), "--format", "json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["n"] == 20
    assert execute(["run", more, "--data", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["transactions"] == 2000


def test_a_disk_that_takes_no_folder_to_sort_in_is_the_same_error(small_disk, monkeypatch):
    """As where no inodes are left."""

    def full(**_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(StoreFullError, match="--order arrival"), runs_in(small_disk):
        pass
