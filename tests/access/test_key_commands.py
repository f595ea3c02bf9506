"""`ringfence keys` and settings, as somebody meets them who mistypes a word."""

import json
from contextlib import closing

import pytest
from httpx import Response

from ringfence.access.restriction import kept_restriction, parse_restriction
from ringfence.access.roles import Role, parse_roles
from ringfence.adapters.access.keys import ApiKeys
from ringfence.api.handlers.reading import _without
from ringfence.cli.backends.remote_desk import _error
from ringfence.cli.backends.server_keys import key_given
from ringfence.cli.governance import access, keys
from ringfence.errors import InputError
from ringfence.settings import load_settings


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("field=emial", "did you mean email?"),
        ("field=attributes.", "attributes.NAME"),
        ("field=plan", "would hide nothing"),
        ("feild=email", "is no restriction"),
    ],
)
def test_a_restriction_that_would_hide_nothing_is_refused(word, said):
    with pytest.raises(InputError, match=said.replace(".", r"\.").replace("?", r"\?")):
        parse_restriction([word])


def test_fields_and_attributes_of_payments_are_hidden():
    hidden = parse_restriction(["field=email", "field=attributes.plan"]).hidden
    payment = {"email": "a", "plan": 1, "attributes": {"plan": 2, "site": "x"}}
    assert _without(hidden, payment) == {"plan": 1, "attributes": {"site": "x"}}


def test_a_key_of_before_with_a_mistyped_field_is_still_read(tmp_path):
    with closing(ApiKeys(tmp_path)) as kept:
        old = kept_restriction(["field=emial"])
        kept.create("old", frozenset({Role.VIEWER}), 0, restriction=old)
        assert kept.all()[0].restriction == old


def test_a_mistyped_role_is_told_with_the_nearest():
    with pytest.raises(InputError, match=r"^'analist' is no role \(did you mean analyst\?\): roles are"):
        parse_roles(["analist"])


def test_a_key_is_told_whole_with_what_it_lacks_and_whose_name_it_shares(tmp_path, capsys):
    keys.list_keys(tmp_path)
    keys.create("anna", tmp_path)
    first = capsys.readouterr()
    assert "No keys yet" in first.err
    key_id = first.out.strip().split("_")[1]
    assert f"Key {key_id} of anna: role decide, no restrictions." in first.err
    assert "may only ask for decisions" in first.err
    assert "Warning" not in first.err
    keys.create("anna", tmp_path, role=["privacy"], restrict=["field=email"])
    second = capsys.readouterr()
    assert "role privacy, restricted to field=email" in second.err
    assert f"also the name of the key {key_id}" in " ".join(second.err.split())
    assert "add --role viewer" in " ".join(second.err.split())
    keys.change(second.out.strip(), tmp_path, role=["viewer", "privacy"])
    third = capsys.readouterr()
    assert "Restrictions lifted: field=email." in third.err
    assert "add --role viewer" not in third.err
    keys.list_keys(tmp_path)
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["key", "name", "roles", "restrictions", "state", "created"]
    assert len(rows) == 2
    keys.list_keys(tmp_path, json=True)
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["anna", "anna"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WATCH_EVERY", "soon", "'watch_every': 'soon' is neither a duration"),
        ("RETRAIN_EVERY", "1m", "'retrain_every': 1m is too often"),
        ("FOUR_EYES", '["rule"]', "RINGFENCE_FOUR_EYES or"),
    ],
)
def test_a_wrong_setting_is_refused_when_settings_are_read(monkeypatch, tmp_path, name, value, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"RINGFENCE_{name}", value)
    with pytest.raises(InputError) as refused:
        load_settings()
    assert said in str(refused.value)
    assert "Value error" not in str(refused.value)


def test_a_session_that_there_cannot_be_is_told_before_anybody_is_asked():
    with pytest.raises(InputError, match="there is no session 'nope': `ringfence sessions list` shows them"):
        access.end("nope", "http://127.0.0.1:9")


def test_either_variable_gives_the_key_and_a_refusal_names_the_one(monkeypatch):
    monkeypatch.delenv("RINGFENCE_API_KEY", raising=False)
    monkeypatch.setenv("RINGFENCE_KEY", "old")
    assert key_given() == "old"
    monkeypatch.setenv("RINGFENCE_API_KEY", "new")
    assert key_given() == "new"
    told = _error(Response(401, json={"detail": "this server wants a key"}))
    assert "RINGFENCE_API_KEY" in str(told)
