"""What a model does, in one sentence that needs no statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ringfence.scoring.artifacts.manifest import Manifest


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
