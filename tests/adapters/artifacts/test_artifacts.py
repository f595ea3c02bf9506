"""What is loaded is what was trained, or nothing is."""

import pickle
import shutil

import numpy as np
import pytest
from pyarrow import fs
from tests import artifacts

from ringfence.adapters.artifacts import load_scorer, read_artifact
from ringfence.adapters.artifacts.onnx import OnnxGraph
from ringfence.adapters.artifacts.registry import read_folder
from ringfence.errors import InputError, ScorerError
from ringfence.features.catalog import CATALOG
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.artifacts.manifest import FOREST, LINEAR, MANIFEST, MODEL, Calibration
from ringfence.scoring.logistic import logistic

RNG = np.random.default_rng(5)
ROWS = np.where(RNG.random((300, 3)) < 0.1, np.nan, np.abs(RNG.normal(size=(300, 3))) * 8)


@pytest.fixture
def folder(tmp_path):
    artifacts.make(tmp_path / "model")
    return tmp_path / "model"


def load(folder, spec=CATALOG):
    return load_scorer(read_folder(folder), spec)


def reseal(folder, **files):
    """Change files together with their hashes, as somebody with a grudge or an old trainer would."""
    found = read_folder(folder)
    manifest = {name: content for name, content in found.files.items() if name != MANIFEST}
    shutil.rmtree(folder)
    more = {name: getattr(found.manifest, name) for name in ("calibration", "bands")}
    return artifacts.write(folder, manifest | files, inputs=artifacts.INPUTS, spec=CATALOG, **more)


def test_the_version_is_the_hash_of_the_manifest_and_with_it_of_every_file(tmp_path):
    digests = {artifacts.make(tmp_path / str(seed), seed=seed) for seed in (1, 1, 2)}
    assert len(digests) == 2
    assert read_folder(tmp_path / "1").digest in digests


@pytest.mark.parametrize("make", [artifacts.make, artifacts.make_linear])
def test_the_arrays_that_score_agree_with_the_graph(tmp_path, make):
    make(tmp_path / "model")
    found = read_folder(tmp_path / "model")
    graph = OnnxGraph(found.files[MODEL], 3)
    assert np.abs(load_scorer(found).score(ROWS) - graph.probabilities(ROWS)).max() < 1e-6


@pytest.mark.parametrize("make", [artifacts.make, artifacts.make_linear])
def test_contributions_add_up_to_the_log_odds_of_the_probability(tmp_path, make):
    make(tmp_path / "model")
    scorer = load(tmp_path / "model")
    told = scorer.contributions(ROWS)
    assert told.shape == (300, 4)
    assert np.allclose(logistic(told.sum(axis=1)), scorer.score(ROWS), rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [artifacts.make, artifacts.make_linear])
def test_a_probability_is_the_same_alone_and_in_a_batch(tmp_path, make):
    make(tmp_path / "model")
    scorer = load(tmp_path / "model")
    alone = [float(scorer.score(ROWS[row : row + 1])[0]) for row in range(len(ROWS))]
    assert scorer.score(ROWS).tolist() == alone


def test_a_model_with_nothing_but_a_graph_scores_and_gives_no_reasons(tmp_path):
    content = artifacts.forest_graph(artifacts.grow(), 3)
    files = {MODEL: content}
    artifacts.write(
        tmp_path / "m", files, inputs=artifacts.INPUTS, spec=CATALOG, algorithm="isolation_forest"
    )
    scorer = load(tmp_path / "m")
    assert scorer.score(ROWS).shape == (300,)
    assert scorer.score(ROWS[:0]).shape == (0,)
    assert scorer.contributions(ROWS) is None


@pytest.mark.parametrize("name", [MODEL, FOREST, MANIFEST])
def test_one_changed_byte_is_noticed(folder, name):
    digest = read_folder(folder).digest
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises((ScorerError, InputError)):
        read_artifact(fs.LocalFileSystem(), str(folder), digest)


def test_a_missing_file_is_named(folder):
    (folder / FOREST).unlink()
    with pytest.raises(ScorerError, match=r"'forest.npz' of model .* is missing"):
        load(folder)


@pytest.mark.parametrize("name", ["model.pkl", "hook.py", LINEAR])
def test_what_no_manifest_names_is_not_loaded(folder, name):
    (folder / name).write_bytes(pickle.dumps(print))
    with pytest.raises(ScorerError, match=name):
        load(folder)


def test_a_pickle_that_calls_itself_an_array_is_never_opened(folder):
    reseal(folder, **{FOREST: pickle.dumps({"feature": np.zeros(3)})})
    with pytest.raises(ScorerError, match="no plain arrays"):
        load(folder)


def test_arrays_of_python_objects_are_refused(folder):
    reseal(folder, **{FOREST: artifacts.packed({"feature": np.array([print], object)})})
    with pytest.raises(ScorerError, match="no plain arrays"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"no graph", bytes(range(256))])
def test_a_graph_that_is_none_is_an_error_of_ours(folder, content):
    reseal(folder, **{MODEL: content})
    with pytest.raises(ScorerError, match="train the model again"):
        load(folder)


def test_a_graph_over_other_inputs_is_refused(folder):
    reseal(folder, **{MODEL: artifacts.forest_graph(artifacts.grow(2), 2)})
    with pytest.raises(ScorerError, match="not inputs"):
        load(folder)


def test_arrays_that_are_another_model_than_the_graph_are_refused(folder):
    reseal(folder, **{FOREST: artifacts.packed(artifacts.grow(seed=77))})
    with pytest.raises(ScorerError, match="differ by"):
        load(folder)


def test_a_graph_with_another_calibration_is_refused(folder):
    reseal(folder, **{MODEL: artifacts.forest_graph(artifacts.grow(), 3, Calibration(2.0, 0.0))})
    with pytest.raises(ScorerError, match="differ by"):
        load(folder)


def test_a_feature_removed_since_training_is_named(folder):
    spec = FeatureSpec.of(entity("customer").mean("amount", "7d"))
    with pytest.raises(ScorerError, match=r"card.count_1h, which the features in use lack: declare them"):
        load(folder, spec)


def test_a_feature_defined_otherwise_since_training_is_named(folder):
    other = FeatureSpec.of(entity("card").count("1h"), entity("customer", ["card_id"]).mean("amount", "7d"))
    with pytest.raises(ScorerError, match=r"another definition of customer.mean_amount_7d"):
        load(folder, other)


def test_features_declared_beside_its_own_do_not_concern_a_model(folder):
    assert load(folder, CATALOG.with_features(entity("ip").count("2h"))).inputs == artifacts.INPUTS


def test_an_input_that_no_payment_has_is_named(tmp_path):
    artifacts.make(tmp_path / "m", inputs=("amount", "hours", "weekday"))
    with pytest.raises(ScorerError, match=r"no input 'hours': did you mean hour"):
        load(tmp_path / "m")


def test_a_folder_that_is_no_model_says_what_to_name(tmp_path):
    with pytest.raises(InputError, match=r"name a folder that `ringfence train` wrote"):
        read_folder(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        read_folder(tmp_path / "nowhere")
