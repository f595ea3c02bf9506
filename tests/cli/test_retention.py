"""How long each part is kept: what is older goes, what somebody under legal hold has to do with stays."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from ringfence.adapters.cases import SqliteCases
from ringfence.adapters.outbox import Bus
from ringfence.adapters.sqlite import Store
from ringfence.cli import execute
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.compose.folder.privacy import has_originals
from ringfence.compose.messaging.messages import outbox_of
from ringfence.errors import InputError
from ringfence.events.activation import Part, activation
from ringfence.follow import catch_up
from ringfence.ports import DECISIONS, EVENTS
from ringfence.saving import Snapshotting
from ringfence.settings import RETAINED, load_settings

from .conftest import payment, write_ndjson

VAULT = 'personal_data = "vault"\nvault_key = "keys.json"\nbatch_rows = 1\n'
ALERTS = 'team = ["console"]\noutcomes = ["review", "decline", "challenge", "approve"]\n'
DAY_MS = 86_400_000


@pytest.fixture
def bank(project, ringfence):
    """Ada and Bob pay, have a closed case each, alerts and messages, and Ada is under legal hold."""
    (project / "ringfence.toml").write_text(VAULT)
    (project / "alerts.toml").write_text(ALERTS)
    assert ringfence("privacy", "init").code == 0
    names = ("bob", "bob", "ada", "bob")
    rows = [
        payment(number, customer_id=name, card_id=f"of-{name}", email=f"{name}@mail.example")
        for number, name in enumerate(names)
    ]
    assert ringfence("run", write_ndjson(project / "payments.ndjson", rows)).code == 0
    with Store.open(project / "ringfence-data") as store:
        catch_up(store.log, outbox_of(store))
    for number in (1, 2):
        assert ringfence("cases", "open", f"p{number}").code == 0
        with closing(SqliteCases(project / "ringfence-data")) as book:
            case = book.case_of(f"p{number}").id
        assert ringfence("cases", "note", case, f"spoke with {names[number]}").code == 0
        closed = ringfence("cases", "close", case, "false_positive", "--note", "all is well")
        assert closed.code == 0, closed.err
    assert ringfence("privacy", "hold", "ada", "--reason", "court order").code == 0
    return project


def named(project, times):
    (project / "ringfence.toml").write_text(f"{VAULT}[retention]\n" + "".join(
        f'{part} = "{keep}"\n' for part, keep in times.items()
    ))  # fmt: skip


def asked(ringfence, project, times, *options):
    named(project, times)
    ended = ringfence("retention", "--json", *options)
    assert ended.code == 0, ended.err
    return {one["part"]: one["gone"] for one in ended.json}


def words(project):
    with closing(SqliteCases(project / "ringfence-data")) as book:
        return {
            name: b"".join(row[0] for row in rows)
            for name, rows in (
                (number, book._fetch(
                    "SELECT change FROM event WHERE case_id = :case", {"case": book.case_of(f"p{number}").id}
                ))
                for number in (1, 2)
            )
        }  # fmt: skip


def aged(project):
    """All of it is of 1970, and every message was sent."""
    for file, statement in (
        ("bus.db", "UPDATE message SET state = 'delivered', made_ms = 1, done_ms = 1"),
        ("bus.db", "UPDATE alert SET raised_ms = 1"),
        ("cases.db", "UPDATE standing SET closed_ms = 1 WHERE closed_ms IS NOT NULL"),
        ("vault.db", "UPDATE original SET seen_ms = 1"),
    ):
        with closing(sqlite3.connect(project / "ringfence-data" / file)) as opened, opened:
            assert opened.execute(statement).rowcount > 0


def counted(project, table, where="1"):
    with closing(sqlite3.connect(project / "ringfence-data" / "bus.db")) as opened:
        return opened.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0]


def _about(project, connection, number):
    """Messages that name a payment, and its case, and no person."""
    with closing(SqliteCases(project / "ringfence-data")) as book:
        case = book.case_of(f"p{number}").id
    for name, key, event in (
        ("payment", "of the shop", {"data": {"transaction_id": f"p{number}"}}),
        ("case", case, {"data": {"case_id": case}}),
    ):
        connection.execute(
            "INSERT INTO message "
            "(id, subscription, destination, key, ordered, event, state, due_ms, made_ms) "
            "VALUES (?, 'all', 'console:', ?, 0, ?, 'waiting', 0, 1)",
            (f"{name}-of-{number}", key, json.dumps(event).encode()),
        )


def test_parts_lose_what_is_old_and_not_what_somebody_under_hold_has_to_do_with(bank, ringfence):
    with closing(Bus(bank / "ringfence-data")) as bus, bus.database.transaction() as connection:
        for number in (1, 2):
            _about(bank, connection, number)
    aged(bank)
    alerts, messages = counted(bank, "alert"), counted(bank, "message")
    assert alerts >= 2
    times = dict.fromkeys(("cases", "alerts", "messages", "contact"), "1d")
    dry = asked(ringfence, bank, times, "--dry-run")
    assert counted(bank, "alert") == alerts
    assert all(b"spoke with" in said for said in words(bank).values())
    done = asked(ringfence, bank, times, "--yes")
    assert done == dry
    assert min(done.values()) > 0
    said = words(bank)
    assert b"spoke with" not in said[1]
    assert b"spoke with" in said[2]
    assert 0 < counted(bank, "alert") < alerts
    assert counted(bank, "message") < messages
    assert [counted(bank, "message", f"id LIKE '%-of-{number}'") for number in (1, 2)] == [0, 2]
    assert ringfence("privacy", "find", "bob", "--json").json["originals"] != []  # identifiers stay
    classes = [one["kind"] for one in ringfence("privacy", "find", "bob", "--json").json["originals"]]
    assert "contact" not in classes
    kept = [one["kind"] for one in ringfence("privacy", "find", "ada", "--json").json["originals"]]
    assert "contact" in kept
    assert asked(ringfence, bank, times, "--yes") == dict.fromkeys(times, 0)


def test_topics_keep_everything_from_the_first_payment_under_hold_on(bank, ringfence):
    rows = [payment(200 * number, customer_id="late", card_id="late") for number in range(1, 4)]
    assert ringfence("run", write_ndjson(bank / "more.ndjson", rows)).code == 0
    gone = asked(ringfence, bank, {"events": "1m", "decisions": "1m"}, "--dry-run")
    done = asked(ringfence, bank, {"events": "1m", "decisions": "1m"}, "--yes")
    assert gone["decisions"] <= 2
    assert done["decisions"] == 2  # Ada's is the third
    assert "p2" in ringfence("decisions", "--json").out
    assert ringfence("privacy", "release", "ada").code == 0
    assert asked(ringfence, bank, {"decisions": "1m"}, "--yes")["decisions"] > 1
    assert ringfence("audit", "verify").code == 0


def test_the_question_names_what_goes_however_far_behind_followers_are(bank, ringfence, terminal, capsys):
    rows = [payment(200 * number, customer_id="late", card_id="late") for number in range(1, 4)]
    assert ringfence("run", write_ndjson(bank / "more.ndjson", rows)).code == 0
    assert ringfence("privacy", "release", "ada").code == 0
    with Store.open(bank / "ringfence-data") as store:
        for topic in (EVENTS, DECISIONS):
            store.log.commit_reader("lake", topic, 0)
    named(bank, {"events": "1m", "decisions": "1m"})
    at_least = {one["part"]: one["gone"] for one in ringfence("retention", "--dry-run", "--json").json}
    terminal("y")
    assert execute(["retention"]) == 0
    told = capsys.readouterr().out
    for part in ("events", "decisions"):
        would_go, gone = re.findall(rf"^\W*{part}\W+(\d+)", told, re.MULTILINE)
        assert int(would_go) == int(gone) > at_least[part] == 0


def test_it_asks_first_and_says_what_is_missing(bank, ringfence, project):
    assert "nothing is to be deleted" in ringfence("retention").err
    (project / "ringfence.toml").write_text(f'{VAULT}[retention]\ncases = "1d"\n')
    refused = ringfence("retention")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    recorded = ringfence("retention", "--yes")
    assert recorded.code == 0
    acts = ringfence("audit", "list", "--action", "data.trimmed", "--json").json
    assert acts[0]["details"]["cases"] == "0"


@pytest.mark.parametrize(
    ("times", "said"),
    [({"casse": "1d"}, "there is no 'casse'"), ({"cases": "soon"}, "cases: "), ({"cases": "-1d"}, "cases: ")],
)
def test_a_part_or_a_time_that_there_is_not_is_refused(project, times, said):
    (project / "ringfence.toml").write_text("[retention]\n" + "".join(
        f'{part} = "{keep}"\n' for part, keep in times.items()
    ))  # fmt: skip
    with pytest.raises(InputError, match=said):
        load_settings()


def test_originals_without_a_vault_are_refused_before_anything_is_deleted(project, ringfence):
    (project / "ringfence.toml").write_text("batch_rows = 1\n")
    rows = [payment(0, event_time="2024-04-01T12:00:00Z"), payment(1)]
    assert ringfence("run", write_ndjson(project / "payments.ndjson", rows)).code in (0, 4)
    assert not has_originals(project / "ringfence-data")
    (project / "ringfence.toml").write_text('[retention]\ndecisions = "10d"\ntext = "1d"\n')
    refused = ringfence("retention", "--yes")
    assert (refused.code, "has no vault. Nothing was deleted" in refused.err) == (2, True)
    (project / "ringfence.toml").write_text('[retention]\ndecisions = "10d"\n')
    assert ringfence("retention", "--yes", "--json").json[0]["gone"] == 1  # it was still there
    (project / "ringfence.toml").write_text('[retention]\nquarantine = "1d"\ncases = "1d"\nalerts = "1d"\n')
    assert ringfence("retention", "--yes").code == 0


def test_every_part_that_can_be_named_is_known_to_the_command(ringfence):
    told = ringfence("retention", "--help").out
    assert [part for part in RETAINED if part not in told] == []


def test_what_went_before_a_part_failed_is_on_record(project, ringfence):
    rows = [payment(0), {"transaction_id": "bad"}]
    assert ringfence("run", write_ndjson(project / "payments.ndjson", rows)).code == 4
    (project / "ringfence-data" / "cases.db").write_bytes(b"no database" * 1000)
    (project / "ringfence.toml").write_text('[retention]\nquarantine = "1ms"\ncases = "1d"\n')
    ended = ringfence("retention", "--yes")
    assert ended.code not in (0, 4)
    record = ringfence("audit", "list", "--action", "data.trimmed", "--json").json[0]
    assert (record["outcome"], record["details"]) == ("failed", {"quarantine": "1"})


def test_an_event_of_the_future_makes_no_payment_old(project, ringfence):
    at = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    rows = [payment(number) | {"event_time": at} for number in range(5)]
    assert ringfence("run", write_ndjson(project / "payments.ndjson", rows)).code == 0
    with open_session(project / "ringfence-data", load_definitions(None, None), Snapshotting()) as session:
        digest = session.desk().force.active()
        session.runner.commit([session.runner.activate(activation(Part.RULES, digest, 10**13, author="x"))])
    assert set(asked(ringfence, project, {"decisions": "30d", "events": "30d"}, "--dry-run").values()) == {0}
