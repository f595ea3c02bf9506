"""A change that moves much is shown before it is made, and made only once somebody confirms it."""

import json

import pytest
from msgspec.structs import replace
from tests import artifacts

from ringfence.adapters.artifacts import read_folder
from ringfence.decisions.impact import Impact, Shift
from ringfence.desks.confirming import ChangeLimits, UnconfirmedError, demand_confirmation
from ringfence.scoring.artifacts.manifest import Bands

BOOK = """name: own
rules:
  - id: large
    title: Large
    when: amount > {}
    outcome: review
    reason: LARGE
    analyst: Large.
"""
COUNT = 300
LIMIT = 199  # a third of the payments is above it
START_MS = 1_735_689_600_000


def payments():
    """Amounts from 1 to 300 EUR of thirty customers, one an hour."""
    return "\n".join(
        json.dumps(
            {
                "kind": "transaction",
                "transaction_id": f"tx-{number}",
                "event_time": START_MS + number * 3_600_000,
                "amount": f"{1 + number}.00",
                "currency": "EUR",
                "card_id": f"card-{number % 30}",
                "customer_id": f"customer-{number % 30}",
            }
        )
        for number in range(COUNT)
    )


async def fill(client):
    kind = {"content-type": "application/x-ndjson"}
    (await client.post("/v1/events/batch", content=payments(), headers=kind)).raise_for_status()
    quiet = {"text": BOOK.format(100_000), "based_on": "head", "activate": True}
    first = (await client.post("/v1/rules/versions", json=quiet)).json()
    word = first.get("impact", {}).get("version", "")
    if word:  # the shipped rules stop some of these payments
        assert (await client.post("/v1/rules/versions", json=quiet | {"confirm": word})).status_code == 201


def test_a_large_change_is_shown_and_confirmed_alike_at_every_edge(edges):
    async def at_the_api_and_the_page(client):
        await fill(client)
        wanted = {"text": BOOK.format(LIMIT), "based_on": "head", "activate": True}
        sheet = (await client.post("/v1/rules/impact", json={"text": wanted["text"]})).json()
        refused = await client.post("/v1/rules/versions", json=wanted)
        unkept = (await client.get("/v1/rules")).json()["head"]
        saved = (await client.post("/v1/rules/versions", json=wanted | {"activate": False})).json()
        digest = saved["change"]["digest"]
        page = (await client.get(f"/rules/impact?version={digest}")).text
        there = f"/rules/versions/{digest}/activate"
        hasty = await client.post(there, data={"note": "hasty"})
        meant = await client.post(there, data={"note": "meant", "confirm": digest[:8]})
        in_force = (await client.get("/v1/rules")).json()["active"]
        return sheet, refused, unkept, digest, page, hasty, meant.status_code, in_force

    told = edges.serve("api", at_the_api_and_the_page)
    sheet, refused, unkept, digest, page, hasty, meant, in_force = told
    newly = [number for number in range(COUNT) if 1 + number > LIMIT]
    assert (sheet["payments"], sheet["before"][0], sheet["after"][2]) == (COUNT, COUNT, len(newly))
    assert sheet["changes"][0][2] == len(newly)
    assert sheet["money"] == [{"currency": "EUR", "stopped": sum(1.0 + n for n in newly), "released": 0.0}]
    assert sheet["customers"] == len({number % 30 for number in newly})
    assert (refused.status_code, refused.json()["code"]) == (409, "needs_confirmation")
    assert refused.json()["impact"] == sheet
    assert unkept != digest
    assert f"{100 * len(newly) / COUNT:.1f} %" in page
    assert f'pattern="{digest[:8]}"' in page
    assert (hasty.status_code, meant, in_force) == (409, 303, digest)
    assert f'pattern="{digest[:8]}"' in hasty.text  # whoever comes late is shown the sheet, note and all
    assert 'value="hasty"' in hasty.text
    code, _ = edges.command("rules", "rollback", edge="api")
    assert code != 0
    assert edges.look("api", lambda session: session.desk().force.active()) == digest
    code, [shown] = edges.command("rules", "rollback", "--dry-run", edge="api")
    assert (code, shown["changes"][2][0]) == (0, len(newly))
    code, _ = edges.command("rules", "rollback", "--yes", edge="api")
    assert code == 0
    assert edges.look("api", lambda session: session.desk().force.active()) == unkept


def test_a_champion_is_retired_only_when_confirmed_on_the_page_and_over_http(edges, tmp_path):
    strict = artifacts.make(tmp_path / "strict", bands=Bands(decline_at=0.0))
    kept = read_folder(tmp_path / "strict")

    async def at_the_api_and_the_page(client):
        await fill(client)
        client.server.models.keep(kept)
        promoted = await client.post(f"/v1/models/{strict}/promotion", json={"confirm": strict[:8]})
        refused = await client.post(f"/v1/models/{strict}/retirement", json={})
        page = await client.post(f"/models/{strict}/retire", data={"note": "too many alerts"})
        there = client.server.models.active().champion
        gone = await client.post(f"/v1/models/{strict}/retirement", json={"confirm": strict[:8]})
        return promoted.status_code, refused, page, there, gone.status_code

    promoted, refused, page, there, gone = edges.serve("api", at_the_api_and_the_page)
    assert (promoted, refused.status_code, page.status_code, there, gone) == (200, 409, 409, strict, 200)
    assert refused.json()["code"] == "needs_confirmation"
    assert refused.json()["impact"]["after"][3] == 0
    assert f'pattern="{strict[:8]}"' in page.text


def test_a_sheet_says_when_a_change_takes_effect(edges):
    async def sheets(client):
        head = (await client.get("/v1/rules")).json()["active"]
        paths = ("/rules/impact?rule=card_testing&mode=paused", f"/rules/impact?version={head}")
        return [(await client.get(path)).text for path in paths]

    for approval in (False, True):
        for page in edges.serve("api", sheets, require_approval=approval):
            assert ("once an admin other than its author" in page) == approval
            assert ("takes effect with the next payment" in page) != approval


def test_a_sheet_is_there_before_the_rules_are_measured_and_then_warns(edges):
    book = BOOK.format("100 and card_id IN LIST 'nobody made it'")

    async def sheet_and_warnings(client):
        saved = (await client.post("/v1/rules/versions", json={"text": book, "based_on": "head"})).json()
        version = saved["change"]["digest"]
        page = (await client.get(f"/rules/impact?version={version}")).text
        unkept = (await client.get("/rules/impact?rule=card_testing&mode=paused&based_on=active")).text
        return version, page, unkept, (await client.get(f"/rules/impact/warnings?version={version}")).text

    version, page, unkept, warnings = edges.serve("api", sheet_and_warnings)
    assert f'hx-get="/rules/impact/warnings?version={version}"' in page
    assert "/rules/impact/warnings" not in unkept
    assert "nobody made it" in warnings
    assert "does not exist" in warnings


def impact(share=0.0, stopped=0.0, payments=1000, days=2.0):
    changed = round(share * payments)
    rows = [[payments - changed, changed], [0, 0]]
    return Impact(
        "0123456789abcdef", payments, [payments, 0], rows[0], rows, days, [Shift("EUR", stopped, 0.0)]
    )


@pytest.mark.parametrize(
    ("told", "limits", "portion", "asks"),
    [
        (impact(share=0.04), ChangeLimits(0.05), 1.0, False),
        (impact(share=0.06), ChangeLimits(0.05), 1.0, True),
        (impact(share=0.06), ChangeLimits(0.05), 0.5, False),  # a rollout to half of the customers
        (impact(share=0.9, payments=100), ChangeLimits(0.05), 1.0, False),  # too few to say
        (impact(stopped=3000.0), ChangeLimits(0.05), 1.0, False),
        (impact(stopped=3000.0), ChangeLimits(0.05, 1000.0), 1.0, True),  # 1,500 a day
        (impact(stopped=3000.0), ChangeLimits(0.05, 2000.0), 1.0, False),
        (impact(stopped=3000.0, days=0.5), ChangeLimits(0.05, 5000.0), 1.0, True),  # 6,000 a day
        (impact(stopped=3000.0, days=0.5), ChangeLimits(0.05, 7000.0), 1.0, False),
        (impact(stopped=100.0, days=0.0), ChangeLimits(0.05, 2500.0), 1.0, False),  # an hour at least
        (impact(share=0.001), ChangeLimits(0.0), 1.0, True),
        (replace(impact(share=0.01, days=0.01), left_out=9000), ChangeLimits(0.05, 2500.0), 1.0, True),
        (replace(impact(share=0.01, days=0.1), left_out=9000), ChangeLimits(0.05, 2500.0), 1.0, False),
    ],
)
def test_the_limits_are_those_of_the_settings(told, limits, portion, asks):
    for typed, passes in (("", not asks), ("01234567", True), ("0123", not asks), ("89abcdef", not asks)):
        if passes:
            demand_confirmation(told, limits, typed, portion)
        else:
            with pytest.raises(UnconfirmedError, match="01234567"):
                demand_confirmation(told, limits, typed, portion)
