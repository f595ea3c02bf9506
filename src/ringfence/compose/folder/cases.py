"""Opens the cases of a data folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ringfence.adapters import cases, pdf
from ringfence.compose.folder import companions
from ringfence.store import CASES

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.cases.model import Payment
    from ringfence.cases.policy import CasePolicy


def open_cases(folder: Path) -> cases.SqliteCases:
    """The cases of a data folder, made if there were none; `CorruptError` at a use once they are gone."""
    return cases.SqliteCases(folder, partial(companions.check_not_lost, folder, CASES))


def has_cases(folder: Path) -> bool:
    """Whether a data folder has ever kept cases; `CorruptError` where they are gone."""
    companions.check_not_lost(folder, CASES)
    return cases.SqliteCases.are_in(folder)


def case_policy(file: Path | None) -> CasePolicy:
    """The policy in a file; without one that of `cases.toml` in the current folder, or the shipped one."""
    return cases.read_policy(file)


def report_pdf(report: bytes) -> bytes:
    """A suspicious-activity report as PDF, of its XML; `InputError` where the library is not installed."""
    return pdf.report_pdf(report)


def payment_of(row: dict[str, Any]) -> Payment:
    """What a case keeps of a payment, from a row of the index of decisions."""
    return cases.payment_of(row)
