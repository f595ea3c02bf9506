"""What one model costs: 200 trees of 31 leaves over 60 inputs, one payment at a time and in batches.

    .venv/bin/python -m benchmarks.scoring

Beside our compiled forest: LightGBM's own predict, and ONNX Runtime on the artifact's graph, each on one
thread as ours is. All are timed in each round, so that a busy minute meets all of them. Where `make
bench-setup` has installed it, treelite is timed right after, in a process of its own, on the same model.
Then the reasons: exact TreeSHAP.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import lightgbm
import numpy as np
import pyarrow as pa

from benchmarks import report
from ringfence.adapters.artifacts.onnx import OnnxGraph
from ringfence.events.batch import EventBatch
from ringfence.features.spec import FeatureSpec, entity
from ringfence.learning.algorithms.forest import forest_of_boosters
from ringfence.learning.algorithms.onnx_graph import forest_graph
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.local import ForestModel
from ringfence.scoring.artifacts.manifest import Bands, Calibration, Manifest, feature_hashes
from ringfence.scoring.artifacts.models import Models
from ringfence.scoring.columns import Columns
from ringfence.scoring.forest import Forest
from ringfence.scoring.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
WIDTH = 60
SIZES = (1, 8, 32, 256, 4096, 16384)


def booster(trees: int) -> lightgbm.Booster:
    """Trained on made payments, 5 % of their inputs unknown."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40_000, WIDTH))
    inputs[rng.random(inputs.shape) < 0.05] = np.nan
    known = np.nan_to_num(inputs)
    odds = known[:, 0] * known[:, 1] + known[:, 2] + np.sin(2 * known[:, 3]) + rng.normal(size=len(inputs))
    settings = {
        "objective": "binary",
        "num_leaves": 31,
        "learning_rate": 0.05,
        "verbose": -1,
        "num_threads": 2,
    }
    return lightgbm.train(settings, lightgbm.Dataset(inputs, odds > 2.2), trees)


def microseconds(
    rows: int, contestants: dict[str, Callable[[], object]], rounds: int, most: int = 4096
) -> dict[str, float]:
    """Per row, the median of interleaved rounds; a round is as many calls as `most` rows take."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    calls = max(1, min(500, most // rows))
    for run in contestants.values():
        run()
    for _ in range(rounds):
        for name, run in contestants.items():
            begin = time.perf_counter()
            for _ in range(calls):
                run()
            taken[name].append((time.perf_counter() - begin) / calls / rows)
    return {name: 1e6 * median(seconds) for name, seconds in taken.items()}


class Treelite:
    """Treelite's interpreter, in the environment that `make bench-setup` makes; nothing where it is not."""

    def __init__(self, trained: lightgbm.Booster, inputs: np.ndarray) -> None:
        python = ROOT / ".bench-venv" / "bin" / "python"
        self.there = python.exists()
        if not self.there:
            return
        self._folder = tempfile.TemporaryDirectory()
        model, rows = f"{self._folder.name}/model.txt", f"{self._folder.name}/rows.npy"
        trained.save_model(model)
        np.save(rows, inputs)
        command = [python, ROOT / "benchmarks" / "contestants" / "forests.py", model, rows]
        self._worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def microseconds(self, rows: int, rounds: int) -> dict[str, float]:
        """Per row."""
        if not self.there:
            return {}
        self._worker.stdin.write(f"{rows} {rounds}\n")
        self._worker.stdin.flush()
        return {"treelite": float(self._worker.stdout.readline())}

    def stop(self) -> None:
        """The worker ends with its input."""
        if self.there:
            self._worker.stdin.close()
            self._worker.wait()


def in_the_pipeline(forest: Forest, rounds: int) -> list[list[str]]:
    """The score stage as payments meet it: inputs taken together, scored, calibrated, bands applied."""
    windows = [f"{hours}h" for hours in range(1, WIDTH // 2 + 1)]
    card = entity("card")
    spec = FeatureSpec.of(*(card.count(w) for w in windows), *(card.mean("amount", w) for w in windows))
    manifest = Manifest(
        name="one", algorithm="lightgbm", inputs=spec.names, features=feature_hashes(spec),
        spec_digest=spec.digest, spec={}, zone="UTC", created_at="", spans={}, label_cut_off_ms=0, files={},
        bands=Bands(review_at=0.9),
    )  # fmt: skip
    models = Models(Deployment(champion="one"), {"one": ForestModel(manifest, "one", forest)})
    rng, rows = np.random.default_rng(2), []
    for size in SIZES:
        features = rng.normal(size=(WIDTH, size))
        features[rng.random(features.shape) < 0.05] = np.nan
        ids = [str(n) for n in range(size)]
        payments = EventBatch(pa.RecordBatch.from_pydict({"transaction_id": ids, "card_id": ids}))
        columns, inputs = Columns(payments, spec, features, Reference(0)), np.asfortranarray(features.T)
        found = microseconds(
            size,
            {"stage": lambda c=columns: models.score(c), "forest": lambda i=inputs: forest.sums(i)},
            rounds,
        )
        rows.append([f"{size:,}", f"{found['stage']:.2f}", f"{found['forest']:.2f}"])
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trees", type=int, default=200)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    trained = booster(chosen.trees)
    arrays = forest_of_boosters([trained])
    forest, calibration = Forest(arrays.arrays(), WIDTH), Calibration()
    graph = OnnxGraph(forest_graph(arrays, WIDTH, calibration), WIDTH)
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(max(SIZES), WIDTH))
    inputs[rng.random(inputs.shape) < 0.05] = np.nan
    treelite = Treelite(trained, inputs)
    print(report.machine())
    print(report.versions("lightgbm", "onnxruntime", "numba", "numpy"))
    rows = []
    for size in SIZES:
        inputs = rng.normal(size=(size, WIDTH))
        inputs[rng.random(inputs.shape) < 0.05] = np.nan
        as_measured = np.asfortranarray(inputs)  # the engine gives features column by column
        found = microseconds(
            size,
            {
                "ours": lambda inputs=as_measured: forest.sums(inputs),
                "onnx": lambda inputs=inputs: graph.probabilities(inputs),
                "lightgbm": lambda inputs=inputs: trained.predict(inputs, num_threads=1),
            },
            chosen.rounds,
        )
        found |= treelite.microseconds(size, chosen.rounds)
        ratios = [f"{found[name] / found['ours']:.1f}x" for name in found if name != "ours"]
        rows.append([f"{size:,}", *(f"{value:.2f}" for value in found.values()), *ratios])
    treelite.stop()
    names = ["ONNX Runtime", "LightGBM", *(["treelite"] if treelite.there else [])]
    columns = ["rows", "ours", *names, *(f"{name} / ours" for name in names)]
    report.show(f"Scoring, microseconds a row, {forest}", columns, rows)
    columns = ["rows", "the stage", "of it the forest"]
    report.show(
        "Scoring in the pipeline, microseconds a payment", columns, in_the_pipeline(forest, chosen.rounds)
    )
    explained = []
    for size in (1, 64):
        inputs = rng.normal(size=(size, WIDTH))
        found = microseconds(
            size,
            {
                "ours": lambda inputs=inputs: forest.contributions(inputs),
                "lightgbm": lambda inputs=inputs: trained.predict(inputs, pred_contrib=True, num_threads=1),
            },
            chosen.rounds,
            most=64,
        )
        ratio = f"{found['lightgbm'] / found['ours']:.1f}x"
        explained.append([f"{size}", *(f"{value:.0f}" for value in found.values()), ratio])
    report.show("Reasons (TreeSHAP), microseconds a row", ["rows", "ours", "LightGBM", "ratio"], explained)
    apart = np.abs(1 / (1 + np.exp(-forest.sums(inputs))) - graph.probabilities(inputs)).max()
    print(f"Largest difference between ours and the graph, in probability: {apart:.1e}")


if __name__ == "__main__":
    main()
