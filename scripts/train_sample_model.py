"""Trains the small model in examples/sample-model, which `ringfence model serve` can be tried with.

Its payments are made here: fraud is likelier with a high value, at night, online, and early in a customer's
tenure. Equal libraries give equal files, so the folder can be made again and compared.
"""

from __future__ import annotations

import io
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import lightgbm
import numpy as np

from ringfence.features.spec import FeatureSpec
from ringfence.learning.algorithms.forest import forest_of_boosters
from ringfence.learning.algorithms.onnx_graph import forest_graph
from ringfence.learning.measures.calibrate import calibrated, platt
from ringfence.scoring.artifacts.manifest import (
    FOREST,
    MANIFEST,
    MODEL,
    Bands,
    Manifest,
    ReasonText,
    Span,
    digest_of,
    file_digest,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER: Final = Path(__file__).parent.parent / "examples" / "sample-model"
SEED: Final = 7
ROWS: Final = 60_000
_START_MS: Final = 1_704_067_200_000  # 2024-01-01
_DAY_MS: Final = 86_400_000
_DAYS: Final = 90
_SETTINGS: Final[dict[str, Any]] = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 50,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": SEED,
    "verbose": -1,
}
_ATTRIBUTES: Final = (
    "age",
    "gender_code",
    "subscription_type_code",
    "income_bracket_code",
    "location",
    "tenure_months",
    "channel_code",
)
INPUTS: Final = (*(f"attributes.{name}" for name in _ATTRIBUTES), "amount", "hour", "weekday")
_REASONS: Final = {
    "attributes.tenure_months": ReasonText(
        "MODEL_NEW_CUSTOMER", "months since the customer signed up", "The account is new to us."
    ),
    "attributes.channel_code": ReasonText(
        "MODEL_CHANNEL", "the payment was made online", "The payment was made in an unusual way."
    ),
}


def payments() -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Inputs (n, k), which are fraud, and event times, in order of time."""
    rng = np.random.default_rng(SEED)
    times = np.sort(rng.integers(0, _DAYS * _DAY_MS, ROWS)) + _START_MS
    hour, weekday = times // 3_600_000 % 24, (times // _DAY_MS + 3) % 7
    age, tenure = rng.integers(18, 90, ROWS), np.round(rng.exponential(30, ROWS))
    codes = [rng.integers(0, 3, ROWS) for _ in range(3)]
    location, channel = rng.integers(0, 50, ROWS), rng.integers(0, 2, ROWS)
    amount = np.round(rng.lognormal(3.5, 1.1, ROWS), 2)
    odds = -8.5 + 0.9 * np.log(amount) + 1.4 * (hour < 6) + 0.9 * channel + 1.6 * np.exp(-tenure / 6)
    fraud = rng.random(ROWS) < 1 / (1 + np.exp(-odds - 0.8 * (codes[2] == 0)))
    columns = (age, *codes, location, tenure, channel, amount, hour, weekday)
    return np.column_stack([column.astype(np.float64) for column in columns]), fraud, times


def trained() -> dict[str, bytes]:
    """The files of the artifact."""
    inputs, fraud, times = payments()
    cut, end = int(ROWS * 0.7), int(ROWS * 0.85)  # learn, calibrate, and leave the rest
    learned = lightgbm.Dataset(inputs[:cut], fraud[:cut])
    booster = lightgbm.train(_SETTINGS, learned, 60)
    calibration = platt(booster.predict(inputs[cut:end], raw_score=True), fraud[cut:end])
    forest = forest_of_boosters([booster])
    sink = io.BytesIO()
    np.savez_compressed(sink, **forest.arrays())
    files = {MODEL: forest_graph(forest, len(INPUTS), calibration), FOREST: sink.getvalue()}
    said = calibrated(booster.predict(inputs[end:], raw_score=True), calibration)
    spec = FeatureSpec((), ())
    manifest = Manifest(
        name="sample",
        algorithm="lightgbm",
        inputs=INPUTS,
        features={},
        spec_digest=spec.digest,
        spec={},
        zone="UTC",
        created_at="2024-04-01T00:00:00Z",
        spans={"train": _span(times[:cut], fraud[:cut]), "test": _span(times[end:], fraud[end:])},
        label_cut_off_ms=int(times[cut]),
        files={name: file_digest(content) for name, content in files.items()},
        bands=Bands(review_at=0.2, decline_at=0.5),
        calibration=calibration,
        reasons=_REASONS,
        parameters={name: value for name, value in _SETTINGS.items() if name != "verbose"},
        notes=("made payments: to be tried out, and never to decide about real ones",),
        versions={name: version(name) for name in ("lightgbm", "numpy", "onnx")},
        command="scripts/train_sample_model.py",
    )
    caught = fraud[end:][said >= 0.2].mean()
    print(f"{len(forest.root)} trees; of payments from 0.2 on, {100 * caught:.0f} % are fraud")
    return files | {MANIFEST: manifest.to_json()}


def _span(times: NDArray[np.int64], fraud: NDArray[np.bool_]) -> Span:
    return Span(int(times[0]), int(times[-1]) + 1, len(times), int(fraud.sum()))


def main() -> int:
    """Writes the folder anew."""
    files = trained()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
    size = sum(map(len, files.values()))
    print(f"{FOLDER.name} {digest_of(files[MANIFEST])}: {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
