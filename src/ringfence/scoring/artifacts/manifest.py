"""What a model artifact is: a folder of files that `manifest.json` names, each with its hash.

    manifest.json   this struct; its own hash is the model's version in decisions
    model.onnx      input "inputs" double (n, k), output "probability" float (n, 1), calibration inside
    forest.npz      the trees behind it as arrays, for exact reasons (`FOREST_ARRAYS`); lightgbm only
    linear.npz      coefficients of a logistic regression (`LINEAR_ARRAYS`); logistic only
    reference.json  how inputs and scores were spread in training, for drift
    curves.json     how good it was on its test part, as curves
    report.html     how good it is, for people

Arrays are read with `allow_pickle=False`. Node i of the forest sends a row to `left[i]` where
`x[feature[i]] <= threshold[i]`, or where x is NaN and `default_left[i]` is 1; `feature[i] == -1` is a leaf
with `value[i]`. Log-odds before calibration are the sum of the leaves; calibrated log-odds are
`slope * sum + intercept`, the probability their logistic function.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from ringfence.errors import InputError
from ringfence.features.spec import WINDOWED

if TYPE_CHECKING:
    from ringfence.features.spec import Feature, FeatureSpec

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MODEL: Final = "model.onnx"
FOREST: Final = "forest.npz"
LINEAR: Final = "linear.npz"
REFERENCE: Final = "reference.json"
CURVES: Final = "curves.json"
REPORT: Final = "report.html"
FILES: Final = (MODEL, FOREST, LINEAR, REFERENCE, CURVES, REPORT)
"""Names that an artifact may hold beside its manifest; anything else is refused."""

FOR_PEOPLE: Final = frozenset({REFERENCE, CURVES, REPORT})
"""Those that no score depends on."""

FOREST_ARRAYS: Final = {
    "root": "int32 (trees,): index of each tree's first node",
    "feature": "int32 (nodes,): column of the inputs, -1 for a leaf",
    "threshold": "float64 (nodes,)",
    "left": "int32 (nodes,): index of a node, -1 for a leaf",
    "right": "int32 (nodes,)",
    "default_left": "uint8 (nodes,): where NaN goes",
    "value": "float64 (nodes,): log-odds of a leaf",
    "cover": "float64 (nodes,): training rows that came by",
}
LINEAR_ARRAYS: Final = {
    "fill": "float64 (k,): stands for NaN",
    "mean": "float64 (k,): of an input over the training window, NaN filled",
    "scale": "float64 (k,)",
    "weight": "float64 (k,): of (x - mean) / scale, in log-odds",
    "bias": "float64 (1,): log-odds of the mean payment",
}


class ReasonText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an input speaks for fraud: a code, and a text for the analyst and one for the customer."""

    code: str
    analyst: str
    customer: str


class Bands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which probability on a model asks for an outcome; None asks for it never."""

    challenge_at: float | None = None
    review_at: float | None = None
    decline_at: float | None = None


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Platt scaling: calibrated log-odds are `slope * raw + intercept`."""

    slope: float = 1.0
    intercept: float = 0.0


class Appraisal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a training thinks of its own model, against chance, a shuffled copy and the rules.

    With a problem it is put in force only if somebody insists; `warnings` say what to look into.
    """

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing speaks against putting it in force."""
        return not self.problems


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Payments with event time in [start_ms, end_ms), and the frauds known among them."""

    start_ms: int
    end_ms: int
    rows: int
    frauds: int


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A measured value with its 95 % bootstrap interval; None where it cannot be told."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What mistakes cost, in major units of the payments' currency. A missed fraud costs its amount."""

    review: float = 5.0  # an analyst's time, per payment reviewed
    insult: float = 20.0  # a good customer refused
    challenge: float = 0.5  # a customer asked for a second factor


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trained model.

    Attributes:
        inputs: names of the model's columns, in order, as `scoring.artifacts.inputs` resolves them.
        features: hash of the definition of each input that is a feature (`feature_hashes`).
        spec: the whole feature specification, as its JSON object.
        spans: `train`, `calibrate`, `test`: what each part saw.
        label_cut_off_ms: labels that became known later were not used.
        metrics: of the test span, by name; `comparisons` holds the same of others, by their name.
        files: SHA-256 of every other file of the folder, by name; none of a remote model, whose parameters
            say where it answers.
    """

    name: str
    algorithm: Literal["lightgbm", "logistic", "isolation_forest", "remote"]
    inputs: tuple[str, ...]
    features: dict[str, str]
    spec_digest: str
    spec: dict[str, Any]
    zone: str  # of the inputs hour and weekday
    created_at: str
    spans: dict[str, Span]
    label_cut_off_ms: int
    files: dict[str, str]
    bands: Bands = Bands()
    calibration: Calibration = Calibration()
    costs: Costs = Costs()
    reasons: dict[str, ReasonText] = {}  # by input; an input without one gets its default text
    parameters: dict[str, Any] = {}
    metrics: dict[str, Metric] = {}
    comparisons: dict[str, dict[str, Metric]] = {}
    appraisal: Appraisal = Appraisal()
    notes: tuple[str, ...] = ()  # what whoever uses it should know: imbalance, inputs left out
    versions: dict[str, str] = {}
    command: str = ""
    format: int = FORMAT

    def to_json(self) -> bytes:
        """The text of `manifest.json`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """The manifest of this text; `InputError` says what is wrong with it."""
        try:
            found = msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{MANIFEST} is no model manifest ({error}): train the model again") from error
        if found.format != FORMAT:
            raise InputError(
                f"{MANIFEST} has format {found.format}, this version reads {FORMAT}: train the model again"
            )
        return found


def digest_of(manifest_json: bytes) -> str:
    """Version of the model with this `manifest.json`: 16 hex digits.

    It covers every file, since the manifest holds their hashes.
    """
    return hashlib.sha256(manifest_json).hexdigest()[:16]


def file_digest(content: bytes) -> str:
    """SHA-256 of a file, as `Manifest.files` holds it."""
    return hashlib.sha256(content).hexdigest()


def feature_hashes(spec: FeatureSpec) -> dict[str, str]:
    """Feature name to a hash of all that decides its values: equal hashes measure the same.

    Other features of the specification do not enter, so a model outlives features added beside its own.
    """
    entities = {item.name: item for item in spec.entities}
    found = {
        feature.name: _hash([feature.data, entities[feature.entity].keys, _shared(spec, feature)])
        for feature in spec.features
    }
    if spec.graph:  # any other link may join what this signal tells apart
        whole = _hash([spec.graph.data])
        found |= {name: _hash([name, whole]) for name in spec.graph.names}
    return found


def _shared(spec: FeatureSpec, feature: Feature) -> list[Any]:
    """What of the specification as a whole a feature depends on."""
    return [
        spec.allowed_lateness_ms,
        0 if feature.kind in WINDOWED else spec.horizon_ms,
        spec.zone if feature.kind == "hour_share" or feature.where or feature.calendar else "",
        spec.decimals.get(feature.field or "", 6),
    ]


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
