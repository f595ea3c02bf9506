"""An original is shown on a page to whoever may see it and says why; what needs two is approved there."""

import time

import httpx
import pytest
from playwright.sync_api import expect
from tests.web.conftest import serving
from tests.web.sample import START_MS, payment

from ringfence.access.principal import Role
from ringfence.adapters.sqlite import Store
from ringfence.compose.folder.privacy import begin_vault

MAIL = "ada@mail.example"


@pytest.fixture
def private(tmp_path, monkeypatch):
    """A server that keeps tokens; a second person approves more than one reveal a day."""
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "vault")
    monkeypatch.setenv("RINGFENCE_VAULT_KEY", str(tmp_path / "keys.json"))
    monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["reveal"]')
    monkeypatch.setenv("RINGFENCE_REVEAL_LIMIT", "1")
    folder = tmp_path / "data"
    with Store.open(folder) as store:
        begin_vault(store)
    with serving(folder, with_keys=True) as served:
        bearer = {"authorization": f"Bearer {served.key(Role.ADMIN)}"}
        sent = payment(1, START_MS, email=MAIL, phone="+4930123456")
        httpx.post(f"{served.url}/v1/decisions", json=sent, headers=bearer, timeout=60).raise_for_status()
        clean = served.server.session.tokenizer
        served.email, served.phone = clean.as_kept("email", MAIL), clean.as_kept("phone", "+4930123456")
        for _ in range(1200):  # the vault is written behind decisions
            asked = {"customer": "customer-1", "reason": "to be sure"}
            found = httpx.post(f"{served.url}/v1/privacy/find", json=asked, headers=bearer, timeout=60)
            if found.status_code == 200 and len(found.json()["originals"]) > 2:
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"the vault never had them: {found.text}")
        served.bearer = bearer
        yield served


def records(served):
    told = httpx.get(f"{served.url}/v1/audit", headers=served.bearer, timeout=60).json()["records"]
    return [one["act"] for one in told if one["act"]["action"] == "person.revealed"]


def sign_in(watched, served, name):
    page = watched.open(f"{served.url}/sign-in")
    page.get_by_label("API key").fill(served.keys.create(name, frozenset({Role.SUPERVISOR}), 0))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/home")
    return page


def test_an_original_is_shown_for_a_reason_on_record_and_the_next_takes_two(private, watched):
    page = sign_in(watched, private, "anna")
    page.goto(f"{private.url}/entities/email/{private.email}")
    page.get_by_role("link", name="Reveal…").click()
    expect(page.locator("#token")).to_have_value(private.email)
    page.get_by_label("Reason").fill(f"call {MAIL} back")
    page.get_by_role("button", name="Show the original").click()
    expect(page.locator("#original")).to_have_text(MAIL)
    [act] = records(private)
    assert (act["object"], act["outcome"]) == (private.email, "done")
    assert act["actor"] not in ("", "nobody")
    assert act["details"]["reason"].startswith("call pd_")
    page.goto(f"{private.url}/reveal?token={private.phone}")
    page.get_by_label("Reason").fill("call back on case C-7")
    page.get_by_role("button", name="Show the original").click()
    expect(page.locator(".problem")).to_contain_text("waits for a second person")
    expect(page.get_by_label("Reason")).to_have_value("call back on case C-7")
    watched.faults.clear()  # the browser notes the 403
    boss = sign_in(watched, private, "berta")
    boss.goto(f"{private.url}/approvals")
    expect(boss.get_by_role("link", name=private.phone).first).to_have_attribute(
        "href", f"/entities/phone/{private.phone}"
    )
    boss.get_by_role("button", name="Approve A-1").click()
    sure = boss.get_by_role("dialog", name="Approve A-1?")
    expect(sure).to_contain_text("call back on case C-7")
    sure.get_by_role("button", name="Cancel").click()
    assert private.server.approvals.book.get("A-1").state == "waiting"
    boss.get_by_role("button", name="Approve A-1").click()
    sure.get_by_label("Note").fill("the case is mine")
    sure.get_by_role("button", name="Approve", exact=True).click()
    expect(boss.locator("main")).to_contain_text("Nothing is waiting.")
    page.goto(f"{private.url}/approvals")
    page.get_by_role("link", name="Show it").click()
    page.get_by_label("Reason").fill("call back on case C-7")
    page.get_by_role("button", name="Show the original").click()
    expect(page.locator("#original")).to_contain_text("4930123456")


def test_who_may_not_is_refused_and_nothing_is_asked_of_a_store_in_the_open(private, site, visitor):
    analyst = visitor(private, Role.ANALYST)
    assert "/reveal" not in analyst.get(f"/entities/email/{private.email}").text
    form = {"token": private.email, "reason": "I am curious"}
    assert analyst.get("/reveal").status_code == 403
    refused = analyst.post("/reveal", data=form)
    assert (refused.status_code, MAIL in refused.text) == (403, False)
    assert [one["outcome"] for one in records(private)] == ["refused"]
    supervisor = visitor(private, Role.SUPERVISOR)
    for wrong, said in (({"reason": "no"}, "reason"), ({"token": "pd_1"}, "give a token")):
        answer = supervisor.post("/reveal", data=form | wrong)
        assert (answer.status_code, said in answer.text) == (422, True)
    supervisor.post("/reveal", data=form | {"token": MAIL})
    about = {one["object"] for one in records(private)}
    assert about == {private.email, ""}  # never what was typed in a token's place
    with httpx.Client(base_url=site.url, timeout=60) as client:
        assert 'href="/reveal"' not in client.get("/home").text
        csrf = {"x-csrf-token": client.get("/session").json()["csrf"]}
        answer = client.post("/reveal", data=form, headers=csrf)
        assert (answer.status_code, "nothing is hidden" in answer.text) == (409, True)


def test_a_card_number_that_was_typed_does_not_come_back(private, watched):
    page = sign_in(watched, private, "anna")
    page.goto(f"{private.url}/reveal")
    page.locator("#token").evaluate("field => field.removeAttribute('pattern')")  # as an older browser has it
    page.locator("#token").fill("5555 5555 5555 4444")
    page.get_by_label("Reason").fill("asked about 4111111111111111")
    page.get_by_role("button", name="Show the original").click()
    expect(page.locator(".problem")).to_be_visible()
    expect(page.locator("#token")).to_have_value("****4444")
    expect(page.get_by_label("Reason")).to_have_value("asked about ****1111")
    watched.faults.clear()  # the browser notes the 404
