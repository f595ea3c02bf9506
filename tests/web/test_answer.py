"""A customer answers by a link: no account, a second click, once."""

import re

import httpx
import msgspec
import pytest
from tests.api.conftest import payment
from tests.web.conftest import serving

from ringfence.access.principal import Role
from ringfence.adapters.outbox import AlertBook, Bus, OutboxFollower
from ringfence.alerts.answers import Asked, answer_key, signed
from ringfence.alerts.policy import OUTCOMES, AlertPolicy
from ringfence.bus.subscription import EVERYTHING, Subscription
from ringfence.compose.messaging.alerts import alert_words
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.follow import catch_up
from ringfence.web.pages.response.answer import GERMAN

pytestmark = pytest.mark.slow
POLICY = AlertPolicy(
    outcomes=OUTCOMES,
    customer_outcomes=OUTCOMES,
    customer="mail",
    answer_url="https://a.example",
    contacts="payment",
)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A server with keys, a customer's browser, and the path of the link that they were sent."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alerts.toml").write_text('contacts = "payment"\nyes_allows = "1d"\nno_blocks = true\n')
    with serving(tmp_path / "data", with_keys=True) as site:
        headers = {"authorization": f"Bearer {site.key(Role.DECIDE)}"}
        body = payment("t1", email="ada@example.org")
        assert httpx.post(f"{site.url}/v1/decisions", json=body, headers=headers).status_code == 200
        store = site.dashboard.store
        follower = OutboxFollower(store.log, store.folder, "log", lambda: 1, POLICY)
        catch_up(store.log, follower)
        event = msgspec.json.decode(follower.bus.letters()[0].event)
        follower.close()
        words = alert_words(POLICY, store.meta.token_key)(event)
        link = re.search(r"https://a\.example(/answer/\S+)", words.text)[1]
        with httpx.Client(base_url=site.url) as browser:
            yield site, browser, link


def press(browser, page, was_it):
    fields = dict(re.findall(r'name="(csrf|token)" value="([^"]+)"', page.text))
    return browser.post("/answer", data=fields | {"was_it": was_it})


def heard(site):
    """What the log has beside payments."""
    log = site.dashboard.store.log
    found = [codec.decode(batch.payload).table.to_pylist() for batch in log.read("events")]
    return [row for rows in found for row in rows if row["kind"] != Kind.TRANSACTION]


def test_looking_changes_nothing_and_a_button_is_a_label_and_a_list_entry(asked):
    site, browser, link = asked
    for _ in range(3):
        page = browser.get(link)
        assert page.status_code == 200
    assert browser.head(link).status_code in (200, 405)
    assert heard(site) == []
    assert "Thank you" in press(browser, page, "no").text
    label, entry = heard(site)
    assert (label["transaction_id"], label["label"], label["label_source"]) == ("t1", True, "customer")
    (done,) = [one.act for one in site.server.trail.records(action="customer.answered")]
    assert done.object.startswith("alert-")
    assert done.details["answer"] == "no"
    assert (entry["list_kind"], entry["entity_type"]) == ("block", "card")
    assert "Thank you" in press(browser, page, "no").text
    changed = press(browser, page, "yes")
    assert changed.status_code == 409
    assert "answered already" in changed.text
    assert len(heard(site)) == 2


def test_a_link_that_was_used_asks_nothing_more(asked):
    site, browser, link = asked
    press(browser, browser.get(link), "yes")
    again = browser.get(link)
    assert again.status_code == 410
    assert "answered already" in again.text
    assert "schon geantwortet" in again.text
    assert "<form" not in again.text
    assert len(heard(site)) == 2


def test_the_page_says_all_in_english_and_german(asked, tmp_path):
    site, browser, link = asked
    key = answer_key(site.dashboard.store.meta.token_key)
    page, policy = browser.get(link), (tmp_path / "alerts.toml").read_text()
    (tmp_path / "alerts.toml").write_text("tema = 1\n")
    later = press(browser, page, "yes")
    (tmp_path / "alerts.toml").write_text(policy)
    answered = {
        "Vielen Dank": press(browser, page, "yes"),
        "schon geantwortet": press(browser, page, "no"),
        "nicht gültig": browser.get("/answer/x"),
        "abgelaufen": browser.get(f"/answer/{signed(key, Asked('alert', 't1', 1))}"),
        "nicht mehr": browser.get(f"/answer/{signed(key, Asked('alert', 't1', 10**15))}"),
        "noch einmal": later,
        "zu alt": browser.post("/answer", data={"token": link[8:], "was_it": "yes"}),
    }
    unsaid = dict(GERMAN)
    for word, one in answered.items():
        said = re.search(r'<p role="status">([^<]+) <span lang="de">([^<]+)</span></p>', one.text)
        assert unsaid.pop(said[1]) == said[2]
        assert word in said[2]
    assert not unsaid


def test_an_alert_that_is_being_made_again_is_no_matter_of_the_customer(asked):
    site, browser, link = asked
    page, database = browser.get(link), site.server.outboxes.bus.database
    with database.transaction() as connection:
        kept = connection.execute("SELECT * FROM alert").fetchall()
        connection.execute("DELETE FROM alert")
        connection.execute("UPDATE position SET told = next_offset, next_offset = 0")  # `followers rebuild`
    later = press(browser, page, "yes")
    assert later.status_code == 503
    assert "ringfence" not in later.text.replace("ringfence.css", "")
    assert heard(site) == []
    with database.transaction() as connection:
        connection.executemany("INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept)
    assert "Thank you" in press(browser, page, "yes").text


def test_an_alert_that_was_deleted_after_its_time_asks_nothing_more_and_promises_nothing(asked):
    """Trying again in a minute, as it said, would never have helped."""
    site, browser, link = asked
    page = browser.get(link)
    with site.server.outboxes.bus.database.transaction() as connection:
        connection.execute("DELETE FROM alert")
    for gone in (press(browser, page, "no"), browser.get(link)):
        assert gone.status_code == 410
        assert "Please call us" in gone.text
        assert "rufen Sie uns" in gone.text
        assert "<form" not in gone.text
    assert heard(site) == []


def test_yes_is_a_label_and_allows_for_a_time(asked):
    site, browser, link = asked
    press(browser, browser.get(link), "yes")
    label, entry = heard(site)
    assert label["label"] is False
    assert entry["list_kind"] == "allow"
    assert entry["expires_at_ms"] - entry["event_time_ms"] == 86_400_000


def test_yes_of_a_contact_that_the_payer_gave_is_no_label_and_allows_nothing(asked, tmp_path):
    """Whoever pays with a stolen card gives an address of their own, and says that it was them."""
    site, browser, link = asked
    (tmp_path / "alerts.toml").write_text("no_blocks = true\n")
    page = browser.get(link)
    assert "Thank you" in press(browser, page, "yes").text
    assert heard(site) == []
    assert press(browser, page, "no").status_code == 409
    assert heard(site) == []


def test_no_of_a_contact_that_the_payer_gave_counts(asked, tmp_path):
    site, browser, link = asked
    (tmp_path / "alerts.toml").write_text("no_blocks = true\n")
    press(browser, browser.get(link), "no")
    assert [row["kind"] for row in heard(site)] == [Kind.LABEL, Kind.LIST_ENTRY]


def test_a_faulty_policy_is_no_matter_of_the_customer_and_loses_no_answer(asked, tmp_path):
    site, browser, link = asked
    good = (tmp_path / "alerts.toml").read_text()
    (tmp_path / "alerts.toml").write_text("tema = 1\n")
    page = browser.get(link)
    later = press(browser, page, "yes")
    assert later.status_code == 503
    assert "alerts.toml" not in later.text
    assert "try again" in later.text
    (tmp_path / "alerts.toml").write_text(good)
    assert "Thank you" in press(browser, page, "no").text
    assert heard(site)[0]["label"] is True


def test_a_link_that_is_forged_or_has_expired_is_refused(asked):
    site, browser, link = asked
    key = answer_key(site.dashboard.store.meta.token_key)
    (alert,) = AlertBook(site.server.outboxes.bus.database).alerts()
    late = f"/answer/{signed(key, Asked(alert.id, 't1', 1))}"
    other = f"/answer/{signed(b'other', Asked(alert.id, 't1', 10**15))}"
    for path, said in (
        (late, "expired"),
        (other, "not valid"),
        (link[:-3], "not valid"),
        ("/answer/x", "not valid"),
    ):
        refused = browser.get(path)
        assert refused.status_code == 404
        assert said in refused.text
    page = browser.get(link)
    token = late.removeprefix("/answer/")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    assert browser.post("/answer", data={"csrf": csrf, "token": token, "was_it": "yes"}).status_code == 409
    outdated = browser.post("/answer", data={"token": link[8:], "was_it": "yes"})
    assert outdated.status_code == 403
    assert outdated.headers["content-type"].startswith("text/html")
    assert "open the link in our message again" in outdated.text
    assert "Diese Seite ist zu alt" in outdated.text
    assert heard(site) == []


def test_the_link_opens_nothing_else(asked):
    _, browser, link = asked
    browser.get(link)
    for path in ("/alerts", "/decisions"):
        assert browser.get(path).status_code == 303


def test_the_page_of_the_bus_shows_no_secret_of_a_destination(tmp_path):
    to = "https://example.com/hook?token=s3cret", "apprise:tgram://s3cret/1"
    policy = AlertPolicy(outcomes=OUTCOMES, team=to)
    with serving(tmp_path / "data") as site:
        assert httpx.post(f"{site.url}/v1/decisions", json=payment("t1")).status_code == 200
        store = site.dashboard.store
        follower = OutboxFollower(store.log, store.folder, "log", lambda: 1, policy)
        catch_up(store.log, follower)
        follower.close()
        bus = Bus(store.folder)
        bus.subscribe(Subscription(name="a", pattern=EVERYTHING, to=to[0]))
        bus.close()
        page = httpx.get(f"{site.url}/bus")
    assert page.status_code == 200
    assert page.text.count("https://example.com/hook?…") >= 2
    assert "apprise:tgram://…" in page.text
    assert "s3cret" not in page.text


def test_a_link_that_is_refused_is_on_record_once_however_often_a_scanner_tries(asked):
    site, browser, link = asked
    key = answer_key(site.dashboard.store.meta.token_key)
    assert browser.get(link).status_code == 200
    for number in range(5):
        assert browser.get(f"/answer/forged-{number}?try={number}").status_code == 404
        assert browser.get(f"{link}x?page={number}").status_code == 404
    assert browser.get(f"/answer/{signed(key, Asked('alert-8', 't1', 1))}?a=1").status_code == 404
    press(browser, browser.get(link), "yes")
    for number in range(3):
        assert browser.get(f"{link}?again={number}").status_code == 410
    acts = [one.act for one in site.server.trail.records(action="customer.link_refused")]
    found = {(one.object, one.details["reason"]): one for one in acts}
    (answered,) = [one.act for one in site.server.trail.records(action="customer.answered")]
    assert len(acts) == len(found) == 3
    assert set(found) == {
        ("a link that is not ours", "forged"), ("alert-8", "expired"), (answered.object, "used")
    }  # fmt: skip
    assert {(one.actor, one.outcome) for one in acts} == {("customer", "refused")}
    assert "forged-" not in str(acts)
    assert link[8:] not in str(acts)
