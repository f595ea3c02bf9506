"""What the figures of a model are called on pages."""

from __future__ import annotations

import re
from typing import Final

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
