"""The one pass over the log: what recovery, replay, backtest, training and live decisions have in common.

    batch ──► measure by every stage ──► run of payments ──► (score, judge, decide) ──► heard by every stage
                                              ▲                                               │
                                              └───────────────── next run ◄───────────────────┘

`Walk` carries the state of all stages along one log. Whoever wants payments iterates over a `Passage`;
whoever only wants the state behind a batch lets it `absorb`. Which stages there are, and how to add one,
stands in `ringfence.walk.stages`.
"""

from ringfence.walk.passage import Passage, Run
from ringfence.walk.stage import Stage
from ringfence.walk.stages import STAGES, Connect, Enrich, Measure
from ringfence.walk.walk import Walk

__all__ = ["STAGES", "Connect", "Enrich", "Measure", "Passage", "Run", "Stage", "Walk"]
