"""Bad records are tried again in one way, whoever asks."""

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
