"""ONNX Runtime: the form in which a model travels, and the scorer of those that have no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.errors import ScorerError
from ringfence.scoring.artifacts.local import Described

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ERRORS_ONLY = 3


class OnnxGraph:
    """A graph from `inputs` double (n, k) to `probability` (n, 1), on one thread."""

    def __init__(self, content: bytes, width: int) -> None:
        """`ScorerError` where the bytes are no such graph. Files outside of it are never read."""
        import onnxruntime  # noqa: PLC0415 (a fifth of a second that only models cost)

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY + 1
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own exceptions share no better base
            raise ScorerError(
                f"model.onnx cannot be loaded ({_brief(error)}): train the model again"
            ) from error
        takes = [(one.name, one.type, one.shape[1:]) for one in self._session.get_inputs()]
        gives = [one.name for one in self._session.get_outputs()]
        if takes != [("inputs", "tensor(double)", [width])] or "probability" not in gives:
            raise ScorerError(
                f"model.onnx takes {takes} and gives {gives}, not inputs (n, {width}) of doubles and "
                "probability: the artifact is of another version; train the model again"
            )

    def probabilities(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (n,); `ScorerError` where the graph fails, or gives what is no probability."""
        if not len(inputs):
            return np.empty(0)
        try:
            [found] = self._session.run(["probability"], {"inputs": np.ascontiguousarray(inputs)})
        except Exception as error:
            raise ScorerError(f"model.onnx gives no scores ({_brief(error)})") from error
        flat = np.asarray(found, np.float64).reshape(-1)
        if len(flat) != len(inputs) or not ((flat >= 0) & (flat <= 1)).all():
            raise ScorerError("model.onnx gives numbers that are no probabilities: train the model again")
        return flat


@dataclass(slots=True)
class OnnxModel(Described):
    """A model of which only the graph is known."""

    graph: OnnxGraph

    def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Scorer.score`."""
        return self.graph.probabilities(inputs)

    def contributions(self, inputs: NDArray[np.float64]) -> None:
        """It cannot tell."""


def _brief(error: Any) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
