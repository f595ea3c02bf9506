"""The dense part of a large ring: a household or an office in common joins rings that have little else to do.

Communities are found by scikit-network (Louvain), an extra: without it a ring stays whole.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from ringfence.graph.rings import Ring

LARGE: Final = 60
"""Nodes up to which a ring is looked at whole."""

_RESOLUTION: Final = 0.3
"""Below 1: parts fall apart where few links lead across, not into those who share each single id."""


def dense_part(ring: Ring) -> Ring:
    """The ring, or of a large one its start's community; whoever is in it by a shape stays in it.

    The same links in the same order give the same part.
    """
    joined = [node for node in ring.nodes if node not in ring.by_shape]
    if len(joined) <= LARGE or find_spec("sknetwork") is None:
        return ring
    number = {node: place for place, node in enumerate(joined)}
    ends = [(number[pair.source], number[pair.target]) for pair in ring.pairs]
    label = _communities(np.array(ends, np.int64).reshape(-1, 2), len(joined))
    mine = {node for node, place in number.items() if label[place] == label[number[ring.start]]}
    kept = {node: hops for node, hops in ring.nodes.items() if node in mine or node in ring.by_shape}
    return replace(
        ring,
        nodes=kept,
        pairs=[pair for pair in ring.pairs if pair.source in mine and pair.target in mine],
        payments=[pair for pair in ring.payments if pair.source in kept and pair.target in kept],
        frauds={node: count for node, count in ring.frauds.items() if node in kept},
        of=len(ring.nodes),
    )


def _communities(ends: Any, count: int) -> Any:
    """A label for each of `count` nodes; `ends` are the numbers of both ends of each link, (n, 2)."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415 (comes with the extra)
    from sknetwork.clustering import Louvain  # noqa: PLC0415 (an extra)

    half = csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (count, count))
    return Louvain(_RESOLUTION, random_state=0).fit_predict(half + half.T)
