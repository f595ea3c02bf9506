"""What cannot be done with a case is told on the page and over the API, is on record, and loses nothing."""

import httpx
import pytest
from playwright.sync_api import expect
from tests.web.conftest import serving
from tests.web.sample import HOSTILE
from tests.web.test_cases import prepared

from ringfence.access.principal import Role

OCTETS = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """C-1 is closed, C-2 is open."""
    with serving(tmp_path_factory.mktemp("bad") / "data", with_keys=True) as served:
        served.bearer = {"authorization": f"Bearer {served.key(Role.ADMIN)}"}
        prepared(served, served.bearer)
        close = {"action": "close", "version": version(served, "C-1"), "disposition": "false_positive"}
        httpx.post(
            f"{served.url}/v1/cases/C-1", json=close, headers=served.bearer, timeout=60
        ).raise_for_status()
        yield served


def version(served, case):
    return served.server.cases.book.case(case).version


def record(served, action):
    """The newest record of an action."""
    return served.server.trail.newest(1, action=action)[0].act


CLOSE = {"action": "close", "disposition": "confirmed_fraud"}
DEEDS = {
    "a disposition on a closed case": ("C-1", CLOSE, 409, "C-1"),
    "a case that there is not": ("C-4711", {"action": "note", "text": "x"}, 404, "There is no case"),
    "an empty note": ("C-2", {"action": "note", "text": "  "}, 422, "note"),
    "a typology that there is not": ("C-2", CLOSE | {"typology": "nonsense"}, 422, "typologies are"),
    "a queue that there is not": ("C-2", {"action": "move", "queue": "nowhere"}, 422, "queues are"),
    "a merge with itself": ("C-2", {"action": "merge", "other": "C-2"}, 422, "itself"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_deed_that_cannot_be_is_refused_with_the_reason_and_on_record(office, visitor, deed):
    case, form, status, said = DEEDS[deed]
    client = visitor(office, Role.ANALYST)
    at = version(office, case) if case != "C-4711" else 1
    answer = client.post(f"/cases/{case}", data=form | {"version": at})
    assert answer.status_code == status
    assert said in answer.text
    act = record(office, "case.acted_on")
    assert (act.object, act.outcome) == (case, "refused")
    if case != "C-4711":
        assert version(office, case) == at


FILES = {
    "a program": ("run.exe", b"MZ", "are not taken"),
    "a page": ("page.html", b"<script>", "are not taken"),
    "another type than its name says": ("photo.png", b"<svg onload=alert(1)>", "not what its name says"),
    "too large": ("rows.csv", b"a" * (3 << 20) + b"a", "3 MiB"),
    "too long a name": ("a" * 200 + ".txt", b"a", "at most 120"),
    "nothing": ("text.txt", b"", "empty"),
}


@pytest.mark.parametrize("file", FILES)
def test_a_hostile_file_is_refused_with_the_reason_and_on_record(office, visitor, file):
    name, body, said = FILES[file]
    client, at = visitor(office, Role.ANALYST), version(office, "C-2")
    address = f"/cases/C-2/files?version={at}"
    answer = client.post(address, params={"name": name, "version": at}, content=body, headers=OCTETS)
    assert answer.status_code in (413, 422)
    assert said in answer.text
    act = record(office, "case.file_attached")
    assert (act.object, act.outcome) == ("C-2", "refused")
    assert version(office, "C-2") == at


def test_a_file_that_is_too_large_is_not_sent_and_says_what_a_case_takes(office, watched):
    """40 MB went to the server, which named the limit of a request in bytes."""
    page = watched.open(f"{office.url}/sign-in")
    page.get_by_label("API key").fill(office.key(Role.ANALYST))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/home")
    page.goto(f"{office.url}/cases/C-2")
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    body = b"%PDF-" + b"0" * (40 << 20)
    page.locator("#file").set_input_files({"name": "all.pdf", "mimeType": "application/pdf", "buffer": body})
    expect(page.locator("#notices")).to_contain_text("all.pdf has 40.0 MiB: attach a file of at most 3 MiB.")
    expect(page.locator("#file")).to_have_value("")
    assert "POST" not in sent


def test_a_role_that_may_not_is_refused_on_record(office, visitor):
    client, at = visitor(office, Role.VIEWER), version(office, "C-2")
    assert client.get("/cases/C-2").status_code == 200
    answer = client.post("/cases/C-2", data=CLOSE | {"version": at})
    assert (answer.status_code, "needs the role" in answer.text) == (403, True)
    assert record(office, "case.acted_on").outcome == "refused"
    assert version(office, "C-2") == at


@pytest.mark.parametrize("path", ["/cases/C-4711", "/cases/C-4711/preview"])
def test_an_unknown_case_leads_to_the_page_of_cases_and_to_no_command(office, visitor, path):
    told = visitor(office, Role.ANALYST).get(path)
    assert told.status_code == 404
    assert 'the page <a href="/cases">Cases</a> shows them' in told.text
    assert "ringfence cases" not in told.text


def test_an_address_that_is_no_id_of_a_case_names_no_parameter(office, visitor):
    told = visitor(office, Role.ANALYST).get("/cases/xyz").text
    assert "Give the id of a case, such as C-17." in told
    assert "case_id" not in told.lower()


def test_markup_in_a_note_stays_text(office, visitor, watched):
    client = visitor(office, Role.ANALYST)
    form = {"action": "note", "version": version(office, "C-2"), "text": HOSTILE}
    assert client.post("/cases/C-2", data=form).status_code == 303
    page = watched.open(f"{office.url}/sign-in")
    page.get_by_label("API key").fill(office.key(Role.ANALYST))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/home")
    page.goto(f"{office.url}/cases/C-2")
    expect(page.locator("article .said").first).to_have_text(HOSTILE)
    assert page.evaluate("window.hacked") is None


def test_a_session_that_ends_in_the_middle_of_a_note_loses_nothing(office, watched):
    page = watched.open(f"{office.url}/sign-in")
    key = office.key(Role.ANALYST)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/home")
    page.goto(f"{office.url}/cases/C-2")
    page.locator("#note").fill("The customer says that she was in Brazil.")
    page.context.clear_cookies()
    page.get_by_role("button", name="Add note").click()
    over = page.locator("#session-over")
    expect(over).to_be_visible()
    expect(page.locator("#note")).to_have_value("The customer says that she was in Brazil.")
    other = page.context.new_page()
    other.goto(f"{office.url}/sign-in")
    other.get_by_label("API key").fill(key)
    other.get_by_role("button", name="Sign in", exact=True).click()
    other.wait_for_url("**/home")
    page.get_by_role("button", name="I have signed in").click()
    expect(over).to_be_hidden()
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("article .said").first).to_have_text("The customer says that she was in Brazil.")
