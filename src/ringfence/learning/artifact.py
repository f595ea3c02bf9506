"""What a training becomes on disk: the files that `scoring.artifacts.manifest` describes."""

from __future__ import annotations

import io
import os
import platform
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from ringfence.errors import InputError
from ringfence.learning.measures.curves import curves_of
from ringfence.learning.measures.metrics import Ranking
from ringfence.learning.watching.drift import reference_of
from ringfence.scoring.artifacts.manifest import (
    CURVES,
    MANIFEST,
    MODEL,
    REFERENCE,
    REPORT,
    Appraisal,
    Manifest,
    digest_of,
    feature_hashes,
    file_digest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.features.spec import FeatureSpec
    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.train import Trained
    from ringfence.scoring.artifacts.manifest import Metric

UNAPPRAISED: Final = Appraisal()

_LIBRARIES = ("ringfence", "lightgbm", "scikit-learn", "optuna", "onnx", "onnxruntime", "numpy")


@dataclass(frozen=True, slots=True)
class ModelOrigin:
    """Where a model comes from: its name, when and by which command it was made, over which features."""

    name: str
    created_at: str
    command: str
    spec: FeatureSpec


def artifact_files(
    trained: Trained,
    data: Dataset,
    origin: ModelOrigin,
    metrics: dict[str, Metric],
    comparisons: dict[str, dict[str, Metric]],
    report: bytes,
    appraisal: Appraisal = UNAPPRAISED,
) -> dict[str, bytes]:
    """Every file of the artifact by name, the manifest among them."""
    files = {
        MODEL: trained.graph,
        **{name: _npz(arrays) for name, arrays in trained.fitted.arrays().items()},
        REFERENCE: msgspec.json.encode(reference_of(trained, data)),
        **_curves(trained, data),
        REPORT: report,
    }
    manifest = _manifest(trained, origin, metrics, comparisons, files)
    manifest = msgspec.structs.replace(manifest, appraisal=appraisal)
    return files | {MANIFEST: manifest.to_json()}


def _curves(trained: Trained, data: Dataset) -> dict[str, bytes]:
    """Of the test part; of scores that are no probabilities, or of no fraud, there are none."""
    part = trained.test
    if trained.plan.algorithm == "isolation_forest":
        return {}
    sides = (data.amount[part.rows], data.entity[part.rows], data.time_ms[part.rows])
    found = curves_of(Ranking.of(trained.probability, part.fraud, *sides), trained.plan.costs)
    return {} if found is None else {CURVES: msgspec.json.encode(found)}


def write_artifact(folder: Path, files: Mapping[str, bytes]) -> str:
    """Write a new folder, whole or not at all; returns the model's version."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already: give another --out, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as made:
        target = Path(made) / "model"
        target.mkdir()
        for name, content in files.items():
            (target / name).write_bytes(content)
        if folder.exists():
            folder.rmdir()
        os.replace(target, folder)  # noqa: PTH105 (replaces, where Path.rename may refuse)
    return digest_of(files[MANIFEST])


def _manifest(
    trained: Trained,
    origin: ModelOrigin,
    metrics: dict[str, Metric],
    comparisons: dict[str, dict[str, Metric]],
    files: Mapping[str, bytes],
) -> Manifest:
    hashes = feature_hashes(origin.spec)
    return Manifest(
        name=origin.name,
        algorithm=trained.plan.algorithm,
        inputs=trained.inputs,
        features={name: hashes[name] for name in trained.inputs if name in hashes},
        spec_digest=origin.spec.digest,
        spec=msgspec.json.decode(origin.spec.to_json()),
        zone=origin.spec.zone,
        created_at=origin.created_at,
        spans={"train": trained.train.span, "test": trained.test.span, "later": trained.later_span},
        label_cut_off_ms=trained.train.cut_off_ms,
        files={name: file_digest(content) for name, content in files.items()},
        bands=trained.chosen.bands,
        calibration=trained.calibration,
        costs=trained.plan.costs,
        parameters={**trained.parameters, "seed": trained.plan.seed},
        metrics=metrics,
        comparisons=comparisons,
        notes=trained.notes,
        versions=_versions(),
        command=origin.command,
    )


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays as `numpy.load(allow_pickle=False)` reads them; equal arrays give equal bytes."""
    sink = io.BytesIO()
    np.savez_compressed(sink, allow_pickle=False, **arrays)
    return sink.getvalue()
