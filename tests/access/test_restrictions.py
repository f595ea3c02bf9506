"""Restrictions by entity type and region: what a caller sees, may ask by, and may not pass on."""

import asyncio
from contextlib import closing

import pytest
from tests.api.conftest import payment, running, session_in

from ringfence.access.authoriser import Authoriser
from ringfence.access.restriction import Restriction, parse_restriction
from ringfence.access.roles import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.errors import InputError

WORDS = {
    "all": [],
    "german": ["region=DE"],
    "both": ["region=DE", "region=FR"],
    "cards": ["entity=card"],
    "shops": ["entity=merchant"],
}


@pytest.mark.parametrize(
    ("word", "said"),
    [("entity=crad", "did you mean card"), ("region=Germany", "two letters"), ("region=de", "two letters")],
)
def test_an_entity_or_a_region_that_there_is_not_is_refused(word, said):
    with pytest.raises(InputError, match=said):
        parse_restriction([word])


@pytest.mark.parametrize(
    ("wider", "narrower"),
    [
        ("", "region=DE"),
        ("region=DE region=FR", "region=DE"),
        ("", "entity=card"),
        ("entity=card entity=ip", "entity=card"),
        ("entity=card", "entity=card region=DE"),
        ("field=email", "entity=card"),
    ],
)
def test_only_what_is_as_narrow_may_be_passed_on(wider, narrower):
    one, other = (parse_restriction(words.split()) for words in (wider, narrower))
    assert one.covers(other)
    assert one.covers(one)
    assert not other.covers(one)
    assert parse_restriction(other.text().split()) == other


def test_neither_of_two_regions_or_entities_covers_the_other():
    for left, right in (("region=DE", "region=FR"), ("entity=card", "entity=ip")):
        one, other = parse_restriction([left]), parse_restriction([right])
        assert not one.covers(other)
        assert not other.covers(one)


def test_payments_of_other_regions_are_not_there_and_ids_of_other_entities_are_not_shown(tmp_path):
    folder = tmp_path / "data"
    with closing(ApiKeys(folder)) as keys:
        made = {
            name: keys.create(name, frozenset({Role.ANALYST}), 0, restriction=parse_restriction(words))
            for name, words in WORDS.items()
        }
        decider = keys.create("till", frozenset({Role.DECIDE}), 0)

    async def whole():
        def by(key):
            return {"headers": {"authorization": f"Bearer {key}"}}

        authoriser = Authoriser(ApiKeys(folder))
        with closing(authoriser), session_in(folder) as session:
            async with running(session, authoriser=authoriser) as client:
                for number, country in enumerate(("DE", "FR", "US", None)):
                    body = payment(f"p{number}", country=country)
                    assert (await client.post("/v1/decisions", json=body, **by(decider))).status_code == 200
                found = {}
                for name, key in made.items():
                    page = (await client.get("/v1/decisions", **by(key))).json()
                    rows = {
                        one["decision"]["transaction_id"]: one["transaction"] for one in page["decisions"]
                    }
                    details = [await client.get(f"/v1/decisions/p{number}", **by(key)) for number in range(4)]
                    asked = [
                        (await client.get("/v1/decisions", params=by_what, **by(key))).status_code
                        for by_what in (
                            {"entity": "card", "entity_id": "c"},
                            {"entity": "merchant", "entity_id": "m1"},
                        )
                    ]
                    shut = [
                        (await client.get(path, **by(key))).status_code
                        for path in (
                            "/v1/entities/merchant/m1",
                            "/v1/stream?entity=card&entity_id=c",
                            "/v1/events",
                        )
                        if name != "all"
                    ]
                    found[name] = rows, details, asked, shut
                return found

    found = asyncio.run(whole())
    seen = {name: sorted(rows) for name, (rows, *_) in found.items()}
    every = ["p0", "p1", "p2", "p3"]
    assert seen == {
        "all": every, "german": ["p0"], "both": ["p0", "p1"], "cards": every, "shops": every
    }  # fmt: skip
    statuses = {name: [one.status_code for one in details] for name, (_, details, *_) in found.items()}
    assert statuses["german"] == [200, 404, 404, 404]
    assert statuses["both"] == [200, 200, 404, 404]
    assert statuses["all"] == statuses["cards"] == [200] * 4
    for name, shown, hidden in (("cards", "card_id", "merchant_id"), ("shops", "merchant_id", "card_id")):
        rows, details, *_ = found[name]
        assert rows["p0"].get(shown)
        assert not rows["p0"].get(hidden)
        assert details[0].json()["transaction"].get(shown)
        assert hidden not in details[0].json()["transaction"]
    assert {name: asked for name, (*_, asked, _) in found.items()} == {
        "all": [200, 200], "german": [200, 200], "both": [200, 200], "cards": [200, 403], "shops": [403, 200]
    }  # fmt: skip
    assert {status for _, _, _, shut in found.values() for status in shut} == {403}


def test_no_restriction_hides_nothing():
    assert Restriction().concealed == frozenset()
    assert not Restriction().narrows_payments
