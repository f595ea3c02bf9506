"""`ringfence models`, as somebody types it."""

from pathlib import Path

import pytest
from tests import artifacts

from ringfence.scoring.artifacts.manifest import FOREST, Appraisal, Bands, Metric

from .conftest import payment, write_ndjson


@pytest.fixture
def made(project):
    """made(seed): the folder of a small model and its version."""

    def one(seed=0, name="cards", **more):
        folder = project / f"model-{seed}"
        arrays = artifacts.grow(3, seed, spread=60.0)
        more = {"bands": Bands(review_at=0.4), "metrics": {"auc": Metric(0.9 + seed / 100, 0.8, 0.95)}} | more
        return folder, artifacts.make(folder, arrays=arrays, name=name, **more)

    return one


def test_a_model_is_imported_promoted_decides_and_is_retired(ringfence, made, payments):
    folder, version = made()
    assert ringfence("models", "import", folder).out.strip() == version
    assert "Already in" in ringfence("models", "import", folder).err
    assert ringfence("models", "promote", version[:8], "--note", "first").code == 0
    assert [one["role"] for one in ringfence("models", "list", "--json").json] == ["champion"]
    assert ringfence("run", payments).code == 0
    stored = ringfence(
        "sql", "SELECT DISTINCT model, probability > 0 AS said FROM decisions", "--format", "json"
    )
    assert stored.json_lines == [{"model": version, "said": True}]
    assert ringfence("replay", "--verify").code == 0
    assert ringfence("models", "retire", "cards", "--note", "old").code == 0
    assert [one["role"] for one in ringfence("models", "list", "--json").json] == ["retired"]
    again = ringfence("models", "promote", "cards")
    assert again.code == 2
    assert "is retired" in again.err


def test_a_challenger_and_a_rollout_are_shown_as_such(ringfence, made):
    versions = [made(seed, f"m{seed}") for seed in (1, 2, 3)]
    for folder, _ in versions:
        ringfence("models", "import", folder)
    assert ringfence("models", "promote", "m1").code == 0
    assert ringfence("models", "promote", "m2", "--challenger").code == 0
    assert ringfence("models", "promote", "m3", "--share", "0.25", "--by", "card").code == 0
    shown = {one["name"]: one["role"] for one in ringfence("models", "list", "--json").json}
    assert shown == {"m1": "champion", "m2": "challenger", "m3": "rollout, 25 % by card"}
    assert "exclude each other" in ringfence("models", "promote", "m1", "--challenger", "--share", "0.1").err


def test_a_model_is_shown_and_compared(ringfence, made):
    (one, first), (two, second) = made(1, "old"), made(2, "new", inputs=("amount", "hour", "card.count_1h"))
    for folder in (one, two):
        ringfence("models", "import", folder)
    shown = ringfence("models", "show", "old").out
    assert "review_at 0.4" in shown
    assert "0.91 (0.8 to 0.95)" in shown
    assert ringfence("models", "show", "old", "--json").json["version"] == first
    table = ringfence("models", "compare", "old", "new").out
    assert f"Only new {second} uses hour" in table
    compared = ringfence("models", "compare", "old", "new", "--json").json
    assert [each["metrics"]["auc"]["value"] for each in compared["models"]] == [0.91, 0.92]
    assert compared["same_test_span"]


def test_run_takes_a_model_and_replay_another(ringfence, made, payments):
    (first, version), (other, _) = made(1), made(2)
    assert ringfence("run", payments, "--model", first).code == 0
    spoke = ringfence("sql", "SELECT DISTINCT model FROM decisions", "--format", "json")
    assert spoke.json_lines == [{"model": version}]
    same = ringfence("replay", "--json").json["outcomes"]
    tested = ringfence("replay", "--model", other, "--json").json["outcomes"]
    assert sum(sum(row.values()) for row in tested.values()) == 8
    assert all(same[a][b] == 0 for a in same for b in same if a != b)


def test_a_model_comes_from_a_registry_that_several_share(ringfence, made, project):
    folder, version = made()
    shared = project / "shared"
    assert ringfence("models", "import", folder, "--registry", shared).code == 0
    assert ringfence("models", "list", "--json").json == []
    listed = ringfence("models", "list", "--registry", shared, "--json").json
    assert [one["version"] for one in listed] == [version]
    assert ringfence("models", "promote", "cards", "--registry", shared).code == 0
    assert [one["role"] for one in ringfence("models", "list", "--json").json] == ["champion"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nothing"), "no model is named, or begins with, 'nothing'"),
        (("import", "nowhere"), "nowhere is no folder"),
        (("promote", "nothing", "--url", "http://127.0.0.1:1"), "no model is named"),
    ],
)
def test_what_is_not_there_is_said(ringfence, project, arguments, words):
    ended = ringfence("models", *arguments)
    assert ended.code == 2
    assert words in ended.err


def test_a_server_that_does_not_answer_is_said(ringfence, made):
    folder, version = made()
    ringfence("models", "import", folder)
    ended = ringfence("models", "promote", version, "--url", "http://127.0.0.1:9")
    assert ended.code == 2
    assert "is the server running?" in ended.err


def test_a_changed_file_is_said_before_anything_takes_effect(ringfence, made, payments):
    folder, _ = made()
    (folder / FOREST).write_bytes(b"something else")
    for arguments in (("models", "import", folder), ("run", payments, "--model", folder)):
        ended = ringfence(*arguments)
        assert ended.code == 2
        assert "'forest.npz' of model" in ended.err
        assert "was changed" in ended.err


def test_a_feature_removed_since_training_is_said(ringfence, made, project):
    folder, _ = made()
    file = write_ndjson(project / "p.ndjson", [payment(0)])
    (project / "features.py").write_text(
        "from ringfence import *\nspec = FeatureSpec.of(entity('card').count('1h'))\n"
    )
    ended = ringfence("run", file, "--model", folder)
    assert ended.code == 2
    assert "customer.mean_amount_7d, which the features in use lack" in ended.err


def test_a_service_without_a_sound_model_does_not_start(ringfence, made):
    folder, _ = made()
    assert "is no folder" in ringfence("model", "serve", "nowhere").err
    for change, words in ((b"", "was changed"), (None, "is missing")):
        if change is None:
            (folder / FOREST).unlink()
        else:
            (folder / FOREST).write_bytes(change)
        ended = ringfence("model", "serve", folder)
        assert (ended.code, words in ended.err) == (2, True)


def test_a_service_that_others_can_reach_wants_a_key(ringfence, made):
    ended = ringfence("model", "serve", made()[0], "--host", "0.0.0.0")
    assert ended.code == 2
    assert "RINGFENCE_MODEL_KEY" in ended.err


def test_decisions_made_without_a_remote_model_say_so(ringfence, made, payments):
    """Nobody listens at that port: the rules decide alone, and the on_failure of the rule set applies."""
    folder, version = made()
    ringfence("models", "import", folder)
    url = "http://127.0.0.1:9/invocations"
    described = ringfence("models", "remote", url, "--serves", version, "--tries", "1").out.strip()
    assert ringfence("models", "show", described, "--json").json["parameters"]["serves"] == version
    assert ringfence("models", "promote", "cards-remote").code == 0
    assert ringfence("run", payments).code == 0
    statement = "SELECT DISTINCT probability, degraded FROM decisions"
    found = ringfence("sql", statement, "--format", "json").json_lines
    assert found == [{"probability": None, "degraded": ["model"]}]
    refused = ringfence("models", "remote", "ftp://there", "--serves", version)
    assert (refused.code, "names no endpoint" in refused.err) == (2, True)
    assert "answers elsewhere" in ringfence("model", "serve", project_model(described)).err


def project_model(version):
    return Path("ringfence-data") / "models" / version


def test_a_model_no_better_than_chance_is_put_in_force_by_force_only(ringfence, made, payments):
    poor = Appraisal(problems=("it is no better than chance (AUC 0.510)",), warnings=("few frauds",))
    folder, _ = made(1, "poor", appraisal=poor)
    ringfence("models", "import", folder)
    assert "NOT WORTH PROMOTING: it is no better than chance" in ringfence("models", "show", "poor").out
    for more in ((), ("--share", "0.1")):
        ended = ringfence("models", "promote", "poor", *more)
        assert ended.code == 2
        assert "no better than chance" in ended.err
        assert "--force" in ended.err
    assert ringfence("run", payments, "--model", folder).code == 2
    assert [one["role"] for one in ringfence("models", "list", "--json").json] == [None]
    assert ringfence("models", "promote", "poor", "--challenger").code == 0
    assert ringfence("models", "promote", "poor", "--force").code == 0
    assert [one["role"] for one in ringfence("models", "list", "--json").json] == ["champion"]
    assert ringfence("run", payments, "--model", folder).code == 0


def test_what_would_change_is_shown_before_and_is_what_then_happens(ringfence, made, payments, project):
    """Outcomes with the model, as foretold of a folder without it, are those of a folder that had it."""
    bands = Bands(challenge_at=0.2, review_at=0.5, decline_at=0.8)
    folder, _ = made(4, bands=bands)
    ringfence("models", "import", folder)
    assert "what would change is not known" in ringfence("models", "promote", "cards", "--dry-run").out
    ringfence("run", payments)
    told = ringfence("models", "promote", "cards", "--dry-run")
    assert told.code == 0, told.err
    assert [one["role"] for one in ringfence("models", "list", "--json").json] == [None]
    ringfence("run", payments, "--model", folder, "--data", project / "other")
    question = "SELECT outcome, count(*) AS n FROM decisions GROUP BY outcome"
    happened = ringfence("sql", question, "--format", "json", "--data", project / "other").json_lines
    counts = {one["outcome"]: one["n"] for one in happened}
    for outcome in ("approve", "challenge", "review", "decline"):
        [line] = [line for line in told.out.splitlines() if line.startswith(outcome)]
        assert f"{counts.get(outcome, 0) / 8:.2%}" in line.replace("(", " ").split()[1:4], told.out
    assert len(counts) > 1
