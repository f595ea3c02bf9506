"""Models as ONNX graphs: double inputs (n, k) in, probability float (n, 1) out, nothing left outside.

Split thresholds stay doubles: rounded to float32, a sum of money near a threshold would go the other way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.learning.algorithms.forest import ForestArrays
    from ringfence.scoring.artifacts.manifest import Calibration

OPSETS: Final = (("", 17), ("ai.onnx.ml", 3))
IR_VERSION: Final = 8
INPUT: Final = "inputs"
OUTPUT: Final = "probability"


def forest_graph(forest: ForestArrays, width: int, calibration: Calibration) -> bytes:
    """Logistic function of the calibrated sum of the leaves."""
    from onnx import helper  # noqa: PLC0415 (an optional extra)

    nodes = [
        _ensemble(forest, INPUT, "raw"),
        helper.make_node("Mul", ["raw", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "intercept"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], [OUTPUT]),
    ]
    constants = {"slope": np.float32(calibration.slope), "intercept": np.float32(calibration.intercept)}
    return _model(nodes, constants, width)


def linear_graph(arrays: dict[str, NDArray[np.float64]], width: int, calibration: Calibration) -> bytes:
    """Fill, scale, weigh and calibrate (`manifest.LINEAR_ARRAYS`)."""
    from onnx import helper  # noqa: PLC0415 (an optional extra)

    nodes = [
        helper.make_node("IsNaN", [INPUT], ["unknown"]),
        helper.make_node("Where", ["unknown", "fill", INPUT], ["known"]),
        helper.make_node("Sub", ["known", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weight"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["raw"]),
        helper.make_node("Mul", ["raw", "slope"], ["stretched"]),
        helper.make_node("Add", ["stretched", "intercept"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["exact"]),
        helper.make_node("Cast", ["exact"], [OUTPUT], to=1),
    ]
    constants = dict(arrays) | {
        "weight": arrays["weight"].reshape(-1, 1),
        "slope": np.float64(calibration.slope),
        "intercept": np.float64(calibration.intercept),
    }
    return _model(nodes, constants, width)


def isolation_graph(forest: ForestArrays, width: int, fill: NDArray[np.float64], mean_path: float) -> bytes:
    """Novelty 2^(-mean path / expected path): near 1 where few splits set a payment apart from all others."""
    from onnx import helper  # noqa: PLC0415 (an optional extra)

    nodes = [
        helper.make_node("IsNaN", [INPUT], ["unknown"]),
        helper.make_node("Where", ["unknown", "fill", INPUT], ["known"]),
        # The trainer sees float32: a value and its threshold are compared as they were there.
        helper.make_node("Cast", ["known"], ["single"], to=1),
        helper.make_node("Cast", ["single"], ["rounded"], to=11),
        _ensemble(forest, "rounded", "path"),
        helper.make_node("Mul", ["path", "shorter"], ["exponent"]),
        helper.make_node("Pow", ["two", "exponent"], [OUTPUT]),
    ]
    shorter = np.float32(-1.0 / (len(forest.root) * mean_path))
    return _model(nodes, {"fill": fill, "shorter": shorter, "two": np.float32(2)}, width)


def _ensemble(forest: ForestArrays, source: str, target: str) -> Any:
    """A `TreeEnsembleRegressor` that sums the leaves' values."""
    from onnx import helper  # noqa: PLC0415 (an optional extra)

    sizes = np.diff(np.append(forest.root, len(forest.feature)))
    tree = np.repeat(np.arange(len(forest.root)), sizes)
    start = np.repeat(forest.root, sizes)
    leaf = forest.feature < 0
    own = np.arange(len(forest.feature)) - start
    return helper.make_node(
        "TreeEnsembleRegressor",
        [source],
        [target],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        nodes_treeids=tree.tolist(),
        nodes_nodeids=own.tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_featureids=np.where(leaf, 0, forest.feature).tolist(),
        nodes_values_as_tensor=_tensor("nodes_values", forest.threshold),
        nodes_truenodeids=np.where(leaf, 0, forest.left - start).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, forest.right - start).tolist(),
        nodes_missing_value_tracks_true=forest.default_left.tolist(),
        target_treeids=tree[leaf].tolist(),
        target_nodeids=own[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights_as_tensor=_tensor("target_weights", forest.value[leaf]),
    )


def _tensor(name: str, values: Any) -> Any:
    from onnx import numpy_helper  # noqa: PLC0415 (an optional extra)

    return numpy_helper.from_array(np.asarray(values), name)


def _model(nodes: Sequence[Any], constants: dict[str, Any], width: int) -> bytes:
    import onnx  # noqa: PLC0415 (an optional extra)
    from onnx import helper  # noqa: PLC0415 (an optional extra)

    graph = helper.make_graph(
        nodes,
        "ringfence",
        [helper.make_tensor_value_info(INPUT, onnx.TensorProto.DOUBLE, ["n", width])],
        [helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["n", 1])],
        [_tensor(name, value) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="ringfence")
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def run_graph(model: bytes, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities by ONNX Runtime, as a service computes them."""
    import onnxruntime  # noqa: PLC0415 (slow to load, and only needed here)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (found,) = session.run([OUTPUT], {INPUT: np.ascontiguousarray(inputs)})
    result: NDArray[np.float64] = np.asarray(found, np.float64).ravel()
    return result
