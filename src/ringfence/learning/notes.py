"""What a training tells of its data, of its effort and of what was not chosen, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.features.durations import in_words
from ringfence.learning.algorithms.learners import Boosting
from ringfence.learning.data.dataset import listed
from ringfence.learning.data.history import NEVER
from ringfence.learning.measures.money import chosen_each, outcome_costs, outcomes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.learning.algorithms.learners import Learner
    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Fold, Part
    from ringfence.learning.measures.metrics import Ranking
    from ringfence.learning.measures.money import ChosenBands
    from ringfence.scoring.artifacts.manifest import Costs


_LATE_LABELS: Final = 0.2  # share of the labels from which on a note tells it


def facts(
    data: Dataset, learned: Part, maturity_ms: int, folds: Sequence[Fold], *, supervised: bool
) -> list[str]:
    """What whoever uses the model should know of the data."""
    said = []
    if data.left_out:
        whole = len(data) + data.left_out
        said.append(
            f"memory allowed {len(data):,} of {whole:,} payments: the oldest were measured and left out. "
            "More memory allows more, and so do fewer columns in the mapping"
        )
    elif data.unmatched:
        said.append(f"{data.unmatched:,} labels name transactions that are not in this history")
    if data.told_before:
        said.append(
            f"{data.told_before:,} payments have a label that is older than they are: it is kept, and counts "
            "as known when they were made. Check the times of the reports, and their zone"
        )
    if data.late > _LATE_LABELS * data.told:
        said.append(
            f"{data.late:,} of {data.told:,} labels came behind payments made after they were known, so that "
            "no count or rate of labels saw them in time: name files of payments, and those of labels with "
            "--labels, and each label takes its place"
        )
    if data.same:
        said.append(f"left out, the same text always: {listed(data.same)}")
    if data.untold:
        said.append(
            f"texts of which no value is frequent, so that no input holds them as they are: "
            f"{listed(data.untold)}. Where one tells of fraud, label rates and counts of it do"
        )
    if not supervised:
        return [*said, "no labels were used: the score says how unusual a payment is, not how likely fraud"]
    frauds, rows = int(learned.fraud.sum()), len(learned.rows)
    share = frauds / rows
    said.append(
        f"{frauds:,} of {rows:,} payments learned from are fraud ({share:.2%}); none is drawn twice or made "
        "up, and probabilities keep that share"
    )
    if data.tells_good:
        said.append(
            f"labels call {np.mean(data.cleared_ms < NEVER):.0%} of all payments good: those without a label "
            "count as unknown, neither learned from nor judged by"
        )
    else:
        said.append(f"a payment without a report counts as good after {in_words(maturity_ms)}")
    if not folds:
        said.append(
            "too few frauds to calibrate on a later window: probabilities are as trained, and thresholds "
            "were chosen on the test part, which flatters its figures at these thresholds"
        )
    return said


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def each_by_itself(test: Ranking, chosen: ChosenBands, costs: Costs) -> list[str]:
    """What it would cost to weigh each payment's own amount, beside one threshold for all."""
    places = np.arange(len(test))
    paid = outcome_costs(test, costs)
    banded = float(paid[outcomes_of(test.score, chosen.bands), places].mean())
    outcome = chosen_each(test.score, test.amount, costs)
    each = float(paid[outcome, places].mean())
    if each >= banded:
        return []
    said = (
        f"weighing each payment's probability with its own amount would cost {each:.2f} a payment on the "
        f"test part in place of {banded:.2f}, with {np.mean(outcome == 1):.1%} challenged, "
        f"{np.mean(outcome == 2):.1%} reviewed and {np.mean(outcome == 3):.1%} declined: rules on "
        "model.probability * amount do that"
    )
    return [said]


def effort(learner: Learner, budget_seconds: float, *, quick: bool) -> list[str]:
    """What was tried, and what the budget allowed."""
    if not isinstance(learner, Boosting):
        return []
    made = learner.parameters
    said = f"{made['trees']} trees of {made['num_leaves']} leaves"
    said += f", the mean of {made['members']} such boosters" if made["members"] > 1 else ""
    if "trials" in made:
        said += f"; {_counted(made['trials'], 'set')} of parameters tried"
    notes = [said]
    if learner.thinned:
        whole, seen = learner.thinned
        notes.append(
            f"the search looked at {seen:,} of {whole:,} good payments of a window, and all frauds: a longer "
            "--budget looks at more"
        )
    if not quick:
        notes.append(
            "how far a budget reaches depends on how fast the machine is: training again may come to other "
            "sizes, and so to another model. Those of this one are its parameters"
        )
    if learner.said:
        less = "a quick training" if quick else f"the budget of {budget_seconds:g} s"
        notes.append(f"{less} allowed {', '.join(learner.said)}: a longer --budget allows more")
    return notes
