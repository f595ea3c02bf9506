"""A server whose cases are lost: what does not need them is shown."""

import httpx
import pytest
from tests.web.conftest import serving
from tests.web.sample import START_MS, payment

from ringfence.adapters.cases import SqliteCases


@pytest.mark.parametrize("damage", [None, b"", b"no database" * 1000])
def test_without_its_cases_a_server_decides_and_shows_decisions(tmp_path, damage):
    folder = tmp_path / "data"
    with serving(folder) as served:
        served.server.cases.book.positions()
    with serving(folder):
        pass
    for path in folder.glob("cases.db*"):
        path.unlink()
    if damage is not None:
        (folder / "cases.db").write_bytes(damage)
    with serving(folder) as served, httpx.Client(base_url=served.url, timeout=60) as api:
        decided = api.post("/v1/decisions", json=payment(1, START_MS))
        pages = {path: api.get(path) for path in ("/decisions", "/decisions/tx-0001")}
        api.headers["x-csrf-token"] = api.get("/session").json()["csrf"]
        pages["/find"] = api.post("/find", data={"q": "tx-0001"})
        cases, ready = api.get("/v1/cases"), api.get("/readyz").json()
        page = api.get("/cases")
    assert decided.status_code == 200
    assert {path: page.status_code for path, page in pages.items()} == dict.fromkeys(pages, 200)
    assert "Cases cannot be read now" in pages["/decisions/tx-0001"].text
    assert [hit["kind"] for hit in pages["/find"].json()][:2] == ["problem", "decision"]
    assert "cases were not searched" in pages["/find"].json()[0]["label"]
    assert (cases.status_code, page.status_code) == (503, 503)
    if not damage:
        assert any("accept-loss cases.db" in one for one in ready["warnings"])
        assert not SqliteCases.are_in(folder) or not (folder / "cases.db").stat().st_size
