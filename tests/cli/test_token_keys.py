"""`ringfence privacy rotate --tokens` and what tells of it: status, audit, doctor, backup, Flink."""

import pytest
from tests.cli.conftest import payment, write_ndjson

from ringfence.cli.setup.checks.token_keys import token_keys
from ringfence.cli.terminal.options import definitions
from ringfence.compose.flink_host.running import packed
from ringfence.compose.folder.store import open_store, tokenizer_of
from ringfence.compose.folder.token_rotation import prepare_token_key
from ringfence.errors import InputError

CARD = "4111111111111111"


@pytest.fixture
def decided(project, ringfence):
    """A data folder without a vault in which one card has paid."""
    paid = payment(1, card_number=CARD)
    del paid["card_id"]
    write_ndjson(project / "payments.ndjson", [paid])
    assert ringfence("run", "payments.ndjson").code == 0
    return project / "ringfence-data"


def token(folder):
    with open_store(folder, read_only=True) as store:
        return tokenizer_of(store).card(CARD).token


def test_a_rotation_says_from_where_on_and_is_on_record(decided, ringfence):
    before = token(decided)
    assert "the store's own" in ringfence("privacy", "status").out
    ended = ringfence("privacy", "rotate", "--tokens")
    assert (ended.code, "from event 1 on" in ended.err) == (0, True)
    assert token(decided) == before
    first, second = ringfence("privacy", "status", "--json").json
    assert (first["name"], first["persons"], second["since_offset"]) == ("first", 1, 1)
    records = ringfence("audit", "list", "--json").json
    (found,) = [one for one in records if one["action"] == "vault.rotated"]
    assert found["object"] == second["name"]
    assert (found["details"]["tokens"], found["details"]["offset"]) == ("true", "1")


def test_forgetting_says_what_it_means_and_wants_to_hear_yes(decided, ringfence):
    refused = ringfence("privacy", "rotate", "--tokens", "--forget")
    assert (refused.code, "nothing to forget" in refused.err) == (2, True)
    before = token(decided)
    ringfence("privacy", "rotate", "--tokens")
    refused = ringfence("privacy", "rotate", "--tokens", "--forget")
    assert (refused.code, "1 tokens" in refused.err, "begins anew" in refused.err) == (2, True, True)
    assert token(decided) == before
    assert ringfence("privacy", "rotate", "--tokens", "--forget", "--yes").code == 0
    assert token(decided) != before


def test_doctor_tells_of_a_key_that_waits(decided):
    assert list(token_keys(decided)) == []
    with open_store(decided, read_only=True) as store:
        prepare_token_key(store, 1)
    assert [one.state.value for one in token_keys(decided)] == ["ok", "note"]


def test_a_backup_has_the_keys_and_one_of_before_begins_with_the_old_key(decided, ringfence, project):
    before = token(decided)
    for name in ("old", "new"):
        assert ringfence("backup", name).code == 0
        assert ringfence("restore", name, "--data", f"from-{name}").code == 0
        ringfence("privacy", "rotate", "--tokens")
    assert token(project / "from-new") == token(decided) == before
    assert len(ringfence("privacy", "status", "--json", "--data", "from-new").json) == 2
    assert token(project / "from-old") == before
    assert ringfence("privacy", "status", "--json", "--data", "from-old").json == []


def test_a_job_for_flink_is_refused_once_keys_were_rotated(decided, ringfence):
    ringfence("privacy", "rotate", "--tokens")
    with pytest.raises(InputError, match="one key only"):
        packed(definitions(None, None), ["payments/0"], 1)
