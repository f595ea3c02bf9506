"""Figures of the performance page equal their SQL; the SQL page asks and changes nothing."""

import csv
import io
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.web.test_pages import violations

from ringfence.adapters.lake import Lake
from ringfence.web.measures import MEASURES

SPAN = "since=2025-01-01T00:00&until=2025-02-15T00:00"
PICTURES = os.environ.get("RINGFENCE_PICTURES")


@pytest.fixture
def lake(site):
    """Another reader of the same store, as `ringfence sql` would be."""
    opened = Lake(site.dashboard.store)
    yield opened
    opened.close()


def picture(page, name):
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_figure_equals_the_sql_that_the_page_shows(site, watched, lake, theme):
    page = watched.open(f"{site.url}/performance?{SPAN}", color_scheme=theme)
    for name in MEASURES:
        expect(page.locator(f"#measure-{name}")).to_be_visible()
    for name, measure in MEASURES.items():
        statement = page.locator(f"[data-sql={name}]").text_content()
        rows = lake.sql(statement).to_pylist()
        assert rows
        panel = page.locator(f"#measure-{name}")
        if measure.kind == "kpis":
            for figure in panel.locator("[data-figure]").all():
                told = figure.get_attribute("data-value")
                expected = rows[0][figure.get_attribute("data-figure")]
                assert (told == "") == (expected is None)
                assert expected is None or float(told) == pytest.approx(float(expected))
        elif measure.kind == "hours":
            cells = panel.locator("td").all()
            assert len(cells) == 7 * 24
            titles = [cell.get_attribute("title") for cell in cells]
            for row in rows:
                title = titles[24 * (row["weekday"] - 1) + row["hour"]]
                assert title == f"{row['frauds']} frauds of {row['payments']:,} payments"
            assert sum(not title.startswith("0 frauds of 0 ") for title in titles) == len(rows)
        else:
            shown = panel.locator("[data-figures] tbody tr")
            assert shown.count() == len(rows)
            for at, row in enumerate(rows):
                cells = [re.sub(",", "", cell) for cell in shown.nth(at).locator("td").all_text_contents()]
                assert cells[0] == re.sub(",", "", str(next(iter(row.values()))))
                assert [float(cell) for cell in cells[1:]] == pytest.approx(
                    list(map(float, list(row.values())[1:]))
                )
            expect(panel.locator("canvas")).to_be_visible()
    assert violations(page) == []
    picture(page, f"performance-{theme}")


def test_rows_are_given_as_csv_that_a_spreadsheet_can_open(site, visitor, lake):
    client = visitor(site)
    answer = client.get(f"/performance/merchant/csv?{SPAN}")
    assert answer.headers["content-type"].startswith("text/csv")
    found = list(csv.DictReader(io.StringIO(answer.text)))
    statement = MEASURES["merchant"].statement(1_735_689_600_000, 1_739_577_600_000)
    assert [row["value"].removeprefix("'") for row in found] == [
        row["value"] for row in lake.sql(statement).to_pylist()
    ]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("since=x&until=y", 422),
        ("since=2025-02-01T00:00&until=2025-01-01T00:00", 422),
        ("since=1900-01-01T00:00", 422),
    ],
)
def test_a_time_that_is_none_is_refused(site, visitor, query, status):
    client = visitor(site)
    assert client.get(f"/performance?{query}").status_code == status
    assert client.get("/performance/nothing?since=&until=").status_code == 404


def test_sql_is_asked_and_nothing_can_be_changed(site, watched, visitor):
    page = watched.open(f"{site.url}/sql")
    assert violations(page) == []
    page.locator("#statement").fill(
        "SELECT outcome, count(*) AS n FROM decisions GROUP BY outcome ORDER BY n DESC"
    )
    page.locator("#statement").press("Control+Enter")
    expect(page.locator("#result")).to_contain_text("approve")
    assert violations(page) == []
    picture(page, "sql")
    client = visitor(site)
    client.get("/sign-in")
    client.headers["x-csrf-token"] = client.get("/session").json()["csrf"]
    for statement, said in (
        ("DROP TABLE decisions", "only statements that read"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT * FROM read_csv('/etc/passwd')", "cannot be asked here"),
        ("COPY decisions TO 'x'", "only statements that read"),
        ("SELECT nothing FROM decisions", "nothing"),
        ("", "Write a statement first"),
    ):
        assert said in client.post("/sql", data={"statement": statement}).text.replace("&#39;", "'"), (
            statement
        )
    many = client.post("/sql", data={"statement": "SELECT * FROM range(5000)"}).text
    assert "The first 1,000 rows" in many
    card = client.post("/sql", data={"statement": "SELECT '4111111111111111' AS n"}).text
    assert "4111111111111111</td>" not in card


def test_a_statement_that_takes_too_long_is_stopped(site, visitor, monkeypatch):
    monkeypatch.setattr("ringfence.web.pages_sql.SECONDS", 0.3)
    client = visitor(site)
    client.get("/sign-in")
    client.headers["x-csrf-token"] = client.get("/session").json()["csrf"]
    endless = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    assert "was stopped" in client.post("/sql", data={"statement": endless}).text
    assert "approve" in client.post("/sql", data={"statement": "SELECT DISTINCT outcome FROM decisions"}).text
