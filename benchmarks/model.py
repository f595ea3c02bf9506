"""A model for benchmarks of the API: boosted trees over the shipped catalog and the benchmark's own payments.

Fraud is likelier the higher the amount, which needs no history: a new store meets the same frauds. The bands
send about one payment in a hundred to review and challenge three, which are the ones that cost reasons.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import lightgbm
import numpy as np

from ringfence.api.hot.decoding import Decoding
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features.catalog import CATALOG
from ringfence.learning.algorithms.forest import forest_of_boosters
from ringfence.learning.algorithms.onnx_graph import forest_graph
from ringfence.learning.artifact import write_artifact
from ringfence.pipeline import Pipeline
from ringfence.scoring.artifacts.inputs import input_matrix
from ringfence.scoring.artifacts.manifest import (
    FOREST,
    MANIFEST,
    MODEL,
    Bands,
    Calibration,
    Manifest,
    ReasonText,
    Span,
    feature_hashes,
    file_digest,
)
from ringfence.scoring.columns import Columns
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.rules import fit

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = (*CATALOG.names, "amount", "hour", "channel=online", "country=DE")
REVIEWED, CHALLENGED = 0.01, 0.03
_SEED = 7
_SETTINGS = {"objective": "binary", "num_leaves": 31, "learning_rate": 0.05, "num_threads": 2, "verbose": -1}


def inputs_of(lines: list[bytes]) -> np.ndarray:
    """What a model is asked about these payments, (n, inputs)."""
    pipeline = Pipeline(CATALOG, fit(default_book(), CATALOG)[0])
    decode = Decoding(Tokenizer(bytes(16)), 0)
    found = []
    for begin in range(0, len(lines), 200):
        events, bad = decode(lines[begin : begin + 200], 2**42)
        assert not bad
        features = pipeline.engine.measure(events)
        found.append(input_matrix(Columns(events, CATALOG, features, pipeline.reference), INPUTS))
    return np.concatenate(found)


def frauds(inputs: np.ndarray) -> np.ndarray:
    """Which payments were fraud, one in fifty or so."""
    chance = np.random.default_rng(_SEED)
    odds = 0.05 * inputs[:, INPUTS.index("amount")] + chance.logistic(scale=1.5, size=len(inputs))
    return odds > np.quantile(odds, 0.98)


def write_model(folder: Path, trees: int, lines: list[bytes]) -> str:
    """Train so many trees on most of these payments, set the bands by the rest; the model's digest."""
    inputs = inputs_of(lines)
    fraud, cut = frauds(inputs), int(0.8 * len(lines))
    booster = lightgbm.train(_SETTINGS, lightgbm.Dataset(inputs[:cut], fraud[:cut]), trees)
    forest, sink = forest_of_boosters([booster]), io.BytesIO()
    np.savez_compressed(sink, **forest.arrays())
    calibration = Calibration()
    files = {MODEL: forest_graph(forest, len(INPUTS), calibration), FOREST: sink.getvalue()}
    hashes = feature_hashes(CATALOG)
    later = booster.predict(inputs[cut:])
    manifest = Manifest(
        name="benchmark",
        algorithm="lightgbm",
        inputs=INPUTS,
        features={name: hashes[name] for name in INPUTS if name in hashes},
        spec_digest=CATALOG.digest,
        spec={},
        zone=CATALOG.zone,
        created_at="",
        spans={"train": Span(0, 1, len(fraud), int(fraud.sum()))},
        label_cut_off_ms=1,
        files={name: file_digest(content) for name, content in files.items()},
        bands=Bands(
            challenge_at=float(np.quantile(later, 1 - REVIEWED - CHALLENGED)),
            review_at=float(np.quantile(later, 1 - REVIEWED)),
        ),
        calibration=calibration,
        reasons={"amount": ReasonText("MODEL_AMOUNT", "the amount is high", "The amount is unusual.")},
    )
    return write_artifact(folder, files | {MANIFEST: manifest.to_json()})
