"""Originals are kept so long after their person's last event, field by field; the log stays as it is."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ringfence.errors import InputError
from ringfence.settings import load_settings

from .conftest import payment, write_ndjson

VAULT = 'personal_data = "vault"\nvault_key = "keys.json"\nbatch_rows = 1\n'


def person(number, name, **more):
    return payment(
        number, customer_id=name, email=f"{name}@mail.example", phone=f"+493012{number:04}", **more
    )


def recent():
    return {"event_time": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}


@pytest.fixture
def bank(project, ringfence):
    """Ada and Eve paid in 2024, Eve is under legal hold; Bob also an hour ago, by another phone."""
    (project / "ringfence.toml").write_text(VAULT)
    assert ringfence("privacy", "init").code == 0
    spare = {"attributes": {"billing_email": "ada@mail.example", "home_email": "home@mail.example"}}
    rows = [
        person(0, "ada", **spare), person(1, "eve"), person(2, "bob"), person(3, "bob", **recent()),
    ]  # fmt: skip
    assert ringfence("run", write_ndjson(project / "payments.ndjson", rows)).code in (0, 4)
    assert ringfence("privacy", "hold", "eve", "--reason", "court order").code == 0
    return project


def applied(ringfence, project, times, *options):
    lines = "".join(f'"{part}" = "{keep}"\n' for part, keep in times.items())
    (project / "ringfence.toml").write_text(f"{VAULT}[retention]\n{lines}")
    ended = ringfence("retention", "--json", *(options or ["--yes"]))
    assert ended.code == 0, ended.err
    return {one["part"]: one["gone"] for one in ended.json}


def held(ringfence, name):
    """By field, values that are still there."""
    found = ringfence("privacy", "find", name, "--json")
    assert found.code == 0, found.err
    return sorted(field for one in found.json["originals"] for field in one["fields"])


def test_a_field_goes_when_its_time_after_the_last_event_is_over(bank, ringfence):
    times = {"phone": "365d", "email": "365d"}
    assert held(ringfence, "ada") == [
        "attributes.billing_email", "attributes.home_email", "customer_id", "email", "phone"
    ]  # fmt: skip
    would = applied(ringfence, bank, times, "--dry-run")
    assert held(ringfence, "ada")[-2:] == ["email", "phone"]
    assert applied(ringfence, bank, times) == would == {"phone": 1, "email": 0}
    # Ada's e-mail address stands in `billing_email`, too, which has no time
    assert "phone" not in held(ringfence, "ada")
    assert "email" in held(ringfence, "ada")
    assert (
        applied(ringfence, bank, {**times, "attributes.billing_email": "400d"})["attributes.billing_email"]
        == 1
    )
    assert held(ringfence, "ada") == ["attributes.home_email", "customer_id"]
    assert held(ringfence, "eve") == ["customer_id", "email", "phone"]  # legal hold
    assert held(ringfence, "bob") == ["customer_id", "email", "phone", "phone"]  # he came an hour ago
    verified = ringfence("replay", "--verify", "--json")
    assert (verified.code, verified.json["differing"]) == (0, 0)
    record = ringfence("audit", "list", "--action", "data.trimmed", "--json").json[0]
    assert record["details"]["attributes.billing_email"] == "1"


def test_a_class_is_for_fields_without_a_time_of_their_own(bank, ringfence):
    assert applied(ringfence, bank, {"contact": "365d", "phone": "36500d"}) == {"contact": 2, "phone": 0}
    assert held(ringfence, "ada") == ["customer_id", "phone"]


def test_the_last_event_is_known_after_the_log_was_shortened(bank, ringfence):
    assert ringfence("privacy", "release", "eve").code == 0
    assert ringfence("trim", "--keep", "1d").code == 0
    assert ringfence("privacy", "hold", "bob", "--reason", "court order").code == 0
    assert "p0" not in ringfence("decisions", "--json").out
    assert applied(ringfence, bank, {"phone": "365d"}) == {"phone": 2}


def test_find_says_until_when_each_original_is_kept(bank, ringfence):
    applied(ringfence, bank, {"phone": "36500d"}, "--dry-run")
    found = ringfence("privacy", "find", "ada", "--json").json["originals"]
    until = {field: one["kept_until"] for one in found for field in one["fields"]}
    assert until["phone"].startswith("2124-04-07")
    assert until["email"] is None
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    ahead = payment(8, customer_id="ada", event_time=f"{tomorrow:%Y-%m-%dT%H:%M:%SZ}")
    assert ringfence("run", write_ndjson(bank / "ahead.ndjson", [ahead])).code in (0, 4)
    found = ringfence("privacy", "find", "ada", "--json").json["originals"]
    ends = {one["kept_until"] for one in found if "phone" in one["fields"]}
    assert max(ends) <= f"{datetime.now(UTC) + timedelta(days=36_500):%Y-%m-%dT%H:%M:%SZ}"
    assert "legal hold" in ringfence("privacy", "find", "eve").out


def test_a_bad_record_leaves_no_name_that_its_sender_chose(bank, ringfence):
    bad = {**payment(9, customer_id="mallory"), "amount": "much", "card 4111111111111111 name": "Mallory"}
    (bank / "bad.ndjson").write_text(json.dumps(bad) + "\n")
    assert ringfence("run", bank / "bad.ndjson").code in (0, 4)
    for path in (bank / "ringfence-data").glob("vault*"):
        assert b"card " not in path.read_bytes()


@pytest.mark.parametrize("part", ["amount", "attributes.", "holder_name"])
def test_what_tells_of_nobody_has_no_time(project, part):
    (project / "ringfence.toml").write_text(f'[retention]\n"{part}" = "1d"\n')
    with pytest.raises(InputError, match="to keep for a time"):
        load_settings()


def test_an_attribute_that_nobody_has_is_named_with_the_nearest_one(bank, ringfence):
    (bank / "ringfence.toml").write_text(
        f'{VAULT}[retention]\n"attributes.biling_email" = "365d"\nphone = "36500d"\n"attributes.x" = "1d"\n'
    )
    ended = ringfence("retention", "--dry-run")
    assert ended.code == 0
    assert "came in attributes.biling_email: did you mean attributes.billing_email?" in ended.err
    assert "The vault holds no original that came in attributes.x.\n" in ended.err
    assert "in phone" not in ended.err
    told = ringfence("retention", "--dry-run", "--json").json
    assert [bool(one["remark"]) for one in told] == [True, False, True]
