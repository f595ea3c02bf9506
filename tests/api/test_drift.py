"""Alerts of drift over HTTP."""

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys

ALERT = {
    "day_ms": 1_706_659_200_000,
    "model": "6d1e63a0c2f9b417",
    "input": "amount",
    "index": 0.41,
    "threshold": 0.25,
    "payments": 9120,
}


def test_an_alert_is_kept_once_and_read_from_an_offset_on(api):
    async def talk(client):
        first = await client.post("/v1/drift", json={"alerts": [ALERT]})
        again = await client.post(
            "/v1/drift", json={"alerts": [ALERT | {"index": 0.5}, ALERT | {"input": "score"}]}
        )
        rest = await client.get("/v1/drift", params={"offset": 1})
        bad = await client.post("/v1/drift", json={"alerts": [{"day_ms": 1}]})
        return first, again, rest, bad, (await client.get("/metrics")).text

    first, again, rest, bad, metrics = api(talk)
    assert first.json() == {"alerts": [ALERT], "next_offset": 1}
    assert [one["input"] for one in again.json()["alerts"]] == ["score"]
    assert rest.json() == {"alerts": again.json()["alerts"], "next_offset": 2}
    assert bad.status_code == 422
    assert "ringfence_drift_alerts 2.0" in metrics


def test_only_an_admin_brings_alerts(api, tmp_path):
    keys = ApiKeys(tmp_path / "data")
    key = keys.create("analyst", {Role.ANALYST}, 0)

    async def talk(client):
        headers = {"authorization": f"Bearer {key}"}
        brought = await client.post("/v1/drift", headers=headers, json={"alerts": [ALERT]})
        return brought.status_code, (await client.get("/v1/drift", headers=headers)).status_code

    assert api(talk, authoriser=Authoriser(keys)) == (403, 200)
    keys.close()
