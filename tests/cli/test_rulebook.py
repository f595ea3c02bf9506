"""The live book and the lists from the command line: on the data folder, and through a running server."""

from __future__ import annotations

import json
import re

import pytest
from benchmarks.serving import ALONE, Process

from ringfence.adapters.sqlite import Store

from .conftest import payment, write_ndjson

BOOK = """
name: own
rules:
  - {id: big, title: Big, when: amount > 100, outcome: review, reason: BIG, analyst: Big.}
  - {id: listed, title: Listed, when: merchant.blocked, outcome: decline, reason: LISTED, analyst: Listed.}
"""


@pytest.fixture
def decided(project, ringfence):
    """A folder with a rule book and two payments decided by it."""
    (project / "rules.yaml").write_text(BOOK)
    write_ndjson(project / "payments.ndjson", [payment(0, amount=50), payment(1, amount=500)])
    assert ringfence("run", "payments.ndjson").code == 0
    return project


def more(project, ringfence, first):
    """Two more payments; what was decided, by amount."""
    rows = [payment(first, amount=50), payment(first + 1, amount=500)]
    write_ndjson(project / "more.ndjson", rows)
    assert ringfence("run", "more.ndjson").code == 0
    told = ringfence("decisions", "--json").json_lines
    outcome = {row["transaction_id"]: row["outcome"] for row in told}
    return outcome[f"p{first}"], outcome[f"p{first + 1}"]


def edited(ringfence, project, before, after):
    """The book as it is shown, with an edit, in a file."""
    text = ringfence("rules", "show", "--yaml").out
    assert before in text
    path = project / "edited.yaml"
    path.write_text(text.replace(before, after))
    return path


def test_an_edit_is_saved_activated_and_rolled_back(decided, ringfence):
    path = edited(ringfence, decided, "amount > 100", "amount > 20")
    saved = ringfence("rules", "save", path, "--note", "smaller", "--author", "mira", "--json").json
    digest = saved["change"]["digest"]
    assert (saved["change"]["author"], saved["change"]["note"], saved["activation"]) == (
        "mira",
        "smaller",
        None,
    )
    assert more(decided, ringfence, 2) == ("approve", "review")
    done = ringfence("rules", "activate", digest[:8], "--author", "mira", "--json").json
    assert (done["digest"], done["offset"]) == (digest, 4)
    assert more(decided, ringfence, 4) == ("review", "review")
    assert "decides from offset 7" in ringfence("rules", "rollback").out
    assert more(decided, ringfence, 6) == ("approve", "review")
    assert ringfence("replay", "--verify").code == 0
    history = ringfence("rules", "versions")
    assert re.search(rf"2\s+{digest}\s+approved\s+\S+ \S+\s+mira\s+edit\s+smaller", history.out)
    assert ringfence("rules", "versions", "--json").json["active"] != digest


def test_a_change_of_mode_is_shown_as_a_table_before_it_is_saved(decided, ringfence):
    versions = ringfence("rules", "versions").out
    told = ringfence("rules", "mode", "big", "shadow", "--dry-run")
    assert (told.code, "would have another outcome" in told.out) == (0, True)
    assert "payments" in ringfence("rules", "mode", "big", "shadow", "--dry-run", "--json").json
    assert ringfence("rules", "versions").out == versions


def test_a_stale_edit_is_refused_and_told_what_changed(decided, ringfence):
    path = edited(ringfence, decided, "amount > 100", "amount > 20")
    assert ringfence("rules", "mode", "big", "shadow").code == 0
    ended = ringfence("rules", "save", path)
    assert ended.code == 1
    assert "is not the newest any more" in ended.err
    assert "+  mode: shadow" in ended.err


def test_a_file_without_a_mark_has_to_say_what_it_is_based_on(decided, ringfence):
    (decided / "new.yaml").write_text(BOOK.replace("100", "200"))
    ended = ringfence("rules", "save", "new.yaml")
    assert ended.code == 2
    assert "--based-on" in ended.err
    ended = ringfence("rules", "save", "new.yaml", "--based-on", "head", "--activate")
    assert ended.code == 0
    assert "decides from offset 2" in ended.out
    assert "-  when: amount > 100" in ringfence("rules", "diff").out
    assert ringfence("rules", "diff", "--json").json["rules"][0]["rule"] == "big"


def test_where_approval_is_required_somebody_else_has_to_look(decided, ringfence, monkeypatch):
    monkeypatch.setenv("RINGFENCE_REQUIRE_APPROVAL", "true")
    saved = ringfence("rules", "mode", "big", "paused", "--author", "mira")
    assert "Somebody else has to run `ringfence rules approve" in saved.out
    assert ringfence("rules", "activate", "head", "--author", "mira").code == 2
    refused = ringfence("rules", "approve", "head", "--author", "mira")
    assert refused.code == 2
    assert "did not write it" in refused.err
    assert "approved by noor" in ringfence("rules", "approve", "head", "--author", "noor").out
    assert ringfence("rules", "activate", "head", "--author", "mira").code == 0
    rejected = ringfence("rules", "mode", "big", "active", "--author", "mira")
    assert rejected.code == 0
    assert "rejected by noor" in ringfence("rules", "reject", "head", "--author", "noor").out


def test_shadow_rules_are_compared(decided, ringfence):
    assert ringfence("rules", "mode", "big", "shadow", "--activate").code == 0
    assert more(decided, ringfence, 2) == ("approve", "approve")
    told = ringfence("rules", "shadow")
    assert "2 payments in 1.0 days with shadow rules: 1 would have had another outcome" in told.out
    assert re.search(r"big\s+review\s+0\s+1.0\s+1\s+1\s+1.0\s+0\s+unknown", told.out)
    later = ringfence("rules", "shadow", "--since", "2030-01-01", "--json").json
    assert (later["payments"], later["rules"]) == (0, [])


def test_the_rules_in_force_are_shown(decided, ringfence):
    assert re.search(r"version [0-9a-f]{16}, in force, by file", ringfence("rules", "show").out)
    assert ringfence("rules", "show", "--json").json["rules"]["rules"][0]["id"] == "big"
    missing = ringfence("rules", "show", "dead")
    assert missing.code == 2
    assert "ringfence rules versions" in missing.err


def test_a_folder_without_a_store_says_what_to_do(ringfence):
    ended = ringfence("rules", "show")
    assert ended.code == 3
    assert "there is no store here yet" in ended.err


def test_lists_are_changed_imported_and_audited(decided, ringfence):
    done = ringfence(
        "lists", "add", "bad shops", "shop", "--kind", "block", "--entity", "merchant", "--author", "mira"
    )
    assert done.code == 0
    assert more(decided, ringfence, 2) == ("decline", "decline")
    (decided / "list.csv").write_text("entity_id,entity_type,note\nx,merchant,seen\n,merchant,\ny,shop,\n")
    ended = ringfence("lists", "import", "bad shops", "list.csv", "--kind", "block")
    assert ended.code == 4
    assert "1 on list 'bad shops'" in ended.out
    assert "line 3: entity_id is missing" in ended.err
    assert "line 4: entity_type" in ended.err
    shown = ringfence("lists", "show", "bad shops", "--json").json_lines
    assert [(one["entity_id"], one["note"]) for one in shown] == [("x", "seen"), ("shop", None)]
    note = ["--note", "a mistake", "--author", "noor"]
    assert ringfence("lists", "remove", "bad shops", "shop", "--entity", "merchant", *note).code == 0
    assert more(decided, ringfence, 4) == ("approve", "review")
    assert re.search(r"bad shops\s+block\s+1\s+1", ringfence("lists", "show").out)
    audit = ringfence("lists", "audit", "bad shops").out
    assert re.search(r"off\s+merchant\s+shop\s+noor\s+a mistake", audit)
    assert ringfence("replay", "--verify").code == 0


def test_a_bad_entry_is_refused(decided, ringfence):
    ended = ringfence("lists", "add", "x", "a", "--entity", "shop")
    assert ended.code == 4
    assert "line 1: entity_type: is none of card" in ended.err
    assert ringfence("lists", "import", "x", "nowhere.csv").code == 2


def test_a_running_server_makes_the_changes(decided, ringfence):
    """Nobody else can write to its store, and anybody can still look at it."""
    process = Process(decided / "ringfence-data", "--rules", str(decided / "rules.yaml"), **ALONE)
    try:
        locked = ringfence("rules", "mode", "big", "paused")
        assert locked.code == 3
        assert "--server http://127.0.0.1:8000" in locked.err
        here = ["--server", process.url]
        path = edited(ringfence, decided, "amount > 100", "amount > 20")
        saved = ringfence("rules", "save", path, "--activate", "--json", *here).json
        digest = saved["change"]["digest"]
        assert saved["activation"]["offset"] == 2
        stale = ringfence("rules", "save", path, *here)
        assert stale.code == 1
        assert "+  when: amount > 20" in stale.err
        assert ringfence("rules", "versions", "--json").json["active"] == digest, "read beside the server"
        assert ringfence("rules", "versions", "--json", *here).json["active"] == digest
        assert ringfence("rules", "rollback", *here).code == 0
        assert ringfence("rules", "shadow", "--json", *here).json["payments"] == 0
        assert ringfence("rules", "show", "dead", *here).code == 2
        add = ["lists", "add", "bad shops", "shop", "--kind", "block", "--entity", "merchant"]
        assert ringfence(*add, *here).code == 0
        assert ringfence("lists", "show", "bad shops", "--json", *here).json["author"] == "local"
        assert ringfence("lists", "show", *here).code == ringfence("lists", "audit", *here).code == 0
        (decided / "list.csv").write_text("entity_id\nx\n\n,\n")
        imported = ringfence("lists", "import", "bad shops", "list.csv", "--json", *here)
        assert json.loads(imported.out) == {
            "taken": 1,
            "refused": [{"line": 4, "problem": "2 fields, the header has 1"}],
        }
        off = ["lists", "remove", "bad shops", "x", *here]
        assert ringfence(*off).code == 0
    finally:
        assert process.end() == 0
    with Store.open(decided / "ringfence-data", read_only=True) as store:
        assert store.log.end_offset("events") == 2 + 2 + 3
    assert ringfence("replay", "--verify").code == 0


def test_a_sheet_that_was_shown_is_not_made_again(decided, ringfence):
    """Of a server's sheet the seal is sent: without it the server answers 409, with the sheet once more."""
    write_ndjson(decided / "many.ndjson", [payment(number, amount=50) for number in range(10, 250)])
    assert ringfence("run", "many.ndjson").code == 0
    log = decided / "access.log"
    process = Process(decided / "ringfence-data", "--rules", str(decided / "rules.yaml"), log=log, **ALONE)
    try:
        shown = ringfence("rules", "mode", "big", "paused", "--activate", "--server", process.url)
        assert (shown.code, shown.out.count("of the newest")) == (0, 1)
    finally:
        assert process.end() == 0
    told = log.read_text()
    assert told.count("/v1/rules/impact") == 1
    assert told.count("/v1/rules/modes/{rule_id}") == 1


def test_a_server_that_is_not_there_is_told(ringfence):
    ended = ringfence("rules", "show", "--server", "http://127.0.0.1:9")
    assert ended.code == 2
    assert "check the address" in ended.err
    assert ringfence("rules", "show", "--server", "nonsense").code == 2


def test_a_change_is_signed_with_the_name_of_its_key(ringfence, project):
    key = ringfence("keys", "create", "anna", "--role", "admin").out.split("rf_")[1].split("_")[0]
    ringfence("lists", "add", "stolen", "d-1", "--author", f"key:{key}")
    ringfence("lists", "add", "stolen", "d-2", "--author", "key:00000000")
    for command in ("audit", "show"):
        out = ringfence("lists", command, "stolen").out
        assert "anna" in out
        assert f"key:{key}" not in out
        assert "key:00000000" in out
    assert f"key:{key}" in ringfence("lists", "audit", "stolen", "--json").out
