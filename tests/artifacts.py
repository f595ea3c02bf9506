"""Small model artifacts, made by hand: what a trainer writes, without the training."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ringfence.features.catalog import CATALOG
from ringfence.scoring.artifacts.manifest import (
    FOREST,
    LINEAR,
    MANIFEST,
    MODEL,
    Bands,
    Calibration,
    Manifest,
    Span,
    digest_of,
    feature_hashes,
    file_digest,
)
from ringfence.scoring.forest.layout import checked

INPUTS = ("amount", "card.count_1h", "customer.mean_amount_7d")
NO_BANDS = Bands()
PLAIN = Calibration()


def grow(width=3, seed=0, trees=5, leaves=9, spread=8.0):
    """Arrays of a random forest over inputs of the order of `spread`."""
    rng = np.random.default_rng(seed)
    nodes: list[list[float]] = []

    def node(left_over: int, cover: float) -> int:
        at = len(nodes)
        nodes.append([-1, 0, -1, -1, 0, rng.normal(), cover])
        if left_over > 1:
            mine, part = int(rng.integers(1, left_over)), cover * rng.uniform(0.2, 0.8)
            left, right = node(mine, part), node(left_over - mine, cover - part)
            bound = abs(rng.normal()) * spread
            nodes[at] = [rng.integers(width), bound, left, right, rng.integers(2), 0, cover]
        return at

    roots = [node(leaves, 500.0) for _ in range(trees)]
    names = ("feature", "threshold", "left", "right", "default_left", "value", "cover")
    kinds = (np.int32, np.float64, np.int32, np.int32, np.uint8, np.float64, np.float64)
    columns = {name: np.array([n[i] for n in nodes], kinds[i]) for i, name in enumerate(names)}
    return checked({"root": np.array(roots, np.int32), **columns}, width)


def make(
    folder: Path, *, inputs=INPUTS, spec=CATALOG, arrays=None, bands=NO_BANDS, zone="UTC", seed=0, **more
):
    """A forest's artifact in `folder`; returns its digest."""
    arrays = arrays or grow(len(inputs), seed)
    calibration = more.pop("calibration", Calibration(1.2, -0.5))
    files = {MODEL: forest_graph(arrays, len(inputs), calibration), FOREST: packed(arrays)}
    return write(
        folder, files, inputs=inputs, spec=spec, bands=bands, zone=zone, calibration=calibration, **more
    )


def make_linear(folder: Path, *, inputs=INPUTS, spec=CATALOG, **more):
    """A logistic regression's artifact."""
    rng, width = np.random.default_rng(1), len(inputs)
    arrays = {name: rng.uniform(0.5, 2, width) for name in ("fill", "mean", "scale", "weight")}
    arrays["bias"] = np.array([-1.5])
    files = {MODEL: linear_graph(arrays, width), LINEAR: packed(arrays)}
    return write(folder, files, inputs=inputs, spec=spec, algorithm="logistic", **more)


def write(folder: Path, files, *, inputs, spec, algorithm="lightgbm", name="made", zone="UTC", **more):
    """An artifact of these files."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes = feature_hashes(spec)
    manifest = Manifest(
        name=name,
        algorithm=algorithm,
        inputs=tuple(inputs),
        features={one: hashes[one] for one in inputs if one in hashes},
        spec_digest=spec.digest,
        spec=json.loads(spec.to_json()),
        zone=zone,
        created_at=more.pop("created_at", "2025-01-01T00:00:00Z"),
        spans={"train": Span(0, 1000, 500, 20)},
        label_cut_off_ms=1000,
        files={one: file_digest(content) for one, content in files.items()},
        **more,
    )
    for one, content in {**files, MANIFEST: manifest.to_json()}.items():
        (folder / one).write_bytes(content)
    return digest_of(manifest.to_json())


def packed(arrays) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    return sink.getvalue()


def forest_graph(arrays, width, calibration=PLAIN) -> bytes:
    tree = np.searchsorted(arrays["root"], np.arange(len(arrays["feature"])), side="right") - 1
    leaf = arrays["feature"] < 0
    base = arrays["root"][tree]
    attributes = {
        "n_targets": 1,
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": (np.arange(len(leaf)) - base).tolist(),
        "nodes_featureids": np.where(leaf, 0, arrays["feature"]).tolist(),
        "nodes_modes": ["LEAF" if one else "BRANCH_LEQ" for one in leaf],
        "nodes_truenodeids": np.where(leaf, 0, arrays["left"] - base).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, arrays["right"] - base).tolist(),
        "nodes_missing_value_tracks_true": arrays["default_left"].tolist(),
        "nodes_values_as_tensor": numpy_helper.from_array(arrays["threshold"]),
        "target_treeids": tree[leaf].tolist(),
        "target_nodeids": (np.arange(len(leaf)) - base)[leaf].tolist(),
        "target_ids": [0] * int(leaf.sum()),
        "target_weights_as_tensor": numpy_helper.from_array(arrays["value"][leaf]),
    }
    ensemble = helper.make_node(
        "TreeEnsembleRegressor", ["inputs"], ["sum"], domain="ai.onnx.ml", **attributes
    )
    nodes = [
        ensemble,
        helper.make_node("Cast", ["sum"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["wide", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "intercept"], ["odds"]),
        helper.make_node("Sigmoid", ["odds"], ["probability"]),
    ]
    constants = {"slope": np.float64(calibration.slope), "intercept": np.float64(calibration.intercept)}
    return graph(nodes, constants, width)


def linear_graph(arrays, width) -> bytes:
    nodes = [
        helper.make_node("IsNaN", ["inputs"], ["unknown"]),
        helper.make_node("Where", ["unknown", "fill", "inputs"], ["known"]),
        helper.make_node("Sub", ["known", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["odds"]),
        helper.make_node("Sigmoid", ["odds"], ["probability"]),
    ]
    return graph(nodes, {**arrays, "weight": arrays["weight"][:, None]}, width)


def graph(nodes, constants, width) -> bytes:
    made = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("inputs", TensorProto.DOUBLE, [None, width])],
        [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, [None, 1])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 18)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString()
