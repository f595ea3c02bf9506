"""`ringfence doctor` finds what is wrong, and says what to do; it changes nothing."""

import socket
import sqlite3
from contextlib import closing

import pytest

from ringfence.adapters.sqlite import Store
from ringfence.cli.setup.checks import State, machine


def parts(ended):
    return {check["part"]: check for check in ended.json}


@pytest.fixture
def port():
    """One that is free."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


def test_a_sound_installation_is_said_to_be_well(ringfence, payments, port):
    ringfence("run", payments)
    ended = ringfence("doctor", "--port", port)
    assert ended.code == 0
    assert ended.out.rstrip().endswith("All is well.")


def test_before_the_first_run_there_is_a_note_and_nothing_is_made(ringfence, project, port):
    found = parts(ringfence("doctor", "--json", "--port", port))
    assert found["store"]["state"] == "note"
    assert list(project.iterdir()) == []


def test_a_damaged_log_is_found(ringfence, payments, port):
    ringfence("run", payments)
    with closing(sqlite3.connect("ringfence-data/ringfence.db", isolation_level=None)) as database:
        database.execute("UPDATE batch SET payload = zeroblob(length(payload)) WHERE base_offset = 0")
    ended = ringfence("doctor", "--json", "--port", port)
    assert ended.code == 1
    assert parts(ended)["store"]["state"] == "BAD"
    assert "backup" in parts(ended)["store"]["remedy"]


def test_a_damaged_snapshot_is_a_note_because_the_log_serves(ringfence, project, payments, port):
    ringfence("run", payments)
    for path in (project / "ringfence-data" / "snapshots").iterdir():
        path.write_bytes(path.read_bytes()[:-20])
    ended = ringfence("doctor", "--json", "--port", port)
    assert (ended.code, parts(ended)["snapshots"]["state"]) == (0, "note")


def test_a_store_may_be_looked_at_while_it_is_in_use(ringfence, project, payments, port):
    ringfence("run", payments)
    with Store.open(project / "ringfence-data"):
        assert ringfence("doctor", "--port", port).code == 0


def test_a_port_of_another_program_is_bad_with_the_remedy(ringfence):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.1)
        ended = ringfence("doctor", "--json", "--port", str(other.getsockname()[1]))
    assert ended.code == 1
    assert "--port" in parts(ended)["port"]["remedy"]


def test_a_setting_that_makes_no_sense_is_told(ringfence, project):
    (project / "ringfence.toml").write_text("batch_rows = 0\n")
    ended = ringfence("doctor", "--json")
    assert ended.code == 1
    assert "batch_rows" in parts(ended)["settings"]["said"]


def test_rules_that_do_not_compile_are_told(ringfence, project, port):
    (project / "rules.yaml").write_text(
        "rules: [{id: a, title: A, when: nothing > 1, points: 1, reason: A, analyst: A}]"
    )
    ended = ringfence("doctor", "--json", "--port", port)
    assert (ended.code, parts(ended)["definitions"]["state"]) == (1, "BAD")


def test_a_setting_of_the_service_that_makes_no_sense_is_told(ringfence, monkeypatch):
    monkeypatch.setenv("RINGFENCE_SERVE_DEADLINE_MS", "soon")
    found = parts(ringfence("doctor", "--json"))
    assert "RINGFENCE_SERVE_DEADLINE_MS" in found["service"]["remedy"]


@pytest.mark.parametrize(
    ("variable", "command", "example"),
    [
        ("RINGFENCE_SERVE_PUBLIC_NAMES", "serve", '["…", "…"]'),
        ("RINGFENCE_WEBHOOK_NETWORKS", "alerts check", '["…", "…"]'),
        ("RINGFENCE_RETENTION", "alerts check", '{"…": "…"}'),
    ],
)
def test_a_list_that_is_no_json_is_told_and_ends_no_command_with_a_traceback(
    ringfence, monkeypatch, variable, command, example
):
    monkeypatch.setenv(variable, "bank.example")
    ended = ringfence(*command.split())
    assert ended.code == 2
    assert f"{variable} is no JSON: write '{example}'" in ended.err
    assert variable in str(parts(ringfence("doctor", "--json")))


def test_keys_of_tokens_that_cannot_be_reached_are_told(ringfence, monkeypatch, port):
    monkeypatch.setenv("RINGFENCE_SERVE_TOKEN_JWKS", f"http://127.0.0.1:{port}/keys")
    found = parts(ringfence("doctor", "--json", "--port", port))
    assert found["keys of tokens"]["state"] == "BAD"


def test_a_clock_behind_the_log_is_bad():
    (found,) = machine.clock(newest_ms=2**42)
    assert found.state is State.BAD
    assert "timedatectl" in found.remedy


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    states = [check.state for check in machine.disk(tmp_path / "file" / "data")]
    assert states == [State.BAD]
