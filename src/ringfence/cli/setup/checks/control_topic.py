"""What a Flink job will refuse of what this server sends it by `kafka_control`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.cli.backends import desks
from ringfence.cli.setup.checks.check import Check, State
from ringfence.compose.deciding.sent_to_job import refused_by_job
from ringfence.compose.folder.store import VAULT, has_store
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VAULT: Final = (
    'personal_data = "vault": list entries, flags and profiles of customers, accounts and contacts go to '
    "kafka_control as tokens, which a Flink job puts into quarantine"
)
_MERCHANTS_ONLY: Final = (
    "Change what the job has to know of them in topics that the job reads. Cards travel as tokens, too: "
    "merchants, devices and terminals do not."
)


def control_topic(folder: Path) -> Iterator[Check]:
    """Notes on the rules in force, and on tokens; nothing where no control topic is written to."""
    settings = load_settings()
    if settings.kafka_control is None:
        return
    if settings.personal_data == VAULT:
        yield Check("control", State.NOTE, _VAULT, _MERCHANTS_ONLY)
    if not has_store(folder):
        return
    with desks.reading(None, folder) as desk:
        for said in refused_by_job(desk.state().rules):
            told, _, remedy = said.rpartition(". ")
            yield Check("control", State.NOTE, told, f"{remedy}.")
