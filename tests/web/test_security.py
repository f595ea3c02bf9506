"""What somebody with bad intentions tries."""

import re
import socket
from html.parser import HTMLParser

import httpx
import pytest
from tests.web.conftest import serving
from tests.web.sample import CARD_NUMBER

from ringfence.access import sessions
from ringfence.access.principal import Role
from ringfence.web import shield

PAGES = (
    "/",
    "/decisions",
    "/decisions/tx-0311",
    "/entities/card/card-7",
    "/streams",
    "/quarantine",
    "/system",
)
DEEDS = ("/sign-out", "/search", "/replay/tx-0311", "/quarantine/replay")


def test_every_answer_forbids_inline_code_frames_and_guessing_of_types(site):
    for path in (*PAGES, "/sign-in", "/static/app.js", "/nothing", "/static/nothing"):
        headers = httpx.get(site.url + path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'",) * 3
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_no_page_has_code_or_style_of_its_own(site):
    for path in PAGES:
        for tag, attributes in Elements(httpx.get(site.url + path).text).found:
            assert tag != "style"
            assert tag != "script" or "src" in attributes
            assert not [name for name in attributes if name.startswith("on") or name == "style"]
            assert not str(attributes.get("href", "")).startswith("javascript")


def test_without_a_session_there_is_only_the_door(locked):
    for path in PAGES:
        answer = httpx.get(locked.url + path)
        assert (answer.status_code, answer.headers["location"][:14]) == (303, "/sign-in?next="), path
        assert httpx.get(locked.url + path, headers={"hx-request": "true"}).status_code == 401
    stream = httpx.get(f"{locked.url}/live/stream", headers={"accept": "text/event-stream"})
    assert stream.status_code == 401
    for path in ("/decisions?card=4052815710733023", "/decisions?4052815710733023=x"):
        assert httpx.get(locked.url + path).headers["location"] == "/sign-in?next=%2Fdecisions"


def test_a_wrong_key_or_one_that_may_not_look_stays_outside(locked, visitor):
    client = visitor(locked)
    client.get("/sign-in")
    csrf = client.get("/session").json()["csrf"]
    for key, status in (
        ("rf_0_nonsense", 401),
        ("", 401),
        (locked.key(Role.DECIDE), 403),
        ("\0é" * 900, 401),
        ("\0é" * 9000, 413),
    ):
        answer = client.post("/sign-in", data={"key": key, "csrf": csrf})
        assert answer.status_code == status
        assert not key or key not in answer.text
    assert client.get("/decisions").status_code == 303


def test_the_session_is_new_at_the_sign_in_and_a_planted_one_is_not_taken(locked, visitor):
    client = visitor(locked, cookies={sessions.COOKIE: "planted"})
    first = client.get("/sign-in").cookies[sessions.COOKIE]
    assert first != "planted"
    client.cookies.clear()
    client.cookies.set(sessions.COOKIE, first)
    csrf = client.get("/session").json()["csrf"]
    answer = client.post("/sign-in", data={"key": locked.key(Role.ANALYST), "csrf": csrf})
    given = answer.headers["set-cookie"]
    assert all(word in given for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
    second = answer.cookies[sessions.COOKIE]
    assert second != first
    of_the_thief = httpx.get(f"{locked.url}/decisions", cookies={sessions.COOKIE: first})
    of_the_owner = httpx.get(f"{locked.url}/decisions", cookies={sessions.COOKIE: second})
    assert (of_the_thief.status_code, of_the_owner.status_code) == (303, 200)


def test_a_session_ends_with_the_sign_out_and_with_the_key(locked, visitor):
    one, other = visitor(locked, Role.ANALYST), visitor(locked, Role.ANALYST)
    stolen = dict(one.cookies)
    assert one.post("/sign-out").status_code == 303
    assert httpx.get(f"{locked.url}/decisions", cookies=stolen).status_code == 303
    assert other.get("/decisions").status_code == 200
    for key in locked.keys.all():
        locked.keys.revoke(key.id, 1)
    assert other.get("/decisions").status_code == 303


@pytest.mark.parametrize("deed", DEEDS)
def test_nothing_is_done_for_a_form_of_another_site(locked, deed, visitor):
    admin = visitor(locked, Role.ADMIN)
    token = admin.headers.pop("x-csrf-token")
    for more in (
        {},
        {"headers": {"x-csrf-token": "guessed"}},
        {"data": {"csrf": "guessed"}},
        {"headers": {"x-csrf-token": token, "sec-fetch-site": "cross-site"}},
        {"content": f'{{"csrf":"{token}"}}', "headers": {"content-type": "text/plain"}},
    ):
        answer = admin.post(deed, **more)
        assert answer.status_code == 403, more
        assert "nothing was changed" in answer.text
    assert admin.get("/decisions").status_code == 200  # still signed in


def test_an_open_server_takes_no_form_of_another_site_and_no_other_name(site):
    assert httpx.post(f"{site.url}/quarantine/replay").status_code == 403
    rebound = httpx.get(f"{site.url}/decisions", headers={"host": "evil.example"})
    assert (rebound.status_code, "tx-" in rebound.text) == (421, False)
    assert httpx.get(f"{site.url}/decisions", headers={"host": "localhost:1"}).status_code == 200


@pytest.mark.parametrize(
    "away", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "javascript:x"]
)
def test_the_sign_in_leads_to_this_site_only(locked, away, visitor):
    client = visitor(locked)
    assert "evil" not in client.get("/sign-in", params={"next": away}).text
    csrf = client.get("/session").json()["csrf"]
    key = locked.key(Role.ANALYST)
    answer = client.post("/sign-in", data={"key": key, "csrf": csrf, "next": away})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert client.get("/sign-in", params={"next": away}).headers["location"] == "/"


def test_an_analyst_looks_and_an_admin_changes(locked, visitor):
    analyst, admin = visitor(locked, Role.ANALYST), visitor(locked, Role.ADMIN)
    page = analyst.get("/quarantine").text
    assert "unparsable_time" in page
    assert "Retry" not in page
    refused = analyst.post("/quarantine/replay", data={"reason": "malformed"})
    assert (refused.status_code, "role admin" in refused.text) == (403, True)
    assert admin.post("/quarantine/replay", data={"reason": "nothing"}).status_code == 200


def test_a_card_number_is_found_and_appears_nowhere(site, visitor):
    client = visitor(site)
    client.get("/")
    csrf = client.get("/session").json()["csrf"]
    for typed in (CARD_NUMBER, "4111 1111 1111 1111"):
        answer = client.post("/search", data={"q": typed, "csrf": csrf})
        assert CARD_NUMBER not in answer.headers["location"]
        assert "tx-0500" in client.get(answer.headers["location"]).text
    for path in (f"/decisions?entity=card&entity_id={CARD_NUMBER}", f"/entities/card/{CARD_NUMBER}"):
        assert CARD_NUMBER not in client.get(path).text


@pytest.mark.parametrize(
    "path",
    [
        "/decisions?since=yesterday&min_score=9e99&min_amount=nan&before=x&outcome=maybe",
        "/decisions?entity=planet&entity_id=x",
        "/decisions?rule=%00%ff",
        "/entities/planet/x",
        "/entities/card/%00",
        "/decisions/" + "x" * 5000,
        "/streams/nothing",
        "/streams/events?offset=-1",
        "/streams/events?offset=9e9&key=%00",
        "/quarantine/zz",
        "/quarantine?reason=%27%22",
        "/replays/none",
        "/labels/none",
        "/static/../dashboard.py",
        "/static/%2e%2e/dashboard.py",
        "/static/.hidden",
        "/live/stream?min_score=999999",
    ],
)
def test_nonsense_gets_a_clear_answer(site, path):
    answer = httpx.get(site.url + path, timeout=60)
    assert answer.status_code in (200, 404, 422)
    assert "Traceback" not in answer.text
    assert "import annotations" not in answer.text


def test_a_body_that_is_too_large_is_not_read(site):
    with httpx.Client(base_url=site.url) as client:
        client.get("/")
        csrf = client.get("/session").json()["csrf"]
        body = b"q=" + b"x" * (shield.BODY_LIMIT + 1)
        assert client.post("/search", content=body, headers={"x-csrf-token": csrf}).status_code == 413


def test_a_form_is_not_read_before_its_session_is_known(locked):
    """A body that never ends is answered at its head, or after what a sign-in may have."""
    host, port = locked.url.removeprefix("http://").split(":")
    cookie = f"cookie: {sessions.COOKIE}={httpx.get(f'{locked.url}/sign-in').cookies[sessions.COOKIE]}"
    for headers, sent, status in (
        ((), 0, 403),
        (("cookie: x=y",), 0, 403),
        ((cookie, "x-csrf-token: guessed"), 0, 403),
        ((cookie, "sec-fetch-site: cross-site"), 0, 403),
        ((cookie,), 40_000, 413),
    ):
        head = ("POST /sign-in HTTP/1.1", "host: localhost", "content-length: 4000000", *headers, "", "")
        with socket.create_connection((host, int(port)), timeout=20) as peer:
            peer.sendall("\r\n".join(head).encode() + b"x" * sent)
            assert int(peer.recv(100).split()[1]) == status, headers


@pytest.mark.parametrize(
    ("trusted", "secure"), [(["127.0.0.0/8"], True), (["10.0.0.0/8"], False), ([], False)]
)
def test_a_cookie_is_secure_where_a_trusted_proxy_says_that_its_caller_is(tmp_path, trusted, secure):
    with serving(tmp_path / "data", with_keys=True, trusted_proxies=trusted) as served:
        for told in ({"forwarded": "for=192.0.2.1;proto=https"}, {"x-forwarded-proto": "https"}):
            given = httpx.get(f"{served.url}/sign-in", headers=told).headers["set-cookie"]
            assert ("; Secure" in given) == secure
        plain = httpx.get(f"{served.url}/sign-in", headers={"x-forwarded-proto": "https, http"})
        assert "Secure" not in plain.headers["set-cookie"]


def test_forms_of_the_first_page_are_taken_also_where_that_page_sets_another_cookie(site):
    """The demo's first link is of a view, which is remembered in a cookie of its own."""
    with httpx.Client(base_url=site.url, timeout=60) as client:
        page = client.get("/home?as=analyst&tour=1").text
        assert set(client.cookies) == {"ringfence_home", sessions.COOKIE}
        csrf = re.search('data-csrf="([^"]*)"', page)[1]
        assert client.post("/find", data={"q": "card_t"}, headers={"x-csrf-token": csrf}).status_code == 200
