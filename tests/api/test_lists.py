"""Lists over HTTP: in effect from the next payment on, each change on record with who made it."""

from __future__ import annotations

import pytest

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys

from .conftest import payment

BLOCK = {"list": "stolen", "kind": "block"}


def merchant(name="m1", **more):
    return {"entity_id": name, "entity_type": "merchant"} | more


async def outcome(client, name):
    return (await client.post("/v1/decisions", json=payment(name))).json()["outcome"]


def test_an_entry_holds_from_the_next_payment_on_until_it_is_taken_off(api):
    async def talk(client):
        told = [await outcome(client, "a")]
        added = await client.post("/v1/lists/entries", json=BLOCK | {"entries": [merchant(note="seen")]})
        told.append(await outcome(client, "b"))
        entries = await client.get("/v1/lists/entries", params={"list": "stolen"})
        lists = await client.get("/v1/lists")
        gone = await client.post("/v1/lists/removals", json={"list": "stolen", "entries": [merchant()]})
        told.append(await outcome(client, "c"))
        audit = await client.get("/v1/lists/audit")
        return told, [one.json() for one in (added, entries, lists, gone, audit)]

    told, (added, entries, lists, gone, audit) = api(talk)
    assert told == ["approve", "decline", "approve"]
    assert added == gone == {"taken": 1, "refused": []}
    assert (entries[0]["entity_id"], entries[0]["note"], entries[0]["author"]) == ("m1", "seen", "local")
    assert (lists[0]["name"], lists[0]["kind"], lists[0]["entries"]) == ("stolen", "block", 1)
    assert [one["removed"] for one in audit] == [True, False]


def test_a_card_is_given_by_its_number_and_kept_by_its_token(api):
    number = payment()["card_number"]

    async def talk(client):
        card = {"entity_id": number, "entity_type": "card"}
        await client.post("/v1/lists/entries", json=BLOCK | {"entries": [card]})
        told = await outcome(client, "a")
        entries = await client.get("/v1/lists/entries", params={"list": "stolen"})
        return told, entries

    told, entries = api(talk)
    assert told == "decline"
    assert number not in entries.text
    assert entries.json()[0]["entity_id"].startswith("tok_")


def test_a_csv_file_is_imported_and_its_bad_rows_are_told_with_their_line(api):
    rows = "entity_id,entity_type,expires_at,note\nm1,merchant,2099-01-01,seen\n,merchant,,\nm2,shop,,\n"
    rows += "m3,,soon,\n"

    async def talk(client):
        return await client.post(
            "/v1/lists/import",
            params={"list": "stolen", "kind": "block"},
            content=rows,
            headers={"content-type": "text/csv"},
        ), await outcome(client, "a")

    answer, told = api(talk)
    assert told == "decline"
    assert answer.json()["taken"] == 1
    assert [one["line"] for one in answer.json()["refused"]] == [3, 4, 5]


def test_a_long_file_is_one_change_and_no_payment_is_decided_on_half_of_it(api):
    rows = "entity_id\n" + "".join(f"id-{number}\n" for number in range(5000))

    async def talk(client):
        sent = client.post(
            "/v1/lists/import", params={"list": "x"}, content=rows, headers={"content-type": "text/csv"}
        )
        answer = await sent
        log = client.server.session.store.log
        return answer.json(), [batch.count for batch in log.read("events")]

    answer, counts = api(talk)
    assert answer == {"taken": 5000, "refused": []}
    assert counts == [5000]


def test_nobody_can_say_that_somebody_else_changed_a_list(api):
    api.folder.mkdir(parents=True)
    keys = ApiKeys(api.folder)
    made = {role: keys.create(str(role), frozenset({role}), 1) for role in (Role.ANALYST, Role.INGEST)}

    async def talk(client):
        def headers(role):
            return {"authorization": f"Bearer {made[role]}"}

        entries = BLOCK | {"entries": [merchant()]}
        forbidden = await client.post("/v1/lists/entries", json=entries, headers=headers(Role.INGEST))
        named = await client.post("/v1/lists/entries", json=entries, headers=headers(Role.ANALYST))
        event = {
            "kind": "list_entry",
            "event_time": 1_709_288_100_000,
            "list_name": "x",
            "list_kind": "watch",
        }
        event |= {"entity_id": "m2", "attributes": {"author": "noor"}}
        forged = await client.post("/v1/events", json=event, headers=headers(Role.INGEST))
        audit = await client.get("/v1/lists/audit", headers=headers(Role.ANALYST))
        return forbidden.status_code, named.status_code, forged.status_code, audit.json()

    forbidden, named, forged, audit = api(talk, authoriser=Authoriser(keys, None))
    assert (forbidden, named, forged) == (403, 200, 422)
    (change,) = audit
    assert change["author"] == f"key:{made[Role.ANALYST].split('_')[1]}"
    keys.close()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("entries", BLOCK | {"entries": []}, 422),
        ("entries", BLOCK | {"entries": [{}]}, 422),
        ("entries", {"list": "", "entries": [merchant()]}, 422),
        ("entries", {"list": " x", "entries": [merchant()]}, 422),
        ("entries", {"list": "x", "kind": "bad", "entries": [merchant()]}, 422),
        ("removals", {"list": "a\x00b", "entries": [merchant()]}, 422),
    ],
)
def test_what_makes_no_sense_is_refused(api, path, body, status):
    answer = api(lambda client: client.post(f"/v1/lists/{path}", json=body))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_file_that_is_no_csv_of_a_list_is_refused(api):
    async def talk(client):
        async def sent(content, kind="text/csv"):
            answer = await client.post(
                "/v1/lists/import", params={"list": "x"}, content=content, headers={"content-type": kind}
            )
            return answer.status_code

        return [
            await sent(b"id\n1\n"),
            await sent(b"\xff\xfe"),
            await sent(b"x", "text/plain"),
            await sent(b""),
        ]

    assert api(talk) == [422, 400, 415, 400]
