"""The live rule book over HTTP: who may do what, what takes effect when, and what is refused how."""

from __future__ import annotations

from contextlib import closing

import pytest

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.scoring.rulesets.books import load_book

from .conftest import Api, payment

TEXT = """
name: own
rules:
  - {{id: big, title: Big, when: amount > {}, outcome: review, points: 20, reason: BIG, analyst: Big.}}
"""


def text(limit=100):
    return TEXT.format(limit)


def digest(limit=100):
    return load_book(text(limit)).digest


@pytest.fixture
def api(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(text())
    return Api(tmp_path / "data", load_definitions(None, path))


@pytest.fixture
def keys(api):
    """Headers of callers by name; the API then asks who calls."""
    api.folder.mkdir(parents=True)
    made = ApiKeys(api.folder)
    roles = {"till": Role.DECIDE, "mira": Role.ANALYST, "noor": Role.ADMIN, "ole": Role.ADMIN}
    found = {name: made.create(name, frozenset({role}), 1) for name, role in roles.items()}
    made.close()
    return {name: {"authorization": f"Bearer {key}"} for name, key in found.items()}


def save(limit, based_on="head", **more):
    return {"text": text(limit), "based_on": based_on, "note": f"limit {limit}"} | more


async def post(client, path, body=None, **more):
    return await client.post(path, json={} if body is None else body, **more)


def test_the_book_says_what_is_in_force_and_where_it_came_from(api):
    found = api(lambda client: client.get("/v1/rules")).json()
    assert found["active"] == found["head"] == digest()
    assert found["rules"]["rules"][0]["when"] == "amount > 100"
    assert load_book(found["text"]).digest == digest()
    (change,), (activation,) = found["changes"], found["activations"]
    assert (change["author"], change["origin"], change["approved"]) == ("file", "file", True)
    assert (activation["digest"], activation["author"]) == (digest(), None)


def test_a_saved_version_decides_once_it_is_put_in_force_and_can_be_rolled_back(api):
    async def talk(client):
        saved = await post(client, "/v1/rules/versions", save(10))
        before = await client.post("/v1/decisions", json=payment("a"))
        activated = await post(client, f"/v1/rules/versions/{digest(10)}/activate", {"note": "now"})
        after = await client.post("/v1/decisions", json=payment("b"))
        back = await post(client, "/v1/rules/rollback", {"note": "too many"})
        again = await client.post("/v1/decisions", json=payment("c"))
        return [one.json() for one in (saved, before, activated, after, back, again)]

    saved, before, activated, after, back, again = api(talk)
    assert (saved["change"]["based_on"], saved["change"]["author"], saved["activation"]) == (
        digest(),
        "local",
        None,
    )
    assert [one["outcome"] for one in (before, after, again)] == ["approve", "review", "approve"]
    assert [one["versions"]["rules"] for one in (before, after, again)] == [digest(), digest(10), digest()]
    offsets = [before["offset"], activated["offset"], after["offset"], back["offset"], again["offset"]]
    assert offsets == [0, 1, 2, 3, 4]
    assert (activated["note"], back["digest"]) == ("now", digest())


def test_an_edit_on_a_stale_version_gets_409_with_what_changed(api):
    async def talk(client):
        await post(client, "/v1/rules/versions", save(10, digest()))
        stale = await post(client, "/v1/rules/versions", save(20, digest()))
        fresh = await post(client, "/v1/rules/versions", save(20, digest(10)))
        return stale, fresh

    stale, fresh = api(talk)
    assert stale.status_code == 409
    assert stale.headers["content-type"] == "application/problem+json"
    problem = stale.json()
    assert (problem["code"], problem["fields"]) == ("stale_version", ["big"])
    assert problem["difference"]["rules"][0]["fields"] == [
        {"field": "when", "before": "amount > 100", "after": "amount > 10"}
    ]
    assert "+  when: amount > 10" in problem["difference"]["text"]
    assert fresh.status_code == 201


def test_a_version_shows_what_it_changed(api):
    async def talk(client):
        await post(client, "/v1/rules/versions", save(10))
        await post(client, "/v1/rules/versions", save(20))
        own = await client.get(f"/v1/rules/versions/{digest(20)[:6]}")
        other = await client.get(f"/v1/rules/versions/head?against={digest()}")
        listed = await client.get("/v1/rules/versions")
        missing = await client.get("/v1/rules/versions/dead0000")
        return own.json(), other.json(), listed.json(), missing

    own, other, listed, missing = api(talk)
    assert (own["difference"]["before"], other["difference"]["before"]) == (digest(10), digest())
    assert own["in_force"] is False
    assert [change["digest"] for change in listed] == [digest(20), digest(10), digest()]
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_a_second_person_approves_where_that_is_required(api, keys):
    async def talk(client):
        async def said(name, path, body=None):
            answer = await post(client, path, body, headers=keys[name])
            return answer.status_code, answer.json()

        version = f"/v1/rules/versions/{digest(10)}"
        return [
            await said("till", "/v1/rules/versions", save(10)),
            await said("mira", "/v1/rules/versions", save(10, activate=True)),
            await said("mira", f"{version}/activate"),
            await said("mira", f"{version}/approve"),
            await said("noor", f"{version}/activate"),
            await said("noor", f"{version}/approve", {"note": "fine"}),
            await said("mira", f"{version}/activate"),
            await said("noor", f"{version}/activate"),
            await said("mira", "/v1/rules/rollback"),
            await said("ole", "/v1/rules/versions", save(30)),
            await said("ole", f"/v1/rules/versions/{digest(30)}/approve"),
            await said("ole", f"/v1/rules/versions/{digest(30)}/reject"),
        ]

    with closing(ApiKeys(api.folder)) as kept:
        answers = api(talk, authoriser=Authoriser(kept, None), require_approval=True)
    assert [status for status, _ in answers] == [403, 201, 403, 403, 403, 200, 403, 200, 403, 201, 403, 200]
    assert answers[1][1]["change"]["author"].startswith("key:")
    assert answers[1][1]["activation"] is None, "it is kept, and waits"
    assert answers[2][1]["code"] == "needs_approval"
    assert (answers[5][1]["approved"], answers[5][1]["review_note"]) == (True, "fine")


def test_a_check_tells_every_fault_with_its_place(api):
    wrong = (
        "rules:\n"
        "  - {id: a, title: A, when: card.count_1hh > 3, points: 5, reason: A, analyst: A.}\n"
        "  - {id: b, title: B, when: amount > 3, points: 5, reason: B, analyst: B.}\n"
        "  - {id: c, title: C, when: amount > 'x', points: 5, reason: C, analyst: C.}\n"
    )

    async def talk(client):
        answers = [
            await post(client, "/v1/rules/check", {"text": one}) for one in (wrong, "rules: [", text())
        ]
        return [answer.json() for answer in answers]

    faulty, broken, fine = api(talk)
    assert [(fault["rule"], fault["line"], fault["column"]) for fault in faulty["faults"]] == [
        ("a", 2, 1),
        ("c", 4, 10),
    ]
    assert "did you mean card.count_1h" in faulty["faults"][0]["problem"]
    assert broken["faults"][0]["line"] == 1
    assert (fine["digest"], fine["faults"], fine["modes"]["active"]) == (digest(), [], 1)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"text": "rules: [", "based_on": "head"}, 422, "invalid_rules"),
        ({"text": text(10), "based_on": "dead0000"}, 404, "not_found"),
        ({"text": text(), "based_on": "head"}, 409, "nothing_to_do"),
        ({"text": text(10)}, 422, "invalid_request"),
        ({"text": text(10), "based_on": "head", "by": "me"}, 422, "invalid_request"),
        ({"text": text(10), "based_on": "head", "note": "x" * 1001}, 422, "invalid_request"),
        ({"text": text("1 + " * 300_000 + "1"), "based_on": "head"}, 413, "too_large"),
        ({"text": text("1 + " * 50_000 + "1"), "based_on": "head"}, 422, "invalid_rules"),
        (
            {"text": "rules: [{id: a, title: A, when: lat > 1, points: 1, reason: A, analyst: A}" * 2},
            422,
            None,
        ),
    ],
)
def test_bad_edits_are_refused_and_the_active_book_keeps_running(api, body, status, code):
    async def talk(client):
        refused = await post(client, "/v1/rules/versions", body)
        after = await client.post("/v1/decisions", json=payment("a"))
        return refused, after.json()

    refused, after = api(talk)
    assert refused.status_code == status
    assert code is None or refused.json()["code"] == code
    assert after["versions"]["rules"] == digest()


def test_a_rules_mode_is_a_change_like_any_other(api):
    async def talk(client):
        shadow = await post(
            client, "/v1/rules/modes/big", {"mode": "shadow", "based_on": "head", "activate": True}
        )
        decided = await client.post("/v1/decisions", json=payment("a", amount="500"))
        report = await client.get("/v1/rules/shadow")
        unknown = await post(client, "/v1/rules/modes/other", {"mode": "shadow", "based_on": "head"})
        return shadow.json(), decided.json(), report.json(), unknown

    shadow, decided, report, unknown = api(talk)
    assert shadow["activation"]["offset"] == 0
    assert (decided["outcome"], decided["shadow_rules"]) == ("approve", ["big"])
    assert (report["payments"], report["matrix"]["approve"]["review"]) == (1, 1)
    assert (report["rules"][0]["rule"], report["rules"][0]["changed"]) == ("big", 1)
    assert unknown.status_code == 422


def test_a_card_number_in_a_rule_or_a_note_is_kept_as_its_token(api):
    number = "4111111111111111"
    body = {
        "text": text().replace("amount > 100", f"card_id = '{number}'"),
        "based_on": "head",
        "note": f"this card: {number}",
        "activate": True,
    }

    async def talk(client):
        saved = await post(client, "/v1/rules/versions", body)
        decided = await client.post("/v1/decisions", json=payment("a"))
        book = await client.get("/v1/rules")
        return saved, decided.json(), book

    saved, decided, book = api(talk)
    assert number not in saved.text + book.text
    assert "tok_" in saved.json()["change"]["note"]
    assert decided["outcome"] == "review", "the rule speaks of the token, as payments do"
