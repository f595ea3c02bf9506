import gzip
import json

import pytest

from ringfence.adapters.sqlite import Store
from ringfence.runner import Runner

from .conftest import payment, write_ndjson

RULES = """
name: mine
rules:
  - {id: shop, title: A shop, when: merchant_id = 'shop', outcome: review, reason: SHOP, analyst: The shop.}
"""


def test_a_file_of_payments_becomes_decisions_and_a_summary(ringfence, payments):
    ended = ringfence("run", payments)
    assert ended.code == 0
    assert "8 payments decided" in ended.out
    assert "card_testing" in ended.out
    assert "by mapping canonical" in ended.err


def test_the_same_file_again_changes_nothing(ringfence, payments):
    first = ringfence("run", payments, "--json").json
    again = ringfence("run", payments, "--json").json
    assert (first["transactions"], first["duplicates"]) == (8, 0)
    assert (again["transactions"], again["duplicates"]) == (0, 8)


def test_a_second_file_goes_on_where_the_first_ended(ringfence, project):
    one = write_ndjson(project / "one.ndjson", [payment(n, amount=2.0) for n in range(4)])
    two = write_ndjson(project / "two.ndjson", [payment(4, amount=2.0)])
    ringfence("run", one)
    assert ringfence("run", two, "--json").json["outcomes"] == {"decline": 1}


def test_one_run_over_two_files_decides_like_two_runs(ringfence, project):
    one = write_ndjson(project / "one.ndjson", [payment(n, amount=2.0) for n in range(4)])
    two = write_ndjson(project / "two.ndjson", [payment(4, amount=2.0)])
    assert ringfence("run", one, two, "--json").json["outcomes"] == {"approve": 4, "decline": 1}


def test_what_is_set_by_data_is_where_state_lives(ringfence, payments, project, monkeypatch):
    ringfence("run", payments, "--data", "here")
    monkeypatch.setenv("RINGFENCE_DATA_DIR", "there")
    ringfence("run", payments)
    assert (project / "here" / "ringfence.db").exists()
    assert (project / "there" / "ringfence.db").exists()
    assert not (project / "ringfence-data").exists()


def test_settings_come_from_ringfence_toml(ringfence, payments, project):
    (project / "ringfence.toml").write_text('data_dir = "elsewhere"\n')
    ringfence("run", payments)
    assert (project / "elsewhere" / "ringfence.db").exists()


def test_an_unknown_setting_is_refused_by_name(ringfence, payments, project):
    (project / "ringfence.toml").write_text('data_folder = "elsewhere"\n')
    ended = ringfence("run", payments)
    assert ended.code == 2
    assert "data_folder" in ended.err


def test_the_projects_own_rules_and_features_are_used(ringfence, payments, project):
    (project / "rules.yaml").write_text(RULES)
    (project / "features.py").write_text(
        "import ringfence as rf\nspec = rf.FeatureSpec.of(rf.entity('card').count('2h'))\n"
    )
    assert ringfence("run", payments, "--json").json["outcomes"] == {"review": 8}
    features = ringfence("decision", "p7", "--json").json["features"]
    assert features == {"card.count_2h": 8.0}


def test_shipped_rules_that_a_specification_cannot_serve_are_named(ringfence, payments, project):
    (project / "features.py").write_text(
        "import ringfence as rf\nspec = rf.FeatureSpec.of(rf.entity('card').count('2h'))\n"
    )
    ended = ringfence("run", payments)
    assert ended.code == 0
    assert sum("left out" in line for line in ended.err.splitlines()) == 1
    assert "CATALOG.with_features" in ended.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("spec = 1\n", "does not assign `spec`"),
        ("x = 1\nraise KeyError('no')\n", "line 2"),
        ("def f(:\n", "line 1"),
        (
            "import ringfence as rf\nspec = rf.FeatureSpec.of(rf.entity('cart').count('1h'))\n",
            "no entity 'cart'",
        ),
    ],
)
def test_a_features_file_that_does_not_work_is_one_message(ringfence, payments, project, text, told):
    (project / "features.py").write_text(text)
    ended = ringfence("run", payments)
    assert ended.code == 2
    assert told in ended.err
    assert "Traceback" not in ended.err


def test_labels_enter_when_they_become_known(ringfence, project):
    rows = ["TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD"]
    rows += [f"{day},2018-04-{day:02} 10:00:00,c,t,10.0,{int(day == 1)}" for day in range(1, 11)]
    (project / "days.csv").write_text("\n".join(rows))
    ringfence("run", "days.csv", "--mapping", "handbook", "--label-delay", "3d")
    found = ringfence("sql", 'SELECT "offset" FROM labels', "--format", "json").json
    assert found == {"offset": 3}  # three payments came before it


def test_standard_input_is_read(ringfence, payments, monkeypatch):
    class Pipe:
        buffer = payments.open("rb")

    monkeypatch.setattr("sys.stdin", Pipe)
    assert ringfence("run", "-", "--json").json["transactions"] == 8
    Pipe.buffer.close()


def test_packed_files_and_globs_are_read(ringfence, project):
    for part in range(2):
        rows = "".join(json.dumps(payment(n)) + "\n" for n in range(part * 4, part * 4 + 4))
        (project / f"part{part}.ndjson.gz").write_bytes(gzip.compress(rows.encode()))
    assert ringfence("run", "part*.gz", "--json").json["transactions"] == 8


def test_time_per_stage_is_shown_when_asked(ringfence, payments):
    assert "measure" in ringfence("run", payments, "-v").out
    assert "measure" in ringfence("run", payments, "--json", "-v").json["stage_seconds"]


def test_an_interrupted_run_keeps_what_it_decided_and_goes_on_later(ringfence, project, monkeypatch):
    """Ctrl-C after the first batch of three."""
    rows = write_ndjson(project / "rows.ndjson", [payment(n) for n in range(300)])
    whole, run = Runner.run, Runner.run

    def interrupted(self, source, progress):
        def press_ctrl_c(arrival, totals):
            progress(arrival, totals)
            raise KeyboardInterrupt

        return run(self, source, press_ctrl_c)

    monkeypatch.setattr(Runner, "run", interrupted)
    ended = ringfence("run", rows, "--batch-rows", "100")
    assert ended.code == 130
    assert "run the same command again" in ended.err
    monkeypatch.setattr(Runner, "run", whole)
    again = ringfence("run", rows, "--json").json
    assert (again["transactions"], again["duplicates"]) == (200, 100)
    assert ringfence("replay", "--verify").code == 0


def test_a_folder_in_use_by_another_writer_is_a_store_problem(ringfence, payments, project):
    with Store.open(project / "ringfence-data"):
        ended = ringfence("run", payments)
    assert ended.code == 3
    assert "in use by process" in ended.err


def test_a_book_without_the_shipped_rules_is_told_when_it_comes_into_force(ringfence, payments, project):
    rule = "{id: big, title: Big, when: amount > 9, points: 5, reason: BIG, analyst: Big.}"
    ringfence("run", payments)
    (project / "rules.yaml").write_text(f"rules: [{rule}]")
    assert "are off: the line `extends: shipped`" in ringfence("run", payments).err
    (project / "rules.yaml").write_text(f"extends: shipped\nrules: [{rule}]")
    ended = ringfence("run", payments)
    assert ended.code == 0
    assert "are off" not in ended.err
