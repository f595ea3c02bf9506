"""Bad records are tried again in one way, whoever asks."""

from ringfence.api.handlers import replaying
from ringfence.events.bad import BadRecord, Fault, Reason

GOOD = (
    b'{"transaction_id":"p1","event_time":"2024-05-01T10:00:00Z","amount":"5.00","currency":"EUR",'
    b'"card_number":"4111111111111111"}'
)
AGAIN = GOOD.replace(b'"5.00"', b'"6.00"')
BROKEN = b'{"transaction_id":"p3"'
UNMAPPED = b'{"transaction_id":"p4"}'


def bad(position, original, mapping="canonical"):
    return BadRecord(
        "a.ndjson", position, (Fault(Reason.UNPARSABLE_TIME, "", "was"),), original, "json", mapping
    )


def fill(session):
    """A good one, one with its id and other content, one that stays bad, one whose mapping is gone."""
    records = [bad(1, GOOD), bad(2, AGAIN), bad(3, BROKEN), bad(4, UNMAPPED, "gone")]
    session.store.commit(bad_records=records, now_ms=1)


def outcomes(session):
    """By position; a conflict is a record of its own besides."""
    return {one.position: one.outcome for one in session.store.quarantine.records(source="a.ndjson")}


def test_what_becomes_of_each_record_is_the_same_at_every_edge(edges):
    for edge in ("cli", "web", "api"):
        edges.look(edge, fill)
    code, [told] = edges.command("quarantine", "replay", "--all")

    async def on_the_page(client):
        return (await client.post("/quarantine/replay", data={})).status_code

    async def over_the_api(client):
        unknown = await client.post("/v1/quarantine/replay", json={"ids": ["nowhere"]})
        return unknown.status_code, (await client.post("/v1/quarantine/replay", json={})).json()

    assert edges.serve("web", on_the_page) == 200
    missing, answered = edges.serve("api", over_the_api)
    assert missing == 404
    found = edges.look("cli", outcomes)
    assert (found[1], found[2], found[4]) == ("accepted", "conflict", "unparsable_time")
    assert found[3] in set(Reason)
    assert edges.look("web", outcomes) == edges.look("api", outcomes) == found
    assert code == 4
    assert told == answered["outcomes"] == dict.fromkeys(found.values(), 1)
    assert answered["tried"] == 4


def test_whoever_asks_until_none_waits_has_had_each_tried(edges, monkeypatch):
    monkeypatch.setattr(replaying, "MOST_AT_ONCE", 2)
    other = BadRecord("b.ndjson", 1, (Fault(Reason.CONFLICT, "", "was"),), BROKEN, "json", "canonical")

    def filled(session):
        good = [bad(n, GOOD.replace(b'"p1"', b'"q%d"' % n)) for n in range(3)]
        session.store.commit(
            bad_records=[*good, *(bad(n, BROKEN + b" " * n) for n in range(3, 6)), other], now_ms=1
        )

    edges.look("api", filled)

    async def until_none_waits(client):
        path, told = "/v1/quarantine/replay", []
        refused = await client.post(path, json={"ids": []})
        while not told or (told[-1]["waiting"] and len(told) < 5):
            told.append((await client.post(path, json={"reason": "unparsable_time"})).json())
        return refused.status_code, told, (await client.post(path, json={})).json()

    refused, told, rest = edges.serve("api", until_none_waits)
    assert refused == 422
    assert [(one["tried"], one["waiting"]) for one in told] == [(2, 4), (2, 2), (2, 0)]
    assert [one["outcomes"].get("accepted", 0) for one in told] == [2, 1, 0]
    assert (rest["tried"], rest["waiting"]) == (2, 0)
    assert edges.look("api", lambda session: session.store.quarantine.get(other.id).replayed_ms) is not None
