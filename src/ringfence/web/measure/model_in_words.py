"""What a model does, in one sentence that needs no statistics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ringfence.scoring.artifacts.manifest import Manifest

_METRICS: Final = {
    "auc": "AUC",
    "card_precision_100": "card precision@100",
    "precision_at_bands": "alert precision",
    "recall_at_bands": "fraud caught",
    "value_detected_at_bands": "fraud value caught",
}
_AT: Final = {
    "recall_at_fpr": "fraud caught at {} % false positives",
    "value_detected_at_alert_rate": "fraud value caught at {} % alerts",
}


def metric_name(name: str) -> str:
    """A figure of a manifest as people call it.

    >>> metric_name("recall_at_bands"), metric_name("recall_at_fpr_0.001"), metric_name("alerts_per_day")
    ('fraud caught', 'fraud caught at 0.1 % false positives', 'alerts per day')
    """
    at = re.fullmatch(r"(\w+)_(0\.\d+)", name)
    if at and at[1] in _AT:
        return _AT[at[1]].format(f"{100 * float(at[2]):g}")
    return _METRICS.get(name, name.replace("_", " "))


def sentence(manifest: Manifest) -> str:
    """By the figures of the test span and the thresholds; empty where the manifest does not have them."""
    test = manifest.spans.get("test")
    found = {name: metric.value for name, metric in manifest.metrics.items()}
    caught = found.get("value_detected_at_bands")
    shares = [found.get(f"share_{name}") for name in ("challenged", "reviewed", "declined")]
    if test is None or caught is None or test.rows <= test.frauds or None in shares:
        return ""
    challenged, reviewed, declined = (one or 0.0 for one in shares)
    payments_of_genuine = 1 - test.frauds / test.rows
    stopped = (reviewed + declined) * (1 - (found.get("precision_at_bands") or 0.0)) / payments_of_genuine
    asked = challenged * (1 - (found.get("precision_of_challenges") or 0.0)) / payments_of_genuine
    return (
        f"On the payments it was tested on, this model stops {_percent(caught)} of the money lost to fraud. "
        f"It bothers {_percent(stopped + asked)} of genuine payments: {_percent(stopped)} are stopped, "
        f"{_percent(asked)} challenged."
    )


def _percent(share: float) -> str:
    """A share in words, with as many digits as people read.

    >>> _percent(0.7134), _percent(0.00412), _percent(0.00001), _percent(0.0)
    ('71 %', '0.4 %', 'less than 0.1 %', '0 %')
    """
    if 0 < share < 0.0005:
        return "less than 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.1 or not share else f"{100 * share:.1f} %"
