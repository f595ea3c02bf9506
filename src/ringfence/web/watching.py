"""Models watched on live traffic: against each other, and against what they were trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.decisions.decision import DecisionBatch
from ringfence.learning.drift import Reference
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.adapters.artifacts import Artifact
    from ringfence.web.dashboard import Dashboard

NEWEST: Final = 10_000
_REFERENCE: Final = "reference.json"
STABLE, SHIFTED = 0.1, 0.25  # of the stability index: below the first all is well, above the second it is not


@dataclass(frozen=True, slots=True)
class Voice:
    """One model's probabilities: their mean, and how they go with the champion's (correlation of ranks)."""

    digest: str
    payments: int
    mean: float
    agreement: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """Stability index by input, the greatest first; None where the model keeps no reference."""

    payments: int
    inputs: list[tuple[str, float, str]]  # name, index, "stable" | "moved" | "shifted"
    left_out: int  # inputs that are no features: they are not stored with decisions


def _newest(dashboard: Dashboard) -> list[DecisionBatch]:
    log = dashboard.store.log
    end = log.end_offset(DECISIONS)
    begin = max(end - NEWEST, log.start_offset(DECISIONS))
    return (
        [DecisionBatch.decode(batch.payload) for batch in log.read(DECISIONS, begin, end)]
        if end > begin
        else []
    )


def compare(dashboard: Dashboard) -> list[Voice]:
    """The champion first, then each challenger, over the newest payments that they spoke of."""
    own: list[NDArray[np.float64]] = []
    others: dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {}
    champion = dashboard.server.models.active().champion
    for batch in _newest(dashboard):
        said = _floats(batch.table.column("probability"))
        own.append(said[~np.isnan(said)])
        names = batch.challenger_names
        if not names or not len(batch):
            continue
        lists = batch.table.column("challengers")
        spoken = np.diff(lists.offsets.to_numpy()) == len(names)
        matrix = _floats(lists.flatten()).reshape(-1, len(names))
        for column, name in enumerate(names):
            others.setdefault(name, []).append((said[spoken], matrix[:, column]))
    heard = np.concatenate([np.empty(0), *own])
    voices = [Voice(champion, len(heard), float(heard.mean()), None)] if len(heard) else []
    return voices + [_voice(name, pairs) for name, pairs in others.items()]


def _voice(name: str, pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Voice:
    said, own = (np.concatenate(side) for side in zip(*pairs, strict=True))
    both = ~(np.isnan(said) | np.isnan(own))
    ranks = [side[both].argsort().argsort() for side in (said, own)]
    varied = both.sum() > 2
    agreement = float(np.corrcoef(ranks[0], ranks[1])[0, 1]) if varied else None
    return Voice(name, int(both.sum()), float(np.nanmean(own)) if len(own) else 0.0, agreement)


def drift(dashboard: Dashboard, artifact: Artifact) -> Drift | None:
    """The newest payments' inputs against those of the training."""
    if _REFERENCE not in artifact.manifest.files:
        return None
    reference = Reference.from_json(artifact.files[_REFERENCE])
    batches = _newest(dashboard)
    found = []
    names = [name for name in reference.inputs if batches and name in batches[-1].table.schema.names]
    for name in names:
        parts = [_floats(b.table.column(name)) for b in batches if name in b.table.schema.names]
        index = reference.inputs[name].index(np.concatenate(parts))
        found.append((name, index, "stable" if index < STABLE else "moved" if index < SHIFTED else "shifted"))
    found.sort(key=lambda item: -item[1])
    return Drift(sum(map(len, batches)), found, len(reference.inputs) - len(names))


def _floats(values: Any) -> NDArray[np.float64]:
    """NaN for null."""
    return values.to_numpy(zero_copy_only=False).astype(np.float64)
