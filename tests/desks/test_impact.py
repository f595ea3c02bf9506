"""A change that moves much is shown before it is made, and made only once somebody confirms it."""

import json
import re

import pytest
from msgspec.structs import replace
from tests import artifacts

from ringfence.adapters.artifacts import read_folder
from ringfence.decisions.impact import Impact, Shift
from ringfence.desks.confirming import (
    ChangeLimits,
    Sealing,
    UnconfirmedError,
    demand_confirmation,
    demand_sheet,
)
from ringfence.desks.seals import SEAL_MS, Seals, said
from ringfence.events.privacy.tokens import Tokenizer
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
    confirm = first["impact"]["confirm"]  # the shipped rules stop some of these payments
    kept = await client.post("/v1/rules/versions", json=quiet | {"confirm": confirm})
    assert kept.status_code == 201, (confirm, kept.text)


def seal_on(page):
    return re.search('name="seal" value="([^"]+)"', page)[1]


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
        unseen = await client.post(there, data={"note": "unseen", "confirm": digest[:8]})
        seen = {"note": "meant", "seal": seal_on(page)}
        untyped = await client.post(there, data=seen)
        meant = await client.post(there, data=seen | {"confirm": digest[:8]})
        assert (unseen.status_code, untyped.status_code) == (409, 409)
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
    assert refused.json()["impact"] | {"confirm": ""} == sheet | {"confirm": ""}
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


def test_a_change_within_the_limits_takes_the_seal_of_its_own_sheet(edges):
    """A rule that stops one payment of 300: far below the limit of a twentieth."""

    async def at_the_api_and_the_page(client):
        await fill(client)
        text = {"text": BOOK.format(COUNT - 1), "based_on": "head"}
        digest = (await client.post("/v1/rules/versions", json=text)).json()["change"]["digest"]
        api, page = f"/v1/rules/versions/{digest}/activate", f"/rules/versions/{digest}/activate"
        sheet = f"/rules/impact?version={digest}"
        text["text"] = BOOK.format(COUNT - 2)
        other = (await client.post("/v1/rules/impact", json={"text": text["text"]})).json()["confirm"]
        own = (await client.post("/v1/rules/impact", json={"version": digest})).json()["confirm"]
        for confirm in (
            "",
            digest,
            digest[:8],
            other,
            own[:-1],
            own.replace(".", "!"),
            f"{own}0",
            "\u0669" * 9,
        ):
            refused = await client.post(api, json={"confirm": confirm})
            assert (refused.status_code, refused.json()["code"]) == (409, "needs_confirmation"), confirm
            hasty = await client.post(page, data={"seal": confirm})
            assert (hasty.status_code, "read what the change does" in hasty.text) == (409, True), confirm
            assert (await client.get("/v1/rules")).json()["active"] != digest
        made = await client.post(page, data={"seal": seal_on((await client.get(sheet)).text)})
        assert (made.status_code, (await client.get("/v1/rules")).json()["active"]) == (303, digest)
        pause = {"mode": "paused", "based_on": "active", "activate": True}
        paused = await client.post("/v1/rules/modes/large", json=pause)
        back = (await client.post("/v1/rules/impact", json={"rollback": True})).json()["confirm"]
        gone = await client.post("/v1/rules/rollback", json={"confirm": back})
        overtaken = await client.post(api, json={"confirm": own})  # of a sheet against what is in force again
        return paused.status_code, gone.status_code, overtaken.status_code

    assert edges.serve("api", at_the_api_and_the_page) == (409, 200, 200)


def test_a_draft_and_a_shadow_rule_that_decide_nothing_need_no_sheet(edges):
    async def save(client):
        await fill(client)
        answers, rules = [], BOOK.format(LIMIT).partition("rules:\n")[2]
        for mode in ("draft", "shadow"):
            text = BOOK.format(100_000) + rules.replace("large", f"more_{mode}") + f"    mode: {mode}\n"
            wanted = {"text": text, "based_on": "head", "activate": True}
            answers.append((await client.post("/v1/rules/versions", json=wanted)).status_code)
        return answers

    assert edges.serve("api", save) == [201, 201]


def test_a_seal_is_of_one_change_and_for_half_an_hour():
    now = [1_000]
    seals = Seals(b"key", lambda: now[0])
    seal = seals.seal("0123456789abcdef", "before", -0.5, beyond=True)
    assert seals.holds(seal, "0123456789abcdef", "before", -0.5)
    for version, before, portion in (
        ("0123456789abcdee", "before", -0.5),
        ("0123456789abcdef", "after", -0.5),
        ("0123456789abcdef", "before", 0.5),
    ):
        assert not seals.holds(seal, version, before, portion)
    assert not Seals(b"another", lambda: now[0]).holds(seal, "0123456789abcdef", "before", -0.5)
    assert (said(seal, " 01234567 "), said(seal, "01234568"), said(seal, "")) == (seal, "", "")
    now[0] += SEAL_MS
    assert seals.holds(seal, "0123456789abcdef", "before", -0.5)
    now[0] += 1
    assert not seals.holds(seal, "0123456789abcdef", "before", -0.5)


def test_no_seal_looks_like_a_card_number():
    """What a problem tells goes through the guard for card numbers; digits of a time pass Luhn one in ten."""
    tokenizer = Tokenizer(bytes(32))
    for at_ms in range(1_780_000_000_000, 1_780_000_000_300):
        seal = Seals(b"key", lambda at_ms=at_ms: at_ms).seal(f"{at_ms:016}", "before", 1.0, beyond=False)
        assert tokenizer.guard_text(seal) == seal


def test_a_champion_is_retired_only_when_confirmed_on_the_page_and_over_http(edges, tmp_path):
    strict = artifacts.make(tmp_path / "strict", bands=Bands(decline_at=0.0))
    kept = read_folder(tmp_path / "strict")

    async def at_the_api_and_the_page(client):
        await fill(client)
        client.server.models.keep(kept)
        sheet = (await client.get(f"/v1/models/{strict}/impact")).json()
        promoted = await client.post(f"/v1/models/{strict}/promotion", json={"confirm": sheet["confirm"]})
        refused = await client.post(f"/v1/models/{strict}/retirement", json={})
        page = await client.post(f"/models/{strict}/retire", data={"note": "too many alerts"})
        there = client.server.models.active().champion
        gone = await client.post(
            f"/v1/models/{strict}/retirement", json={"confirm": refused.json()["impact"]["confirm"]}
        )
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


def test_a_machine_without_time_for_a_sheet_waives_no_confirmation():
    late = Impact("0123456789abcdef", 110, [110, 0], [110, 0], [[110, 0], [0, 0]], left_out=150)
    assert "there was time to judge 110 of the newest 260 payments" in ChangeLimits().exceeded(late)
    with pytest.raises(UnconfirmedError):
        demand_sheet(late, ChangeLimits(), Sealing(Seals(b"key", lambda: 0), "before"), "")
    assert ChangeLimits().exceeded(replace(late, left_out=80)) is None
