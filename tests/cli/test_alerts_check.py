"""`ringfence alerts check` names everybody who hears of an alert, and when."""

POLICY = """team = ["console:"]
escalate_after = "20m"
escalate_to = ["console:"]
quiet = "22:00-07:00"
quiet_zone = "Europe/Berlin"
answer_url = "https://answers.bank.example"
"""


def test_who_hears_of_what_and_when_is_listed(ringfence, project):
    (project / "alerts.toml").write_text(POLICY)
    ended = ringfence("alerts", "check")
    assert ended.code == 0
    assert "Nobody acknowledges within 20m, from high on: console:." in ended.err
    assert "Quiet: 22:00-07:00 (Europe/Berlin) for what is less than high." in ended.err
    assert "at https://answers.bank.example, for 2d" in ended.err
