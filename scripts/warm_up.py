"""What `make setup` ends with: all that Ringfence compiles is compiled, so that no command waits for it.

Does nothing but look where the compile cache holds everything already.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ringfence.compose.deciding.definitions import load_definitions, warm_up
from ringfence.scoring.forest import Forest

STUMP = {
    "root": np.array([0], np.int32),
    "feature": np.array([0, -1, -1], np.int32),
    "threshold": np.array([0.5, 0.0, 0.0]),
    "left": np.array([1, -1, -1], np.int32),
    "right": np.array([2, -1, -1], np.int32),
    "default_left": np.array([1, 0, 0], np.uint8),
    "value": np.array([0.0, -1.0, 1.0]),
    "cover": np.array([2.0, 1.0, 1.0]),
}
DEMO = Path(__file__).with_name("demo_features.py")
FEW, MANY = 1, 64  # rows that are scored in different ways


def main() -> None:
    """The engine with the shipped definitions and with the demo's graph, and the forest of a model."""
    for features in (None, DEMO):
        warm_up(load_definitions(features, None), observing=True)
    forest = Forest(STUMP, 1)
    for rows in (FEW, MANY):
        forest.sums(np.zeros((rows, 1)))
    forest.contributions(np.zeros((FEW, 1)))


if __name__ == "__main__":
    main()
