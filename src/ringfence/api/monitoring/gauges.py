"""Gauges that are read when they are scraped: what waits, how much state there is, what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.ports import DRIFT, MODEL_NEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from ringfence.api.hot.decider import Decider
    from ringfence.api.monitoring.metrics import Metrics
    from ringfence.api.monitoring.ring_watcher import RingWatcher
    from ringfence.compose.deciding.session import Session
    from ringfence.ports import EventLog
    from ringfence.ports.tracing import Tracing
    from ringfence.runner import Runner


def watch_traffic(metrics: Metrics, decider: Decider, connections: Sized, streams: Sized) -> None:
    """What waits and who is there."""
    watch = metrics.watch
    watch("ringfence_queue_records", "Payments that wait or are under way.", lambda: decider.waiting)
    watch("ringfence_connections", "Open connections.", lambda: len(connections))
    watch("ringfence_streams", "Open streams of decisions.", lambda: len(streams))


def watch_state(metrics: Metrics, runner: Runner, now_ms: Callable[[], int]) -> None:
    """The state that decides, its snapshots, and where the time goes."""
    watch, pipeline, saving = metrics.watch, runner.pipeline, runner.saving
    watch("ringfence_log_offset", "Events decided so far.", lambda: pipeline.offset)
    watch(
        "ringfence_seen_ids_bytes",
        "Memory of the ids of all events so far, which grows for ever.",
        lambda: runner.intake.seen.nbytes,
    )
    watch(
        "ringfence_snapshot_lag_events",
        "Events since the newest snapshot: what a restart would replay.",
        lambda: pipeline.offset - saving.offset,
    )
    watch(
        "ringfence_snapshot_age_seconds",
        "Since the newest snapshot that was saved was begun, or since the start.",
        lambda: (now_ms() - saving.at_ms) / 1000,
    )
    watch(
        "ringfence_snapshot_failing",
        "1 while the latest attempt to save a snapshot failed; /readyz says why.",
        lambda: float(saving.problem is not None),
    )
    watch(
        "ringfence_profile_values_left_out",
        "Values of profile events whose attribute is one more than there is room for, since the start.",
        lambda: pipeline.reference.profiles.left_out,
    )
    additions = runner.additions
    watch("ringfence_list_additions", "List entries that rules made.", lambda: additions.made)
    watch(
        "ringfence_capped_list_additions",
        "List entries that a rule's cap a day kept out.",
        lambda: additions.capped,
    )
    for stage in runner.seconds:
        watch(f"ringfence_{stage}_seconds_total", f"Seconds spent on {stage}.", _spent(runner, stage))


def watch_personal(metrics: Metrics, session: Session) -> None:
    """What was kept out of the log, and what the vault lost."""
    metrics.watch(
        "ringfence_sensitive_values_dropped",
        "Verification codes, PINs and track data that came and were not kept.",
        session.tokenizer.dropped.total,
    )
    if (originals := session.originals) is not None:
        metrics.watch(
            "ringfence_vault_lost_originals",
            "Originals of personal data that the vault did not keep, since the start; /readyz says why.",
            lambda: originals.lost,
        )


def watch_findings(metrics: Metrics, log: EventLog, rings: RingWatcher) -> None:
    """What was found beside the decisions."""
    watch = metrics.watch
    watch(
        "ringfence_rings_told",
        "Rings of which members were flagged, and each growth of one.",
        lambda: rings.told,
    )
    watch("ringfence_drift_alerts", "Alerts of drift found so far.", lambda: log.end_offset(DRIFT))
    watch(
        "ringfence_model_news",
        "Models in force that fell behind, and new ones that were proposed, so far.",
        lambda: log.end_offset(MODEL_NEWS),
    )


def watch_tracing(metrics: Metrics, tracing: Tracing) -> None:
    """What became of traces."""
    metrics.watch("ringfence_spans_exported", "Spans of traces received so far.", lambda: tracing.exported)
    metrics.watch("ringfence_spans_dropped", "Spans of traces that were lost.", lambda: tracing.dropped)


def _spent(runner: Runner, stage: str) -> Callable[[], float]:
    return lambda: runner.seconds[stage]
