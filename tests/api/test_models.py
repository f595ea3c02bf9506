"""Models over HTTP: swapped under load without losing a request."""

import asyncio
import re
from contextlib import closing

import pytest
from tests import artifacts

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.adapters.artifacts import read_folder
from ringfence.compose.deciding.models import model_registry
from ringfence.scoring.artifacts.manifest import FOREST, Appraisal, Bands

from .conftest import payment

HALF = Bands(review_at=0.5)


@pytest.fixture
def kept(tmp_path):
    """kept(seed): a small model in the data folder's registry; its version."""

    def one(seed, bands=HALF, **more):
        folder = tmp_path / f"model-{seed}"
        arrays = artifacts.grow(3, seed, spread=20.0)
        version = artifacts.make(folder, arrays=arrays, name=f"m{seed}", bands=bands, **more)
        model_registry(tmp_path / "data").add(read_folder(folder))
        return version

    return one


def promotion(version, **more):
    return f"/v1/models/{version}/promotion", {"json": more}


def test_a_model_is_put_in_force_and_decides_the_next_payment(api, kept):
    version = kept(1)

    async def talk(client):
        before = await client.post("/v1/decisions", json=payment("a"))
        path, body = promotion(version, note="first")
        states = await client.post(path, **body)
        after = await client.post("/v1/decisions", json=payment("b"))
        return before.json(), states, after.json(), (await client.get("/readyz")).json()

    before, states, after, ready = api(talk)
    assert before["probability"] is None
    assert states.status_code == 200
    assert [one["role"] for one in states.json()["models"]] == ["champion"]
    assert 0 < after["probability"] < 1
    assert after["versions"]["models"] == states.json()["deployment"] == ready["versions"]["models"]


def test_models_are_swapped_under_load_and_no_request_is_lost(api, kept):
    versions = [kept(1), kept(2)]

    async def talk(client):
        async def pay(number):
            return await client.post("/v1/decisions", json=payment(f"p{number}"))

        answers = []
        for swap in range(6):
            sheet = (await client.get(f"/v1/models/{versions[swap % 2]}/impact")).json()
            path, body = promotion(versions[swap % 2], confirm=sheet["confirm"])
            paying = [asyncio.create_task(pay(100 * swap + each)) for each in range(40)]
            changed = await client.post(path, **body)
            assert changed.status_code == 200, changed.text
            answers += await asyncio.gather(*paying)
        return [(one.status_code, one.json()) for one in answers]

    answers = api(talk, deadline_ms=30_000)
    assert {status for status, _ in answers} == {200}
    assert {len(one["degraded"]) for _, one in answers} == {0}
    assert len({one["versions"].get("models") for _, one in answers}) >= 2


def test_roles_are_shown_and_a_retired_model_does_not_come_back(api, kept):
    first, second = kept(1), kept(2)

    async def talk(client):
        for version, more in ((first, {}), (second, {"role": "rollout", "share": 0.3, "by": "card"})):
            path, body = promotion(version, **more)
            assert (await client.post(path, **body)).status_code == 200
        listed = (await client.get("/v1/models")).json()
        retired = await client.post(f"/v1/models/{second}/retirement", json={"note": "no better"})
        path, body = promotion(second)
        return listed, retired, await client.post(path, **body)

    listed, retired, again = api(talk)
    roles = {one["name"]: one["role"] for one in listed["models"]}
    assert roles == {"m1": "champion", "m2": "rollout, 30 % by card"}
    assert {one["name"]: one["retired"] for one in retired.json()["models"]} == {"m1": False, "m2": True}
    assert (again.status_code, "is retired" in again.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"role": "rollout"}, 422),
        ({"role": "champion", "share": 0.5}, 422),
        ({"role": "rollout", "share": 5}, 409),
        ({"role": "rollout", "share": 0.5}, 409),  # no champion for the others
        ({"role": "emperor"}, 422),
        ({"rank": 1}, 422),
        ([], 422),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(api, kept, body, status):
    version = kept(1)

    async def talk(client):
        answer = await client.post(f"/v1/models/{version}/promotion", json=body)
        return answer, (await client.get("/v1/models")).json()

    answer, states = api(talk)
    assert answer.status_code == status
    assert states["deployment"] == ""


def test_a_model_that_is_not_kept_or_was_changed_is_not_put_in_force(api, kept, tmp_path):
    version = kept(1)
    (tmp_path / "data" / "models" / version / FOREST).write_bytes(b"other")

    async def talk(client):
        unknown = await client.post("/v1/models/0123456789abcdef/promotion", json={})
        changed = await client.post(f"/v1/models/{version}/promotion", json={})
        paid = await client.post("/v1/decisions", json=payment("a"))
        return unknown.status_code, changed, paid.json()

    unknown, changed, paid = api(talk)
    assert unknown == 404
    assert (changed.status_code, "was changed" in changed.json()["detail"]) == (422, True)
    assert (paid["probability"], paid["degraded"]) == (None, [])


def test_only_an_admin_changes_models_and_an_analyst_may_look(api, kept, tmp_path):
    version = kept(1)
    keys = ApiKeys(tmp_path / "data")
    secrets = {role: keys.create(role, {role}, 0) for role in (Role.ADMIN, Role.ANALYST, Role.DECIDE)}

    async def talk(client):
        found = {}
        for role, key in secrets.items():
            headers = {"authorization": f"Bearer {key}"}
            looked = await client.get("/v1/models", headers=headers)
            path, body = promotion(version)
            changed = await client.post(path, headers=headers, **body)
            found[role] = looked.status_code, changed.status_code
        return found

    assert api(talk, authoriser=Authoriser(keys)) == {
        Role.ADMIN: (200, 200),
        Role.ANALYST: (200, 403),
        Role.DECIDE: (403, 403),
    }
    keys.close()


def test_the_answer_says_in_words_why_the_model_looked_up(api, kept):
    """With a band at 0 every payment is looked at; only what speaks for fraud is a reason."""
    version = kept(1, bands=Bands(review_at=0.0))

    async def talk(client):
        await client.post(*promotion(version)[:1], json={})
        paid = [(await client.post("/v1/decisions", json=payment(f"p{n}"))).json() for n in range(3)]
        again = await client.post("/v1/decisions", json=payment("p0"))
        return paid, again.json()

    paid, again = api(talk)
    reasons = [one for each in paid for one in each["reasons"] if one["rule"] == "model"]
    assert {one["code"] for one in reasons} <= {
        "MODEL_AMOUNT",
        "MODEL_CARD_FREQUENCY",
        "MODEL_CUSTOMER_USUAL_LEVEL",
    }
    assert reasons
    counted = [one["analyst"] for one in reasons if one["code"] == "MODEL_CARD_FREQUENCY"]
    assert all(re.fullmatch(r"1 payment of .*|([2-9]|\d\d+) payments of .*", text) for text in counted)
    assert all(text.endswith(" of this card in 1 hour.") for text in counted)
    assert all(one["customer"] for one in reasons)
    assert again == paid[0]


def test_a_model_that_its_training_advises_against_needs_force(api, kept):
    version = kept(1, appraisal=Appraisal(problems=("it is no better than chance",)))

    async def talk(client):
        told = []
        for body in ({}, {"role": "rollout", "share": 0.5}, {"role": "challenger"}, {"force": True}):
            path, given = promotion(version, **body)
            told.append(await client.post(path, **given))
        return told, (await client.get("/v1/models")).json()

    (refused, shared, heard, forced), states = api(talk)
    for one in (refused, shared):
        assert one.status_code == 409
        assert one.json()["code"] == "unsound_model"
        assert "no better than chance" in one.json()["detail"]
    assert heard.status_code == forced.status_code == 200
    [state] = states["models"]
    assert state["problems"] == ["it is no better than chance"]
    assert state["role"] == "champion"


def test_what_a_model_would_change_is_told_and_nothing_is(api, kept):
    version = kept(1, bands=Bands(review_at=0.0))

    async def talk(client):
        for number in range(5):
            await client.post("/v1/decisions", json=payment(f"p{number}"))
        found = await client.get(f"/v1/models/{version}/impact")
        unknown = await client.get("/v1/models/0123456789abcdef/impact")
        return found, unknown, (await client.get("/v1/models")).json()

    found, unknown, states = api(talk)
    assert found.status_code == 200
    told = found.json()
    assert told["payments"] == sum(told["before"]) == 5
    assert told["after"] == [0, 0, 5, 0]
    assert sum(map(sum, told["changes"])) == 5
    assert unknown.status_code == 404
    assert states["models"][0]["role"] is None


def test_a_confirm_of_thousands_of_digits_is_refused(api, kept):
    version = kept(1)

    async def talk(client):
        path = f"/v1/models/{version}"
        return [
            await client.post(f"{path}/{verb}", json={"confirm": "01234567." + "9" * 5000 + "-0"})
            for verb in ("promotion", "retirement")
        ]

    assert [one.status_code for one in api(talk)] == [422, 422]


def test_a_model_waits_for_a_second_person_and_then_is_promoted_once(api, kept, tmp_path, monkeypatch):
    """The builder asks, the supervisor approves that very change, and the builder does it."""
    monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["models"]')
    first, second = kept(1), kept(2)
    keys = ApiKeys(tmp_path / "data")
    builder, other, supervisor = (
        {"headers": {"authorization": f"Bearer {keys.create(role, frozenset({role}), 0)}"}}
        for role in (Role.BUILDER, Role.BUILDER, Role.SUPERVISOR)
    )

    async def talk(client):
        async def promote(version, who):
            path, body = promotion(version)
            return await client.post(path, **body, **who)

        found = [await promote(first, builder)]
        approve = ("/v1/approvals/A-1/approve", {"json": {"note": "looked at the report"}})
        found += [await client.post(approve[0], **approve[1], **who) for who in (builder, supervisor)]
        found += [await promote(second, builder), await promote(first, other)]
        found += [await promote(first, builder), await promote(second, builder)]
        return found

    with closing(keys):
        *refused, done, again = api(talk, authoriser=Authoriser(keys))
    assert [one.status_code for one in refused] == [403, 403, 200, 403, 403]
    assert (refused[0].json()["code"], "A-1" in refused[0].json()["detail"]) == ("needs_approval", True)
    assert [one["role"] for one in done.json()["models"] if one["version"] == first] == ["champion"]
    assert (again.status_code, "A-2" in again.json()["detail"]) == (403, True)
