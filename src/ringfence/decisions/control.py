"""The control group: a few would-be declines are let through, so that what declines stop can be estimated.

An estimate weighs each of them by 1 / share (inverse propensity): the expected sum is that over all declines
that the group could have touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.events.ids.hashing import hash_text
from ringfence.scoring.columns import in_share
from ringfence.scoring.rulesets.outcomes import Outcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ringfence.scoring.columns import Columns
    from ringfence.scoring.rulesets.ruleset import ControlGroup


def eligible(
    group: ControlGroup,
    outcome: NDArray[np.int8],
    kept: NDArray[np.bool_],
    amount: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Declines that the group may touch: within its cap and not `kept` by a rule that it leaves alone."""
    return (outcome == Outcome.DECLINE.strictness) & (amount <= group.cap) & ~kept


def drawn(group: ControlGroup, columns: Columns) -> NDArray[np.bool_]:
    """Payments that belong to the group if they would be declined: a share of all transaction ids."""
    seed = columns.reference.seed
    ids = columns.transactions.hashes("transaction_id", seed)
    return in_share(ids, hash_text(f"control group {group.salt}", seed), group.share)
