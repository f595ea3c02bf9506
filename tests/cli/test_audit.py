"""`ringfence audit`: what commands did is on record, and a record that was changed is named."""

import json
import sqlite3
from contextlib import closing

import pytest

from ringfence.adapters.sqlite import Store
from ringfence.compose.following.followers import followers_of
from ringfence.follow import catch_up

from .conftest import payment, write_ndjson

DATA = "ringfence-data"


@pytest.fixture
def used(ringfence, project):
    """A folder that three commands have changed, its log sealed."""
    write_ndjson(project / "p.ndjson", [payment(number) for number in range(30)])
    assert ringfence("run", "p.ndjson").code == 0
    assert ringfence("lists", "add", "stolen", "c1", "--kind", "block").code == 0
    assert ringfence("keys", "create", "ada").code == 0
    with Store.open(project / DATA, read_only=True) as store:
        sealing = next(one for one in followers_of(store) if one.name == "audit")
        catch_up(store.log, sealing, all_of_it=True)
        sealing.close()
    assert ringfence("audit", "checkpoint").code == 0
    return project


def changed(folder, statement, name="audit.db"):
    with closing(sqlite3.connect(folder / DATA / name, isolation_level=None)) as other:
        for trigger in ("record_stays", "record_remains"):
            other.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        other.execute(statement)


def test_what_commands_did_is_listed_exported_and_whole(used, ringfence):
    listed = ringfence("audit", "list", "--json").json
    acts = [one for one in listed if one["action"] != "log.sealed"]
    assert [one["action"] for one in acts] == ["key.created", "list.added"]
    assert listed[-1]["object"] == "stolen"
    assert listed[-1]["actor"].startswith("user:")
    lines = ringfence("audit", "export").json_lines
    assert [one["number"] for one in lines] == list(range(1, len(lines) + 1))
    csv = ringfence("audit", "export", "--format", "csv", "--action", "key").out.splitlines()
    assert len(csv) == 2
    said = ringfence("audit", "verify", "--json")
    assert said.code == 0
    assert said.json["whole"]
    assert said.json["log_records_compared"] == 61  # 30 payments with their decisions, a list entry


@pytest.mark.parametrize(
    ("statement", "name", "told"),
    [
        (
            "UPDATE record SET act = replace(act, 'stolen', 'lost') WHERE action = 'list.added'",
            "audit.db",
            "edit",
        ),
        ("DELETE FROM record WHERE number = 1", "audit.db", "gap"),
        ("UPDATE record SET action = 'x' WHERE action = 'log.sealed'", "audit.db", "edit"),
        ("UPDATE record SET actor = 'user:nobody' WHERE action = 'list.added'", "audit.db", "edit"),
        (
            "INSERT INTO record SELECT -1, 0, actor, action, object, act, previous, hash FROM record LIMIT 1",
            "audit.db",
            "order",
        ),
        (
            "UPDATE batch SET payload = zeroblob(length(payload))",
            "ringfence.db",
            "log",
        ),
    ],
)
def test_what_was_changed_is_named_with_an_exit_code_of_its_own(used, ringfence, statement, name, told):
    changed(used, statement, name)
    ended = ringfence("audit", "verify", "--json")
    assert ended.code == 6
    assert [one["kind"] for one in ended.json["findings"]] == [told]


def test_keys_and_anchors_show_a_chain_that_was_cut(used, ringfence, monkeypatch, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert "inside the data folder" in ringfence("audit", "key", "--file", f"{DATA}/k.pem").err
    public = ringfence("audit", "key", "--file", elsewhere / "k.pem", "--json").json["public"]
    monkeypatch.setenv("RINGFENCE_AUDIT_KEY", str(elsewhere / "k.pem"))
    monkeypatch.setenv("RINGFENCE_AUDIT_ANCHOR", str(elsewhere / "anchors.ndjson"))
    assert "signed" in ringfence("audit", "checkpoint").err
    whole = ringfence("audit", "verify", "--first-key", public, "--json").json
    assert whole["signed_to"] == whole["anchored_to"] == whole["records"]
    changed(used, f"DELETE FROM record WHERE number = {whole['records']}")
    changed(used, f"DELETE FROM checkpoint WHERE number = {whole['records']}")
    ended = ringfence("audit", "verify", "--json")
    assert (ended.code, ended.json["findings"][0]["kind"]) == (6, "cut")
    (elsewhere / "anchors.ndjson").write_text("nothing\n")
    assert "no anchor" in ringfence("audit", "verify").err


def test_the_settings_name_what_is_wrong_with_them(used, ringfence, monkeypatch):
    monkeypatch.setenv("RINGFENCE_AUDIT_KEY", "nowhere.pem")
    ended = ringfence("audit", "checkpoint")
    assert ended.code != 0
    assert "ringfence audit key --file nowhere.pem" in ended.err


def test_a_key_is_on_record_by_its_id_and_never_whole(used, ringfence):
    made = ringfence("keys", "create", "bob").out.strip()
    ringfence("keys", "revoke", made)
    ringfence("keys", "revoke", made.split("_")[1])
    told = ringfence("audit", "export", "--action", "key").out
    assert made.split("_", 2)[2] not in told
    assert [one["object"] for one in map(json.loads, told.splitlines())][-2:] == [made.split("_")[1]] * 2


def test_without_a_data_folder_it_says_so(ringfence):
    for command in ("list", "export", "verify", "checkpoint"):
        assert "no data folder" in ringfence("audit", command).err


def test_who_only_reads_begins_no_trail_where_nothing_is(ringfence, project):
    (project / DATA).mkdir()
    for command in ("list", "export", "verify"):
        ended = ringfence("audit", command)
        assert ended.code == 2
        assert "neither a store nor an audit trail" in ended.err
    assert list((project / DATA).iterdir()) == []


def test_text_of_others_is_safe_in_a_terminal_and_in_a_spreadsheet(used, ringfence):
    ringfence("lists", "add", "=cmd|x", "c1", "--kind", "watch")
    csv = ringfence("audit", "export", "--format", "csv", "--action", "list").out.splitlines()
    assert ",'=cmd|x," in csv[-1]
    assert ringfence("audit", "export", "--action", "list").json_lines[-1]["object"] == "=cmd|x"
