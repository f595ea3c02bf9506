"""`ringfence land`: what is decided lands as files, once, and can be declared, compacted and expired."""

import duckdb

from .conftest import payment, write_ndjson


def test_a_run_lands_once_and_again_changes_nothing(ringfence, project, monkeypatch):
    monkeypatch.setenv("RINGFENCE_LANDING_URL", "landing")
    rows = [payment(number) for number in range(6)] + [payment(9, currency="XXQ")]
    ringfence("run", write_ndjson(project / "rows.ndjson", rows))
    first = ringfence("land", "run")
    assert first.code == 0, first.err
    assert "6 events and 6 decisions" in first.err
    names = sorted(str(path.relative_to(project)) for path in project.glob("landing/**/*.parquet"))
    assert [name.split("/")[1:3] for name in names] == [
        ["decisions", "dt=2024-05-01"],
        ["events", "dt=2024-05-01"],
    ]
    assert ringfence("land", "run").code == 0
    assert ringfence("land", "run", "--again").code == 0
    assert sorted(str(path.relative_to(project)) for path in project.glob("landing/**/*.parquet")) == names
    asked = (
        "SELECT outcome, count(*) FROM 'landing/decisions/*/*.parquet' d JOIN 'landing/events/*/*.parquet' e"
    )
    found = duckdb.sql(asked + ' ON d."offset" = e."offset" WHERE amount = 20 GROUP BY 1').fetchall()
    assert sum(count for _, count in found) == 6


def test_tables_are_declared_small_files_become_one_and_old_days_go(ringfence, project):
    for number in range(3):
        ringfence("run", write_ndjson(project / f"{number}.ndjson", [payment(number)]))
        ringfence("land", "run", "--to", "zone")
    assert len(list(project.glob("zone/events/*/*"))) == 3
    assert "6 files became 2" in ringfence("land", "compact", "--to", "zone").err
    assert len(list(project.glob("zone/events/*/*"))) == 1
    told = ringfence("land", "ddl", "--to", "s3://lake/zone").out
    assert "CREATE EXTERNAL TABLE IF NOT EXISTS `ringfence`.`events`" in told
    assert "2 files are gone" in ringfence("land", "expire", "--keep", "30d", "--to", "zone").err


def test_without_an_address_it_says_what_to_give(ringfence, project):
    ringfence("run", write_ndjson(project / "rows.ndjson", [payment(0)]))
    ended = ringfence("land", "run")
    assert ended.code == 2
    assert "--to s3://BUCKET/PREFIX" in ended.err
    assert ringfence("land", "run", "--to", "gs://bucket/x").code == 2


def test_what_landed_of_a_time_that_was_lost_is_not_gone_on_with(ringfence, project, monkeypatch):
    """The restored log may have grown beyond where the zone stands: the zone would lack what came between."""
    monkeypatch.setenv("RINGFENCE_LANDING_URL", "landing")
    rows = write_ndjson(project / "a.ndjson", [payment(number) for number in range(4)])
    assert ringfence("run", rows).code == 0
    assert ringfence("backup", "copy").code == 0
    lost = write_ndjson(project / "b.ndjson", [payment(number) for number in range(4, 8)])
    assert ringfence("run", lost).code == 0
    assert ringfence("land", "run").code == 0
    assert ringfence("restore", "copy", "--data", "restored").code == 0
    others = write_ndjson(project / "c.ndjson", [payment(number) for number in range(10, 20)])
    assert ringfence("run", others, "--data", "restored").code == 0
    refused = ringfence("land", "run", "--data", "restored")
    assert refused.code == 3
    assert "up to offset 8, and this log was restored to 4" in refused.err
    assert "ringfence followers rebuild landing" in refused.err
    assert "14 events" in ringfence("land", "run", "--data", "restored", "--again").err
    assert ringfence("run", lost, "--data", "restored").code == 0
    assert "18 events" in ringfence("land", "run", "--data", "restored").err


def test_what_had_not_come_beyond_the_backup_goes_on_after_a_restore(ringfence, project, monkeypatch):
    monkeypatch.setenv("RINGFENCE_LANDING_URL", "landing")
    assert ringfence("run", write_ndjson(project / "a.ndjson", [payment(0), payment(1)])).code == 0
    assert ringfence("land", "run").code == 0
    assert ringfence("backup", "copy").code == 0
    assert ringfence("restore", "copy", "--data", "restored").code == 0
    for number in (2, 3):
        rows = write_ndjson(project / f"{number}.ndjson", [payment(number)])
        assert ringfence("run", rows, "--data", "restored").code == 0
        assert f"{number + 1} events" in ringfence("land", "run", "--data", "restored").err
