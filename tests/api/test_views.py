"""Saved views: everybody's own, shared where a role may, bounded, and on record."""

from contextlib import closing
from urllib.parse import parse_qs, urlencode

import httpx
import msgspec
import pytest
from tests.web.conftest import serving

from ringfence.access import views as kept
from ringfence.access.principal import Role
from ringfence.adapters.access import views as stored
from ringfence.adapters.sqlite import Store
from ringfence.compose.folder.privacy import begin_vault

CARD = "4111111111111111"
ENCODED = "".join(f"%3{digit}" for digit in CARD)
VIEW = {
    "name": "declined",
    "path": "/decisions",
    "query": "?outcome=decline",
    "layout": {"sort": ["Amount", False]},
}


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("views") / "data", with_keys=True) as site:
        yield site


@pytest.fixture
def people(office):
    """Clients by role, each a person who has saved nothing."""
    roles = (Role.VIEWER, Role.ANALYST, Role.SUPERVISOR)
    clients = {
        role: httpx.Client(base_url=office.url, headers={"authorization": f"Bearer {office.key(role)}"})
        for role in roles
    }
    yield clients
    for client in clients.values():
        client.close()


def names(client, path="/decisions"):
    return [
        one["name"]
        for one in client.get("/v1/views", params={"path": path}).raise_for_status().json()["views"]
    ]


def test_a_view_is_its_owners_until_it_is_shared(office, people):
    viewer, analyst, supervisor = people.values()
    first = analyst.post("/v1/views", json=VIEW).json()
    again = analyst.post("/v1/views", json=VIEW | {"query": "outcome=review"}).json()
    assert (first["id"], again["query"]) == (again["id"], "?outcome=review")
    assert (names(analyst), names(viewer), names(analyst, "/cases")) == (["declined"], [], [])
    assert viewer.post(f"/v1/views/{first['id']}/remove").status_code == 404
    assert supervisor.post(f"/v1/views/{first['id']}/remove").status_code == 404
    refused = viewer.post("/v1/views", json=VIEW | {"shared": True})
    assert (refused.status_code, "analyst" in refused.json()["detail"]) == (422, True)
    assert analyst.post("/v1/views", json=VIEW | {"shared": True}).status_code == 200
    assert names(viewer) == ["declined"]
    assert viewer.post(f"/v1/views/{first['id']}/remove").status_code == 404
    assert supervisor.post(f"/v1/views/{first['id']}/remove").json()["id"] == first["id"]
    assert names(analyst) == []
    acts = [one.act for one in office.server.trail.records(action="view")]
    assert [one.outcome for one in acts if one.action == "view.removed"].count("done") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 81},
        {"path": "//elsewhere.example/<script>"},
        {"path": "//elsewhere.example/decisions"},
        {"path": "javascript:alert(1)"},
        {"path": "/" + "a" * 1000},
        {"query": "?outcome=decline #2"},
        {"query": "?" + "a" * 16_000},
        {"layout": {"hidden": ["x"] * 101}},
        {"layout": {"widths": {"Amount": -1}}},
        {"colour": "red"},
        {"path": "/decisions\n"},
        {"query": "?outcome=decline\n"},
        {"name": "declined\0"},
        {"name": "\u202edenilced"},
    ],
)
def test_a_view_that_is_none_is_refused(people, change):
    assert people[Role.ANALYST].post("/v1/views", json=VIEW | change).status_code == 422


@pytest.mark.parametrize(
    "address",
    [
        {"path": f"/entities/card/{CARD}"},
        {"path": f"/entities/card/{ENCODED}"},
        {"path": f"/entities/card/{ENCODED.replace('%', '%25')}"},
        {"query": f"?q={CARD}"},
        {"query": f"?q={ENCODED}"},
        {"query": "?q=4111+1111+1111+1111"},
    ],
)
def test_an_address_that_names_a_card_is_no_view(people, address):
    refused = people[Role.ANALYST].post("/v1/views", json=VIEW | address)
    assert (refused.status_code, "token" in refused.json()["detail"]) == (422, True)
    assert CARD not in refused.text


def test_a_card_number_in_the_texts_of_a_view_is_not_kept(people):
    layout = {"hidden": [CARD], "sort": [f"of {CARD}", True], "widths": {CARD: 80, "Amount": 90}}
    view = VIEW | {"name": f"of {CARD}", "layout": layout}
    saved = people[Role.ANALYST].post("/v1/views", json=view).json()
    masked = "****1111"
    assert saved["name"] == f"of {masked}"
    assert saved["layout"] == {
        "hidden": [masked],
        "dense": False,
        "sort": [f"of {masked}", True],
        "widths": {masked: 80, "Amount": 90},
    }
    assert people[Role.ANALYST].get("/v1/views", params={"path": "/decisions"}).json()["views"] == [saved]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/entities/email/bob%2Bshop%40mail.example",
        "/entities/email/bob+shop@mail.example",
        "/entities/ip/2001:db8::1",
        "/entities/merchant/Joe's(1)!*",
        "/entities/merchant/caf%C3%A9~a=b,c",
        "/entities/email/" + "a%40" * 240,
    ],
)
def test_the_page_of_any_entity_has_views(people, path):
    analyst = people[Role.ANALYST]
    saved = analyst.post("/v1/views", json=VIEW | {"path": path}).raise_for_status().json()
    assert (saved["path"], names(analyst, path)) == (path, ["declined"])


MAIL, CUSTOMER = "ada@mail.example", "ada-17"


@pytest.fixture
def private(tmp_path, monkeypatch):
    """A server that keeps tokens for personal data, and where its files are."""
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "vault")
    monkeypatch.setenv("RINGFENCE_VAULT_KEY", str(tmp_path / "keys.json"))
    with Store.open(tmp_path / "data") as store:
        begin_vault(store)
    with serving(tmp_path / "data") as site:
        yield site


def test_a_view_names_nobody_where_personal_data_becomes_tokens(private, tmp_path):
    tokens = private.server.session.tokenizer
    layout = {"hidden": [f"of {MAIL}"], "sort": [MAIL, True], "widths": {MAIL: 80}}
    query = f"?outcome=decline&entity=customer&entity_id={CUSTOMER}&q=ada%40mail.example&reason="
    view = VIEW | {"name": f"of {MAIL}", "layout": layout, "query": query, "shared": True}
    saved = httpx.post(f"{private.url}/v1/views", json=view, timeout=60).raise_for_status().json()
    mail, customer = tokens.as_kept("email", MAIL), tokens.as_kept("customer_id", CUSTOMER)
    assert saved["name"] == f"of {mail}"
    assert saved["query"] == f"?outcome=decline&entity=customer&entity_id={customer}&q={mail}&reason="
    assert saved["layout"]["widths"] == {mail: 80}
    for path in (
        "/entities/email/ada%40mail.example",
        f"/entities/customer/{CUSTOMER}",
        "/lists/ada@mail.example",
    ):
        refused = httpx.post(f"{private.url}/v1/views", json=VIEW | {"path": path}, timeout=60)
        assert (refused.status_code, "names a person" in refused.json()["detail"]) == (422, True), path
    statement = f"SELECT * FROM decisions WHERE customer_id = '{CUSTOMER}'"
    asked = {"name": "hers", "path": "/sql", "query": urlencode({"statement": statement}), "shared": True}
    kept_one = httpx.post(f"{private.url}/v1/views", json=asked, timeout=60).json()["query"]
    assert parse_qs(kept_one[1:]) == {"statement": [statement.replace(CUSTOMER, customer)]}
    for query in (f"?q={CUSTOMER}", f"?entity_id={CUSTOMER}"):
        refused = httpx.post(f"{private.url}/v1/views", json=VIEW | {"query": query}, timeout=60)
        assert (refused.status_code, CUSTOMER in refused.text) == (422, False), query
    by_token = VIEW | {"path": f"/entities/customer/{customer}"}
    assert httpx.post(f"{private.url}/v1/views", json=by_token, timeout=60).json()["path"] == by_token["path"]
    for file in (tmp_path / "data").glob("views.db*"):
        assert not [word for word in (b"mail.example", CUSTOMER.encode()) if word in file.read_bytes()]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM (VALUES ('C-1042')) AS t(who)",
        "WITH x AS (SELECT customer_id AS who FROM transactions) SELECT * FROM x WHERE who = 'C-1042'",
        "SELECT count(*) FROM x WHERE who IN (SELECT 'C-1042')",
    ],
)
def test_an_id_beside_no_column_is_kept_for_oneself_and_not_shared(private, statement):
    view = {"name": "theirs", "path": "/sql", "query": urlencode({"statement": statement})}
    refused = httpx.post(f"{private.url}/v1/views", json=view | {"shared": True}, timeout=60)
    assert refused.status_code == 422
    assert "'C-1042', which may name a person" in refused.json()["detail"]
    assert "save the query for yourself" in refused.json()["detail"]
    assert httpx.post(f"{private.url}/v1/views", json=view, timeout=60).status_code == 200


def test_values_that_name_nobody_are_shared_where_personal_data_becomes_tokens(private):
    statement = (
        "SELECT date_trunc('day', event_time) AS day, 'last 30 days' AS what, customer_id FROM decisions "
        "WHERE customer_id = 'C-1042' AND merchant_id IN ('m-17', 'm-18') AND event_time >= '2026-12-01' "
        "AND event_time < TIMESTAMP '2026-12-02T10:00:00' + INTERVAL '90 days' AND outcome = 'review'"
    )
    view = {"name": "ours", "path": "/sql", "query": urlencode({"statement": statement}), "shared": True}
    saved = httpx.post(f"{private.url}/v1/views", json=view, timeout=60).raise_for_status().json()
    (kept_one,) = parse_qs(saved["query"][1:])["statement"]
    assert "C-1042" not in kept_one
    assert "'m-18'" in kept_one


def test_numbers_that_are_no_card_stay_in_a_saved_query(people):
    statement = "SELECT count(*) FROM decisions WHERE transaction_id = 'order-1000000000000008'"
    query = urlencode({"statement": statement})
    saved = people[Role.ANALYST].post("/v1/views", json=VIEW | {"path": "/sql", "query": query}).json()
    assert saved["query"] == f"?{query}"
    refused = people[Role.ANALYST].post(
        "/v1/views", json=VIEW | {"path": "/sql", "query": f"statement={CARD}"}
    )
    assert (refused.status_code, "token" in refused.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("SELECT * FROM (VALUES ('ada@mail.example')) AS t(who)", "an e-mail address"),
        ("SELECT 1 -- asked by +49 170 1234567", "a phone number"),
        ("WITH x AS (SELECT 'GB82 WEST 1234 5698 7654 32' AS who) SELECT * FROM x", "an IBAN"),
        ("SELECT 1 /* gb82-west-1234-5698-7654-32 is new */", "an IBAN"),
        ("SELECT 'GB82WEST12345698765432 asked'", "an IBAN"),
        ('SELECT 1 AS "0049-170-1234567"', "a phone number"),
    ],
)
def test_a_query_that_names_a_person_by_a_known_form_is_kept_for_oneself_and_not_shared(
    people, statement, named
):
    view = {"name": "theirs", "path": "/sql", "query": urlencode({"statement": statement})}
    refused = people[Role.ANALYST].post("/v1/views", json=view | {"shared": True})
    assert refused.status_code == 422
    assert named in refused.json()["detail"]
    assert "save the query for yourself" in refused.json()["detail"]
    assert people[Role.ANALYST].post("/v1/views", json=view).status_code == 200


def test_numbers_that_name_nobody_stay_in_a_shared_query(people):
    statement = (
        "SELECT 1 -- 2026-12-02T10:00:00+02:00, 0.0012, C-1234567890\n"
        "WHERE amount_minor + 49170123456 > 1 AND x = 'DE89370400440532013001' AND y = '@home'"
    )
    view = {"name": "ours", "path": "/sql", "query": urlencode({"statement": statement}), "shared": True}
    saved = people[Role.ANALYST].post("/v1/views", json=view).raise_for_status().json()
    people[Role.ANALYST].post(f"/v1/views/{saved['id']}/remove")


def test_a_shared_view_names_the_person_who_saved_it(people):
    saved = people[Role.ANALYST].post("/v1/views", json=VIEW | {"shared": True}).json()
    (seen,) = people[Role.VIEWER].get("/v1/views", params={"path": "/decisions"}).json()["views"]
    assert (seen["by"], seen["by_name"]) == (saved["by"], saved["by_name"])
    assert not seen["by_name"].startswith("key:")
    people[Role.ANALYST].post(f"/v1/views/{saved['id']}/remove")


def test_a_shared_query_is_shown_to_those_who_may_run_it(people):
    query = VIEW | {"path": "/sql", "query": "?statement=SELECT%201", "shared": True}
    saved = people[Role.ANALYST].post("/v1/views", json=query).json()
    assert [names(people[role], "/sql") for role in (Role.VIEWER, Role.SUPERVISOR)] == [[], ["declined"]]
    people[Role.ANALYST].post(f"/v1/views/{saved['id']}/remove")


@pytest.mark.parametrize("path", ["/sql/", "/sql;x", "/%73ql", "/cases/C-1/", "/no-page"])
def test_a_shared_view_of_no_page_is_shown_to_its_owner_only(people, path):
    saved = people[Role.ANALYST].post("/v1/views", json=VIEW | {"path": path, "shared": True}).json()
    assert [names(people[role], path) for role in (Role.VIEWER, Role.ANALYST)] == [[], ["declined"]]
    people[Role.ANALYST].post(f"/v1/views/{saved['id']}/remove")


def test_views_are_bounded_and_say_which_to_remove(people, monkeypatch):
    monkeypatch.setattr(stored, "MOST_OWN", 2)
    analyst = people[Role.ANALYST]
    said = [analyst.post("/v1/views", json=VIEW | {"name": name}).status_code for name in "abca"]
    assert said == [200, 200, 422, 200]
    assert kept.MOST_OWN == 200


def test_an_id_names_one_view_for_ever(people):
    analyst, supervisor = people[Role.ANALYST], people[Role.SUPERVISOR]
    gone = analyst.post("/v1/views", json=VIEW).json()["id"]
    assert analyst.post(f"/v1/views/{gone}/remove").json()["id"] == gone
    later = analyst.post("/v1/views", json=VIEW | {"shared": True}).json()["id"]
    assert later != gone
    assert supervisor.post(f"/v1/views/{gone}/remove").status_code == 404
    assert names(analyst) == ["declined"]


def test_a_view_that_is_no_longer_shared_is_removed_by_its_owner_only(tmp_path):
    with closing(stored.SqliteViews(tmp_path)) as views:
        assert views.remove("V-1", "one", with_shared=True) is None
        view = kept.NewView(name="declined", path="/decisions", shared=True)
        saved = views.save(view, "one", 0)
        assert views.remove(saved.id, "two", with_shared=False) is None
        assert views.save(msgspec.structs.replace(view, shared=False), "one", 1).id == saved.id
        assert views.remove(saved.id, "two", with_shared=True) is None
        assert views.remove(saved.id, "one", with_shared=False).id == saved.id
        assert views.of("one", "/decisions", with_shared=True) == []
