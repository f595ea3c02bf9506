"""Figures of the performance page equal their SQL; the SQL page asks and changes nothing."""

import csv
import html
import io
import json
import os
import re
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import duckdb
import pytest
from playwright.sync_api import expect
from tests.web.test_pages import violations

from ringfence.adapters.lake import Lake
from ringfence.adapters.lake.confined import ConfinedLake
from ringfence.web.measure.measures import DAY_MS, MEASURES, money_of
from ringfence.web.parts import rendering

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


def counted(client, path):
    """A panel, once it has been counted beside the page."""
    for _ in range(1200):
        found = client.get(path)
        if "Counting…" not in found.text:
            return found.text
        time.sleep(0.05)
    raise AssertionError(f"{path} is never counted")


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
                frauds, payments = ((row[f"{one}s"], one) for one in ("fraud", "payment"))
                assert title == f"{rendering.counted(*frauds)} of {rendering.counted(*payments)}"
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


def test_hours_are_those_of_the_zone_of_the_page(site, visitor):
    client = visitor(site)
    span = "since=2025-01-01T00:00%2B00:00&until=2025-02-15T00:00%2B00:00"

    def hours(zone):
        text = client.get(f"/performance/hours/csv?{span}&zone={zone}").text
        return {(int(r["weekday"]), int(r["hour"])): r["payments"] for r in csv.DictReader(io.StringIO(text))}

    utc = hours("UTC")
    assert len(utc) > 1
    assert hours("Etc/GMT%2B12") == {
        (day if hour >= 12 else (day + 5) % 7 + 1, (hour + 12) % 24): count
        for (day, hour), count in utc.items()
    }
    assert "Etc/GMT+12" in counted(client, f"/performance/hours?{span}&zone=Etc/GMT%2B12")


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
    for name in ("features", "known_labels", "lifecycle", "quarantine"):
        expect(page.locator("details summary", has_text=name).first).to_be_visible()
    editor = page.locator(".CodeMirror textarea")
    editor.press("Control+A")
    page.keyboard.type("SELECT outc")
    expect(page.locator(".CodeMirror-hint-active")).to_contain_text("outcome")
    page.keyboard.press("Enter")
    page.keyboard.insert_text(", count(*) AS n FROM decisions GROUP BY outcome ORDER BY n DESC")
    editor.press("Escape")
    editor.press("Control+Enter")
    expect(page.locator("#result")).to_contain_text("approve")
    expect(page.locator("[data-measure=asked] canvas")).to_be_visible()
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
    drawn = "SELECT range AS a, 4111111111111111 AS card, 2.5 AS c FROM range(3)"
    points = html.unescape(
        re.search('data-points="([^"]*)"', client.post("/sql", data={"statement": drawn}).text)[1]
    )
    assert json.loads(points)["series"] == [
        {"name": "card", "data": [None] * 3},
        {"name": "c", "data": [2.5] * 3},
    ]
    many = client.post("/sql", data={"statement": "SELECT * FROM range(5000)"}).text
    assert "The first 1,000 rows" in many
    card = client.post("/sql", data={"statement": "SELECT '4111111111111111' AS n"}).text
    assert "4111111111111111</td>" not in card


def test_a_statement_that_takes_too_long_is_stopped(site, visitor, monkeypatch):
    monkeypatch.setattr("ringfence.web.pages.sql.SECONDS", 0.3)
    client = visitor(site)
    client.get("/sign-in")
    client.headers["x-csrf-token"] = client.get("/session").json()["csrf"]
    endless = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    assert "was stopped" in client.post("/sql", data={"statement": endless}).text
    monkeypatch.undo()
    assert "approve" in client.post("/sql", data={"statement": "SELECT DISTINCT outcome FROM decisions"}).text


def asking(site, visitor):
    """Asks the SQL page."""
    client = visitor(site)
    client.get("/sign-in")
    client.headers["x-csrf-token"] = client.get("/session").json()["csrf"]
    return lambda statement: client.post("/sql", data={"statement": statement})


def test_a_result_is_bounded_whatever_its_rows_hold(site, visitor):
    ask = asking(site, visitor)
    for statement, said in (
        ("SELECT list(a) FROM range(3000000) t(a)", "too large for a page"),
        ("SELECT repeat('x', 9000000)", "too large for a page"),
        ("SELECT list(NULL) FROM range(2000000)", "too large for a page"),
        ("SELECT {'a': {'b': list(true)}} FROM range(2000000)", "too large for a page"),
        ("SELECT list(a) FROM range(100000000) t(a)", "needs more than 512MB of memory"),
        ("SELECT repeat('x', 2000000) FROM range(1500)", "needs more than 512MB of memory"),
        ("SELECT repeat('x', 1500000000)", "needs more than 512MB of memory"),
    ):
        answer = ask(statement)
        assert answer.status_code == 200
        assert said in answer.text, statement
        assert len(answer.text) < 10_000
    assert len(ask("SELECT repeat('x', 100000)").text) < 10_000
    assert "[1, 2]" in ask("SELECT [1, 2]").text


def test_no_cell_name_or_error_shows_a_card_number(site, visitor):
    ask, card = asking(site, visitor), "4111111111111111"
    for statement in (
        f"SELECT ['{card}', 'b']",
        f"SELECT {{'a': [{{'b': '{card}'}}]}}",
        f"SELECT MAP {{'a': '{card}'}}",
        f"SELECT '{card}'::BLOB",
        f"SELECT {card}::BIGINT",
        f"SELECT {card}::DECIMAL(18, 0)",
        f'SELECT 1 AS "{card}"',
        f'SELECT "{card}" FROM decisions',
        f"SELECT '{card}'::DATE",
        "SELECT repeat('x', 1990) || ' 4111 1111 1111 1111'",
    ):
        told = re.sub("[^0-9]", "", ask(statement).text)
        assert "41111111" not in told, statement
    told = ask("SELECT 1 AS a, 2 AS a, 1709288100120 AS t, 2.5 AS d, NULL AS n").text
    assert re.findall("<td[^>]*>([^<]*)</td>", told) == ["1", "2", "1709288100120", "2.5", ""]


def test_what_was_asked_is_on_record(site, visitor):
    ask = asking(site, visitor)
    ask("SELECT 7 AS seven,\n  '4111111111111111' AS card")
    ask("-- " + "x" * 1000 + "\nSELECT 8")
    ask("-- " + "x" * 10_000 + "\nSELECT 9")
    records = site.server.trail.newest(3, action="data.asked")
    first, padded, long = (record.act for record in sorted(records, key=lambda one: one.number))
    assert first.object.startswith("SELECT 7 AS seven, '")
    assert "41111111" not in first.object
    assert padded.details["continued_2"].endswith(" SELECT 8")
    assert long.details["characters"] == "10012"
    assert sum(map(len, (long.object, *long.details.values()))) < 5000


def test_statements_and_rings_wait_in_pools_of_their_own(site, visitor):
    """A short queue: who comes when it is full is told so, and nothing else waits."""
    client, pools = visitor(site), site.server.pools
    for pool, path in ((pools.links, "/graph"), (pools.links, "/graph/card/k"), (pools.sql, "/sql")):
        was, pool.busy = pool.busy, 1000
        try:
            answer = client.get(path)
        finally:
            pool.busy = was
        assert answer.status_code == 503, path
        assert "try again" in answer.text
    assert client.get("/sql").status_code == 200


def test_figures_are_those_of_one_currency_where_there_are_several(site, lake, visitor):
    span = (1_735_689_600_000, 1_739_577_600_000)
    kpis = MEASURES["kpis"]
    [whole], [euro], [dollar] = (kpis.rows(lake, *span, currency) for currency in (None, "EUR", "USD"))
    assert euro == whole
    assert (dollar["payments"], dollar["volume"]) == (0, 0)
    page = counted(visitor(site), f"/performance/kpis?{SPAN}&currency=EUR")
    assert f"payments stopped, of {euro['genuine']:,} labelled genuine" in page
    assert "coalesce(t.currency, &#39;&#39;) = &#39;EUR&#39;" in page
    assert visitor(site).get(f"/performance/kpis?{SPAN}&currency=E'R").status_code == 422


def test_the_editor_opens_although_the_tables_cannot_be_asked(site, visitor, monkeypatch):
    with closing(ConfinedLake(["true"])) as gone:
        monkeypatch.setattr(site.dashboard, "console", gone)
        page = visitor(site).get("/sql")
    assert page.status_code == 200
    assert "Their columns are not listed" in page.text


def test_the_page_opens_while_others_figures_are_worked_out_and_follows(site, visitor, watched):
    done = Event()
    site.dashboard.cache.ask("of somebody else", 0, done.wait, "somebody")
    address = "/performance?since=2025-01-03T01:00&until=2025-02-11T02:00"
    try:
        first = visitor(site).get(address)
        assert first.status_code == 200
        assert "Counting" in first.text
        assert 'hx-get="/performance/' not in first.text
        page = watched.open(f"{site.url}{address}")
        expect(page.get_by_label("Counting")).to_be_visible()
    finally:
        done.set()
    expect(page.get_by_role("heading", name="Performance")).to_have_count(1, timeout=60_000)
    expect(page.locator("canvas").first).to_be_visible(timeout=60_000)


def test_a_cell_and_a_bar_lead_to_the_frauds_behind_them(site, watched):
    page = watched.open(f"{site.url}/performance?{SPAN}")
    cell = page.locator("table.heat a").first
    frauds = int(cell.inner_text())
    cell.click()
    page.wait_for_url("**/sql?panel=hours**")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#answer table.rows tbody tr")).to_have_count(frauds)
    expect(page.locator("#answer")).to_contain_text("tx-0311")
    page.goto(f"{site.url}/sql?panel=country&part=DE&{SPAN}")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#answer")).to_contain_text("tx-0311")
    page.goto(f"{site.url}/sql?panel=trend&part=2025-01-31&{SPAN}")  # its day
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#answer")).to_contain_text("tx-0311")
    day = "2025-01-31"
    through = f"behind({{measure: 'trend', name: 'trend', through: '/sql?part='}}, '{day}')"
    assert page.evaluate(through) == f"/sql?part={day}"
    assert (
        page.evaluate("behind({measure: 'trend', name: 'trend', through: '/sql?part='}, 'a change')") is None
    )
    whole = "/decisions?since=2025-01-31T00:00&until=2025-02-01T00:00"
    assert page.evaluate(f"behind({{measure: 'matches', name: 'matches'}}, '{day}')") == whole


def test_sums_of_money_are_exact_in_whatever_order_amounts_are_read():
    """A sum of doubles ended in …0000547 or …9999917, as its threads came; no figure equalled its own SQL."""
    for amounts in ("(0.1), (0.2), (1e13), (-1e13)", "(1e13), (0.1), (-1e13), (0.2)"):
        asked = f"SELECT {money_of()} AS s FROM (SELECT a::DOUBLE AS amount FROM (VALUES {amounts}) AS t(a))"
        assert str(duckdb.sql(asked).fetchall()[0][0]) == "0.3"


def test_the_part_of_a_chart_is_a_text_in_its_statement(site, visitor):
    client = visitor(site)
    assert client.get(f"/sql?panel=hours&part=1-x&{SPAN}").status_code == 422
    assert client.get(f"/sql?panel=trend&part=31.01.2025&{SPAN}").status_code == 422
    page = client.get(f"/sql?panel=country&part=D'E&{SPAN}").text
    assert "= 'D''E'" in html.unescape(page)


def test_a_day_without_payments_has_a_row_of_zeros():
    """
    2025-01-  01    02 ···· 04    05
              two   none          one
    """
    lake = duckdb.connect()
    lake.sql("CREATE TABLE known_labels (transaction_id TEXT, is_fraud BOOLEAN)")
    lake.sql(
        """CREATE TABLE decisions AS SELECT range AS "offset", 't' || range AS transaction_id,
        TIMESTAMP '2025-01-01' + to_days(range::INT * 2) AS event_time, 'decline' AS outcome FROM range(3)
        WHERE range <> 1 UNION ALL SELECT 7, 't7', TIMESTAMP '2025-01-01 09:00', 'approve'"""
    )
    lake.sql(
        """CREATE TABLE transactions AS SELECT "offset", 9.0 AS amount, 'EUR' AS currency, NULL AS country,
        NULL AS merchant_category, NULL AS channel, NULL AS merchant_id FROM decisions"""
    )
    begin = int(datetime(2024, 12, 20, tzinfo=UTC).timestamp() * 1000)
    statement = MEASURES["trend"].statement(begin, begin + 40 * DAY_MS, "EUR")
    rows = lake.sql(statement).to_arrow_table().to_pylist()
    assert [(str(row["day"]), row["payments"], row["declined"]) for row in rows] == [
        ("2025-01-01", 2, 1),
        ("2025-01-02", 0, 0),
        ("2025-01-03", 0, 0),
        ("2025-01-04", 0, 0),
        ("2025-01-05", 1, 1),
    ]
    assert lake.sql(MEASURES["trend"].statement(0, DAY_MS)).fetchall() == []
