"""The file that answers somebody's request holds all of it, however much that is."""

import json

import pytest

from ringfence.compose.folder import privacy

from .conftest import payment, write_ndjson

SETTINGS = 'personal_data = "vault"\nvault_key = "keys.json"\n'


@pytest.mark.parametrize("page", [1, 3, 4, 100])
def test_all_decisions_on_a_person_are_exported_over_several_pages(ringfence, project, monkeypatch, page):
    """The export ended after 100,000 decisions and did not say so."""
    monkeypatch.setattr(privacy, "_PAGE", page)
    (project / "ringfence.toml").write_text(SETTINGS)
    rows = [payment(n, customer_id="ada", event_time="2024-05-01T10:00:00Z") for n in range(6)]
    rows += [payment(n, customer_id="ada") for n in range(6, 12)]
    rows += [payment(n, customer_id="bob") for n in range(12, 15)]
    assert ringfence("privacy", "init").code == 0
    assert ringfence("run", write_ndjson(project / "payments.ndjson", rows)).code == 0
    told = ringfence("privacy", "export", "ada", "--out", project / "ada.json")
    assert told.code == 0
    assert "12 events, 12 decisions" in told.err
    decisions = json.loads((project / "ada.json").read_text())["decisions"]
    assert sorted(one["transaction_id"] for one in decisions) == sorted(
        one["transaction_id"] for one in rows[:12]
    )
