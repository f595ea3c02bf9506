"""Saved queries and views from the command line: what pages and API do with them."""

import csv
import io

import pytest
from tests.web.conftest import serving

from ringfence.access.principal import Role
from ringfence.cli import execute

from .conftest import payment, write_ndjson

OUTCOMES = "SELECT outcome, count(*) AS payments FROM decisions GROUP BY outcome ORDER BY payments"


@pytest.fixture
def decided(ringfence, payments):
    assert ringfence("run", payments).code == 0
    return ringfence


def test_a_query_is_saved_shown_run_and_removed(decided):
    assert decided("views", "list", "--json").json == []
    assert "views save" in decided("views", "list").err
    saved = decided("views", "save", "Outcomes", "--sql", OUTCOMES, "--shared", "--json").json
    assert (saved["path"], saved["shared"]) == ("/sql", True)
    assert [one["id"] for one in decided("views", "list", "--page", "/sql", "--json").json] == [saved["id"]]
    assert decided("views", "list", "--page", "/decisions", "--json").json == []
    assert OUTCOMES in decided("views", "show", "Outcomes").out
    expected = decided("sql", OUTCOMES, "--format", "json").json_lines
    assert expected
    assert decided("views", "run", "Outcomes", "--format", "json").json_lines == expected
    rows = csv.DictReader(io.StringIO(decided("views", "run", saved["id"], "--format", "csv").out))
    assert [row["outcome"] for row in rows] == [row["outcome"] for row in expected]
    assert "payments" in decided("views", "run", saved["id"]).out
    assert decided("views", "remove", saved["id"].lower()).code == 0
    assert decided("views", "list", "--json").json == []
    acts = [one["action"] for one in decided("audit", "list", "--json").json]
    assert {"view.saved", "view.removed", "data.asked"} <= set(acts)


def test_a_view_of_payments_is_run_with_its_filters(decided):
    assert decided("views", "save", "small", "--address", "/decisions?min_amount=10").code == 0
    rows = decided("views", "run", "small", "--format", "json").json_lines
    assert [row["transaction_id"] for row in rows] == ["p1", "p0"]
    assert rows[0]["event_time"] == "2024-05-01T12:01:00"
    assert len(decided("views", "run", "small", "--limit", "1", "--format", "json").json_lines) == 1
    assert decided("views", "save", "small", "--address", "/decisions?min_score=x").code == 0
    assert "cannot be run" in decided("views", "run", "small").err


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("range=24h", ["p3", "p2"]),
        ("range=7d", ["p3", "p2", "p1"]),
        ("range=all", ["p3", "p2", "p1", "p0"]),
        ("since=2024-05-02T12:00", ["p3"]),
        ("since=2024-05-02T13:00&zone=Europe/Berlin", ["p3"]),
        ("since=2024-05-02T13:00&zone=UTC", []),
        ("range=24h&since=2024-04-01", ["p3", "p2", "p1"]),
    ],
)
def test_a_view_of_payments_is_run_in_its_range_and_zone(ringfence, project, query, ids):
    """A range ends with the newest payment, however long ago that was."""
    times = ("2024-01-01T00:00:00Z", "2024-04-28T00:00:00Z", "2024-05-01T12:00:31Z", "2024-05-02T12:00:30Z")
    rows = [payment(number, event_time=time) for number, time in enumerate(times)]
    assert ringfence("run", write_ndjson(project / "rows.ndjson", rows)).code == 0
    assert ringfence("views", "save", "span", "--address", f"/decisions?{query}").code == 0
    found = ringfence("views", "run", "span", "--format", "json").json_lines
    assert [row["transaction_id"] for row in found] == ids


def test_a_workbook_on_a_terminal_is_refused_in_words_of_the_command(decided, monkeypatch):
    assert decided("views", "save", "all", "--address", "/decisions").code == 0
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    ended = decided("views", "run", "all", "--format", "xlsx")
    assert (ended.code, "> answer.xlsx" in ended.err, "ringfence sql" in ended.err) == (2, True, False)


def test_help_of_run_says_where_rows_come_from(ringfence):
    told = " ".join(ringfence("views", "run", "--help").out.split())
    assert "rows come from the data folder" in told
    assert "instead of the data folder" not in told


def test_a_name_that_two_views_have_asks_for_an_id(decided):
    for address in ("/decisions", "/cases"):
        assert decided("views", "save", "mine", "--address", address).code == 0
    ended = decided("views", "show", "mine")
    assert (ended.code, "V-1" in ended.err, "V-2" in ended.err) == (2, True, True)
    ended = decided("views", "run", "V-2")
    assert (ended.code, "open /cases in the dashboard" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "V-9"), "you see no view 'V-9'"),
        (("remove", "nothing"), "ringfence views list"),
        (("save", "x"), "either --sql"),
        (("save", "x", "--sql", "SELECT 1", "--address", "/cases"), "either --sql"),
        (("save", "x", "--address", "https://elsewhere.example/cases"), "without a host"),
        (("save", "x", "--address", "/cases?q=4111111111111111"), "use its token"),
        (("save", "x" * 81, "--address", "/cases"), "cannot be saved"),
        (("save", "x", "--sql", "SELECT '" + "x" * 20_000 + "'"), "cannot be saved"),
    ],
)
def test_what_cannot_be_done_says_what_can(decided, arguments, said):
    ended = decided("views", *arguments)
    assert (ended.code, said in ended.err) == (2, True), ended.err
    assert decided("views", "list", "--json").json == []


def test_a_key_sees_its_own_views_and_shared_ones(decided, project, monkeypatch):
    with serving(project / "ringfence-data", with_keys=True) as site:

        def asked(role, *arguments):
            monkeypatch.setenv("RINGFENCE_API_KEY", keys[role])
            return decided("views", *arguments, "--server", site.url)

        keys = {role: site.key(role) for role in (Role.VIEWER, Role.ANALYST, Role.SUPERVISOR)}
        own = asked(Role.ANALYST, "save", "own", "--address", "/cases?view=mine", "--json").json
        shared = asked(Role.ANALYST, "save", "all", "--address", "/decisions", "--shared", "--json").json
        query = asked(Role.ANALYST, "save", "query", "--sql", OUTCOMES, "--shared", "--json").json
        seen = {role: [one["id"] for one in asked(role, "list", "--json").json] for role in keys}
        assert seen == {
            Role.VIEWER: [shared["id"]],
            Role.ANALYST: [own["id"], shared["id"], query["id"]],
            Role.SUPERVISOR: [shared["id"], query["id"]],
        }
        assert asked(Role.VIEWER, "remove", shared["id"]).code == 2
        assert asked(Role.VIEWER, "save", "x", "--address", "/cases", "--shared").code == 2
        assert asked(Role.ANALYST, "run", query["id"], "--format", "json").json_lines
        assert asked(Role.SUPERVISOR, "remove", "all").code == 0
        assert execute(["views", "show", "all", "--server", site.url]) == 2
