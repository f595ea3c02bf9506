"""The approval desk of a data folder, as its project is set up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.access.approvals import ApprovalDesk, Deed
from ringfence.adapters.access.approvals import SqliteApprovals
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path


def open_approvals(folder: Path) -> ApprovalDesk:
    """Who closes `book` of it is done. `InputError` where the settings cannot be read."""
    demanded = load_settings().four_eyes
    return ApprovalDesk(SqliteApprovals(folder), frozenset(Deed(one) for one in demanded if one != "rules"))
