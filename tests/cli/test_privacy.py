"""Personal data that can be forgotten: it is nowhere in the open, who may finds it, and it is erased."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random

import pyarrow.parquet as pq
import pytest
from benchmarks.damage import DAMAGE

from ringfence.adapters.cases import SqliteCases
from ringfence.adapters.outbox import Bus, Courier
from ringfence.adapters.outbox.delivery import DueLetter
from ringfence.adapters.sqlite import Store
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.bus.subscription import Destination
from ringfence.cli import execute
from ringfence.cli.terminal.options import definitions
from ringfence.compose.flink_host.running import packed
from ringfence.compose.folder.privacy import contacts_of
from ringfence.compose.following.followers import followers_of
from ringfence.compose.messaging.alerts import alert_policy, alert_words
from ringfence.compose.messaging.messages import outbox_of
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import InputError
from ringfence.events import codec
from ringfence.follow import catch_up
from ringfence.ports import DECISIONS, EVENTS

from .conftest import payment, write_ndjson

ADA = {
    "customer_id": "CUST-ADA-1815",
    "account_id": "DE89 3704 0044 0532 0130 00",
    "email": " Ada.Lovelace@Mail.Example ",
    "phone": "+49 (0)170 5551815",
    "ip": "203.0.113.181",
}
PLANTED = (
    "CUST-ADA-1815", "0044053201300", "lovelace@mail", "5551815", "203.0.113.181", "ada lovelace",
    "12 st. james square", "prefers to be called at noon", "rang us about her sister",
    "passport scan of hers",
    "ADA-1815-PHONE-BOOK",
)  # fmt: skip
ATTRIBUTES = {"customer_name": "Ada Lovelace", "billing_address": "12 St. James Square", "basket": 3.0}
SETTINGS = """
personal_data = "vault"
vault_key = "keys.json"
landing_url = "landing"
landing_format = "ndjson"
personal_fields = { "attributes.hobby" = "text" }
"""
ALERTS = """
team = ["console"]
customer = "mail"
contacts = "profile"
outcomes = ["review", "decline", "challenge", "approve"]
customer_outcomes = ["review", "decline", "challenge", "approve"]
"""


def written(folder):
    """By file what stands in it, topics and tables unpacked."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == "payments.ndjson":
            continue
        found[path.name] = path.read_bytes().decode(errors="replace")
        if path.suffix == ".parquet":
            found[path.name] += str(pq.read_table(path).to_pylist())
    with Store.open(folder / "ringfence-data", read_only=True) as store:
        log = store.log
        found["events"] = "".join(
            str(codec.decode(one.payload).table.to_pylist()) for one in log.read(EVENTS)
        )
        found["decisions"] = "".join(
            str(DecisionBatch.decode(one.payload).table.to_pylist()) for one in log.read(DECISIONS)
        )
    return found


def leaks(folder):
    every = {name: text.lower() for name, text in written(folder).items()}
    return {(name, one) for name, text in every.items() for one in PLANTED if one.lower() in text}


def follow(folder):
    with Store.open(folder) as store:
        for follower in (*followers_of(store), outbox_of(store)):
            catch_up(store.log, follower)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder in which Ada and Bob pay, and everything that follows a decision has followed."""
    project, patch = tmp_path_factory.mktemp("bank"), pytest.MonkeyPatch()
    patch.chdir(project)
    try:
        (project / "ringfence.toml").write_text(SETTINGS)
        (project / "alerts.toml").write_text(ALERTS)
        assert execute(["privacy", "init"]) == 0
        sent = write_ndjson(project / "payments.ndjson", records())
        day = f"{datetime.now(UTC) - timedelta(2):%Y-%m-%d}"  # nobody is asked about payments of long ago
        sent.write_text(sent.read_text().replace("2024-05-01", day))
        assert execute(["run", str(sent)]) == 4
        follow(project / "ringfence-data")
        (project / "scan.txt").write_text("passport scan of hers")
        assert execute(["cases", "open", "p1"]) == 0
        with closing(SqliteCases(project / "ringfence-data")) as book:
            case = book.case_of("p1").id
        assert execute(["cases", "note", case, "she said: rang us about her sister"]) == 0
        assert execute(["cases", "attach", case, "scan.txt"]) == 0
        (project / "scan.txt").unlink()
    finally:
        patch.undo()
    return project


@pytest.fixture
def bank(template, project):
    shutil.copytree(template, project, dirs_exist_ok=True)
    return project


def records():
    at = "2024-05-01T11:00:00Z"
    yield {
        "kind": "profile", "event_time": at, "entity_type": "customer", "entity_id": ADA["customer_id"],
        "note": "prefers to be called at noon",
        "attributes": {"email": ADA["email"], "hobby": "ADA-1815-phone-book"},
    }  # fmt: skip
    yield from (payment(n, **ADA, attributes=ATTRIBUTES, amount=2.0) for n in range(6))
    bob = {"customer_id": "bob", "email": "bob@mail.example", "card_id": "card-2"}
    yield from (payment(n, **bob) for n in range(6, 9))
    yield payment(9, **bob, counterparty_id=ADA["account_id"])
    yield {
        "kind": "label", "event_time": "2024-05-01T23:00:00Z", "transaction_id": "p1", "label": True,
        "note": "rang us about her sister",
    }  # fmt: skip
    yield payment(50, **ADA) | {"amount": "no amount of Ada Lovelace"}
    yield payment(51, **ADA) | {"contact": "Ada Lovelace, 12 St. James Square"}


def sums(ringfence):
    text = "SELECT count(*) AS n, sum(amount_minor) AS s, count(DISTINCT customer_id) AS c FROM transactions"
    return ringfence("sql", text, "--format", "json").out


def test_an_erased_person_is_named_by_no_file_and_sums_replay_and_audit_stay(bank, ringfence):
    before = sums(ringfence)
    stated = {name for name, _ in leaks(bank)}
    assert stated <= {"cases.db", "cases.db-wal"}  # what people typed, and nothing that came as data
    assert stated
    found = ringfence("privacy", "find", "CUST-ADA-1815", "--json").json
    shown = {one["masked"] for one in found["originals"]}
    assert {"a***@mail.example", "A***", "***3000"} <= shown
    assert found["held"]["events"] == 8  # profile, six payments, the label
    assert (found["held"]["decisions"], found["held"]["notes"], found["held"]["files"]) == (6, 1, 1)
    erased = ringfence("privacy", "erase", "CUST-ADA-1815", "--reason", "her request", "--json", "--yes")
    assert erased.code == 0, erased.err
    assert erased.json["elsewhere"]["files"] == 1
    assert leaks(bank) == set()
    assert "CUST-ADA" not in erased.out + erased.err
    assert sums(ringfence) == before
    assert ringfence("replay", "--verify").code == 0
    assert ringfence("audit", "verify").code == 0
    again = ringfence("privacy", "find", "CUST-ADA-1815", "--json").json
    assert (again["originals"], len(again["erased"])) == ([], 1)
    assert [one["masked"] for one in ringfence("privacy", "find", "bob", "--json").json["originals"]]


def test_tokens_change_no_decision(bank, ringfence, monkeypatch):
    named = (
        "transaction_id",
        "outcome",
        "score",
        "rules",
        "reasons",
        "typologies",
        "typology_scores",
        "amount",
    )

    def decided(folder):
        rows = ringfence("decisions", "--json", "--data", folder).json_lines
        return [{name: row[name] for name in named} for row in rows], {row["customer_id"] for row in rows}

    tokens, unnamed = decided("ringfence-data")
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "kept")
    assert ringfence("run", bank / "payments.ndjson", "--data", "open").code == 4
    plain, customers = decided("open")
    assert customers == {"CUST-ADA-1815", "bob"}
    assert unnamed.isdisjoint(customers)
    assert tokens == plain
    assert {one["outcome"] for one in plain} >= {"review", "decline"}


def test_a_backup_of_before_does_not_bring_an_erased_person_back(bank, ringfence):
    assert ringfence("backup", bank / "copy").code == 0
    assert ringfence("privacy", "erase", "CUST-ADA-1815", "--reason", "her request", "--yes").code == 0
    assert ringfence("restore", bank / "copy", "--data", bank / "back").code == 0
    found = ringfence("privacy", "find", "CUST-ADA-1815", "--json", "--data", bank / "back").json
    assert found["originals"] == []
    assert ringfence("privacy", "find", "bob", "--json", "--data", bank / "back").json["originals"]


def test_somebody_is_found_by_every_spelling_and_shown_on_record_only(bank, ringfence):
    listed = ringfence("decisions", "--entity", "email=ADA.lovelace@mail.example", "--json").json_lines
    assert len(listed) == 6
    token = next(
        one["token"]
        for one in ringfence("privacy", "find", "account:DE89370400440532013000", "--json").json["originals"]
        if one["masked"] == "***3000"
    )
    assert ringfence("privacy", "reveal", token, "--reason", "no").code == 2
    seen = ringfence("privacy", "reveal", token, "--reason", "call back for Ada@mail.example")
    assert (seen.code, seen.out.strip()) == (0, "DE89370400440532013000")
    (record,) = [
        one for one in ringfence("audit", "list", "--action", "person.revealed", "--json").json
        if one["outcome"] == "done"
    ]  # fmt: skip
    assert (record["object"], record["details"]["reason"][:13]) == (token, "call back for")
    assert "mail.example" not in record["details"]["reason"]


def test_the_limit_of_an_hour_holds_and_refused_looks_are_on_record(bank, ringfence, monkeypatch):
    monkeypatch.setenv("RINGFENCE_REVEALS_PER_HOUR", "1")
    tokens = [one["token"] for one in ringfence("privacy", "find", "bob", "--json").json["originals"]]
    assert ringfence("privacy", "reveal", tokens[0], "--reason", "call back").code == 0
    refused = ringfence("privacy", "reveal", tokens[1], "--reason", "call back")
    assert refused.code == 2
    assert "reveals_per_hour" in refused.err
    assert ringfence("privacy", "reveal", tokens[0], "--reason", "call back").code == 0  # the same one again


def test_what_cannot_be_is_refused_with_the_reason(bank, ringfence, project):
    assert "nothing is held" in ringfence("privacy", "find", "nobody").err
    assert ringfence("privacy", "hold", "bob", "--reason", "court order 12").code == 0
    held = ringfence("privacy", "erase", "bob", "--reason", "his request", "--yes")
    assert held.code == 2
    assert "court order 12" in held.err
    assert "bob@" not in held.err
    assert ringfence("privacy", "release", "bob").code == 0
    assert ringfence("privacy", "erase", "bob", "--reason", "his request", "--yes").code == 0
    assert "is there already" in ringfence("privacy", "init").err


def test_a_hold_is_broken_through_no_account_and_no_case_that_others_share(bank, ringfence):
    """What an erasure of somebody else would take is theirs as well."""
    folder, account = bank / "ringfence-data", f"account:{ADA['account_id']}"
    assert ringfence("cases", "open", "p6").code == 0
    with closing(SqliteCases(folder)) as book:
        hers, his = book.case_of("p1").id, book.case_of("p6").id
    assert ringfence("cases", "merge", hers, his).code == 0
    for held, others in (("CUST-ADA-1815", (account, "bob")), (account, ("CUST-ADA-1815",))):
        assert ringfence("privacy", "hold", held, "--reason", "court order 12").code == 0
        for other in others:
            refused = ringfence("privacy", "erase", other, "--reason", "a request", "--yes")
            assert (refused.code, "court order 12" in refused.err) == (2, True), (held, other)
        assert "court order 12" in ringfence("privacy", "find", others[0]).err
        exported = bank / f"{held[:4]}.json"
        assert ringfence("privacy", "export", others[0], "--out", exported).code == 0
        assert "court order 12" not in exported.read_text()
        found = ringfence("privacy", "find", "CUST-ADA-1815", "--json").json
        assert (found["held"]["notes"], found["held"]["files"]) == (1, 1)
        assert ringfence("privacy", "release", held).code == 0
    assert ringfence("privacy", "erase", "bob", "--reason", "a request", "--yes").code == 0


def test_flink_takes_no_project_with_a_vault(bank, ringfence, monkeypatch):
    """It would write what the vault is to hide, whatever the setting says today."""
    made = definitions(None, None)
    for setting in ("vault", "kept"):
        monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", setting)
        with pytest.raises(InputError, match='personal_data = "vault": Flink has no vault'):
            packed(made, ["payments/0"], 1)


def test_keys_and_vaults_of_others_are_told(bank, ringfence, project):
    data, keys = bank / "ringfence-data", bank / "keys.json"
    mine = keys.read_bytes()
    assert ringfence("privacy", "rotate").code == 0
    keys.write_bytes(mine)  # the copy of before
    wrong = ringfence("privacy", "find", "bob")
    assert (wrong.code, "does not hold" in wrong.err) == (2, True)
    keys.write_text("{}")
    assert "holds no master keys" in ringfence("privacy", "find", "bob").err
    keys.unlink()
    assert "vault_key" in ringfence("privacy", "find", "bob").err
    keys.write_bytes(mine)
    other = bank / "other"
    assert ringfence("privacy", "init", "--data", other).code == 0
    (data / "vault.db").write_bytes((other / "vault.db").read_bytes())
    assert "another installation" in ringfence("privacy", "find", "bob").err
    assert ringfence("run", project / "payments.ndjson").code == 2
    (data / "vault.db").unlink()
    for name in ("-wal", "-shm"):
        (data / f"vault.db{name}").unlink(missing_ok=True)
    missing = ringfence("run", project / "payments.ndjson")
    assert (missing.code, "privacy init" in missing.err) == (2, True)
    assert ringfence("privacy", "init").code == 0
    assert ringfence("run", project / "payments.ndjson").code in (0, 4)


def test_rotating_keeps_every_original_and_forgetting_shuts_older_copies(bank, ringfence):
    copy = (bank / "ringfence-data" / "vault.db").read_bytes()
    assert ringfence("privacy", "rotate", "--forget", "--yes").code == 0
    assert ringfence("privacy", "find", "bob", "--json").json["originals"]
    with closing(sqlite3.connect(bank / "ringfence-data" / "vault.db")) as vault:
        assert vault.execute("SELECT count(DISTINCT master) FROM person").fetchone() == (1,)
    (bank / "ringfence-data" / "vault.db").write_bytes(copy)
    assert "does not hold" in ringfence("privacy", "find", "bob").err


def test_what_is_kept_long_enough_is_forgotten_and_tokens_stay(bank, ringfence):
    assert ringfence("privacy", "hold", "bob", "--reason", "court order 12").code == 0
    assert ringfence("privacy", "expire", "--class", "contact", "--older", "0s", "--yes").code == 0
    kinds = {one["kind"] for one in ringfence("privacy", "find", "CUST-ADA-1815", "--json").json["originals"]}
    assert "contact" not in kinds
    assert "name" in kinds
    held = {one["kind"] for one in ringfence("privacy", "find", "bob", "--json").json["originals"]}
    assert "contact" in held


def test_what_is_held_of_somebody_by_other_names_is_passed_over_as_well(bank, ringfence):
    """Under a hold on the account: its customer's originals, and what others wrote about its payments."""

    def originals():
        return ringfence("privacy", "find", "CUST-ADA-1815", "--json").json["originals"]

    before = originals()
    assert sum(one["kind"] == "text" for one in before) == 4  # of profile, label and a bad record
    account = f"account:{ADA['account_id']}"
    assert ringfence("privacy", "hold", account, "--reason", "court order 12").code == 0
    everything = [word for kind in ("contact", "text", "name") for word in ("--class", kind)]
    assert ringfence("privacy", "expire", *everything, "--older", "0s", "--yes").code == 0
    assert originals() == before
    assert "contact" not in {
        one["kind"] for one in ringfence("privacy", "find", "bob", "--json").json["originals"]
    }


def test_a_store_that_holds_events_in_the_open_is_not_switched(ringfence, project, payments):
    assert ringfence("run", payments).code == 0
    (project / "ringfence.toml").write_text(SETTINGS)
    assert "privacy init" in ringfence("run", payments).err
    assert "begin a new data folder" in ringfence("privacy", "init").err


class Taking:
    """A notifier that takes every message."""

    def __init__(self):
        self.targets = []

    def deliver(self, message):
        self.targets.append(message.to)
        return AttemptOutcome(AttemptEnd.DELIVERED)

    def close(self):
        pass


def test_a_customer_is_written_to_at_the_address_of_the_vault_until_it_is_erased(bank, ringfence):
    folder, taking = bank / "ringfence-data", Taking()
    with closing(sqlite3.connect(folder / "bus.db")) as bus:
        rows = bus.execute("SELECT 1, id, event, 0, 0 FROM message WHERE destination = 'customer:mail'")
        letters = [DueLetter(*row) for row in rows]
    with Store.open(folder, read_only=True) as store, closing(Bus(folder)) as bus:
        contact, vault = contacts_of(store)
        words = alert_words(alert_policy(), store.meta.token_key, has_buttons=False)
        courier = Courier(bus, {"mail": taking}, lambda: 1, Random(1), words, contact=contact)
        to = Destination(address="customer:mail", kind="mail")
        done = [courier.attempt(to, letter) for letter in letters]
        assert {(one.answer, one.said) for one in done} == {(AttemptEnd.DELIVERED, "")}
        assert set(taking.targets) == {"ada.lovelace@mail.example"}
        bus.change("customer:mail", said="550 Ada.Lovelace@mail.example is unknown")  # of before
        assert ringfence("privacy", "erase", "CUST-ADA-1815", "--reason", "her request", "--yes").code == 0
        assert bus.destination("customer:mail").said == ""
        refused = courier.attempt(to, letters[0])
        assert (refused.answer, "lovelace" in refused.said.lower()) == (AttemptEnd.REFUSED, False)
        vault.close()
    with closing(sqlite3.connect(folder / "bus.db")) as bus:
        kept = bus.execute("SELECT count(*) FROM message WHERE destination = 'customer:mail'").fetchone()
    assert kept == (0,)


@pytest.mark.parametrize("how", [how for how in DAMAGE if how not in ("missing", "flipped")])
def test_a_damaged_vault_is_named_with_the_remedy(bank, ringfence, how):
    vault = bank / "ringfence-data" / "vault.db"
    for name in ("-wal", "-shm"):
        vault.with_name(f"vault.db{name}").unlink(missing_ok=True)
    DAMAGE[how](vault)
    ended = ringfence("privacy", "find", "bob")
    assert ended.code in (2, 3), ended.out
    assert "vault.db" in ended.err
    assert "Traceback" not in ended.err
