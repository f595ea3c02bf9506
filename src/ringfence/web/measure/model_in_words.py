"""What a model does, in one sentence that needs no statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ringfence.scoring.artifacts.manifest import Manifest, Span

_SPANS: Final = {"train": "Training payments", "test": "Test payments", "later": "Payments for thresholds"}


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


class NamedSpan(NamedTuple):
    """Payments that a model was made with, what they were for, and what a reader should know of them."""

    name: str
    span: Span
    note: str = ""


def spans(manifest: Manifest) -> list[NamedSpan]:
    """What a model was made with; thresholds that no payments were left for were chosen on the test set."""
    test, later = manifest.spans.get("test"), manifest.spans.get("later")
    is_shared = test is not None and later is not None and later.start_ms >= test.start_ms
    notes = {"test": "thresholds were chosen on these, too" if is_shared else ""}
    return [
        NamedSpan(_SPANS.get(name, name), span, notes.get(name, ""))
        for name, span in manifest.spans.items()
        if not (is_shared and name == "later")
    ]


def _percent(share: float) -> str:
    """A share in words, with as many digits as people read.

    >>> _percent(0.7134), _percent(0.00412), _percent(0.00001), _percent(0.0)
    ('71 %', '0.4 %', 'less than 0.1 %', '0 %')
    """
    if 0 < share < 0.0005:
        return "less than 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.1 or not share else f"{100 * share:.1f} %"
