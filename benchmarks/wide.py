"""Learning on a wide, masked table: what windows, label rates, pairs, larger trees and averaging bring.

    python -m benchmarks.wide                             # 500,000 payments, 120 columns
    python -m benchmarks.wide --rows 60000 --rounds 30

The table is `benchmarks.wide_world`'s; labels come 12 days late. Every row learns from what was known when
the test, the last fifth, begins. Plain LightGBM and CatBoost (where it is installed) get the raw columns,
categories as such, and the same rows. Each row is printed as soon as it is known. Intervals are 95 % by
bootstrap; seconds are processor time of learning and scoring, memory is the peak so far.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.report import machine, versions
from benchmarks.wide_world import invented
from ringfence.cli.learning.histories import WantedHistory, take_in
from ringfence.learning.algorithms import boosting
from ringfence.learning.choosing.wide_features import offered
from ringfence.learning.data.dataset import dataset
from ringfence.learning.data.splits import train_and_test
from ringfence.learning.measures.metrics import Ranking, measure_all
from ringfence.learning.train import Plan, train

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.cli.learning.histories import FoundHistory
    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Part

SHOWN = ("auc", "average_precision", "recall_at_fpr_0.01")
_LINE = "{:35}{:>26}{:>26}{:>26}{:>7}{:>9}"
MAPPING = """
[[records]]
label = {{ column = "is_fraud", delay = "12d" }}
attributes = {attributes}
[records.fields]
transaction_id = "payment_id"
event_time = {{ column = "paid_at", zone = "UTC" }}
amount = "amount"
card_id = "card_id"
"""
OLD = boosting.DEFAULTS | {"num_leaves": 63, "trees": 300}


def main() -> int:
    options = _options()
    print(f"{machine()}; {versions('lightgbm', 'numba')}", flush=True)
    table = invented(options.rows, options.columns, options.seed)
    spent = time.process_time()
    data, found = measured(table)
    learned, test = train_and_test(data, None, data.maturity_ms)
    print(
        f"{len(data):,} payments, {int(learned.fraud.sum()):,} frauds of {len(learned.rows):,} learned from, "
        f"{int(test.fraud.sum()):,} of {len(test.rows):,} tested; {len(data.names)} inputs measured in "
        f"{time.process_time() - spent:.0f} s of processor time, peak memory {_peak():.2f} GB\n",
        flush=True,
    )
    print(_LINE.format("inputs and learner", *SHOWN, "CPU s", "peak GB"), flush=True)
    for name, act in rows_of(table, data, found, learned, test, options.budget).items():
        spent = time.process_time()
        score = act()
        seconds = time.process_time() - spent
        figures = figures_of(data, test, score, options.rounds)
        print(_LINE.format(name, *figures, f"{seconds:.0f}", f"{_peak():.2f}"), flush=True)
    return 0


def rows_of(
    table: pa.Table, data: Dataset, found: FoundHistory, learned: Part, test: Part, budget: float
) -> dict[str, Callable[[], np.ndarray]]:
    """What each row of the answer does, in order: it gives the scores of the test part."""
    frauds = int(learned.fraud.sum())
    sets, own = input_sets(data.names, found), boosting.defaults_for(frauds)
    good = boosting.good_for(frauds, boosting.USUAL_SECONDS)
    acts: dict[str, Callable[[], np.ndarray]] = {
        name: boosted(data, learned, test, names, OLD, good=good) for name, names in sets.items()
    }
    whole = list(data.names)
    acts["+ trees by the number of frauds"] = boosted(data, learned, test, whole, own, good=good)
    acts["+ the mean of five"] = boosted(data, learned, test, whole, own, members=5, good=good)
    if budget:
        plan = Plan(budget_seconds=budget, offered=offered(found.collected.spec, found.keys))
        acts[f"ringfence train --budget {budget:g}"] = lambda: train(data, plan).probability
    return acts | plain(table, learned, test)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def measured(table: pa.Table) -> tuple[Dataset, FoundHistory]:
    """The table as a training sees it, and what was found in it."""
    given = {"payment_id", "paid_at", "amount", "card_id", "is_fraud"}
    with tempfile.TemporaryDirectory() as folder:
        source, mapping = Path(folder) / "wide.parquet", Path(folder) / "wide.toml"
        pq.write_table(table, source)
        free = [name for name in table.column_names if name not in given]
        mapping.write_text(MAPPING.format(attributes=free))
        found = take_in(WantedHistory([str(source)], mapping=str(mapping), wide=True), "measuring")
    print(f"keys {found.keys.fields} and {found.keys.pairs}, of {found.keys.tried} tried", flush=True)
    return dataset(found.collected), found


def input_sets(names: Sequence[str], found: FoundHistory) -> dict[str, list[str]]:
    """Inputs by what they add to the row before."""
    of = {item.keys: item.name for item in found.collected.spec.entities}
    pairs = {of[pair] for pair in found.keys.pairs}
    fields = {of[name,] for name in found.keys.fields}
    measured_by = {name: name.partition(".")[0] for name in names}

    def kept(act: Callable[[str, str], bool]) -> list[str]:
        return [name for name in names if act(name, measured_by[name])]

    def raw(name: str, entity: str) -> bool:
        return entity == name or entity == "attributes" or "=" in name

    def told(name: str, entity: str) -> bool:
        return ".label_" in name or (entity in fields and entity.startswith("by_"))

    return {
        "raw columns": kept(raw),
        "+ windows": kept(lambda name, entity: entity not in pairs and not told(name, entity)),
        "+ label rates": kept(lambda _, entity: entity not in pairs),
        "+ label rates of pairs": list(names),
    }


def boosted(
    data: Dataset,
    learned: Part,
    test: Part,
    names: Sequence[str],
    parameters: dict[str, Any],
    members: int = 1,
    good: int = boosting.GOOD_IN_FIT,
) -> Callable[[], np.ndarray]:
    """Scores of the test part by this project's learner."""

    def act() -> np.ndarray:
        grown = boosting.fit(boosting.sample(data, learned, names, good), parameters, members)
        return boosting.log_odds(grown, data.matrix(test.rows, names))

    return act


def plain(table: pa.Table, learned: Part, test: Part) -> dict[str, Callable[[], np.ndarray]]:
    """Other libraries on the raw columns: the rows of the data set are the table's, in order."""
    columns = [name for name in table.column_names if name not in ("payment_id", "paid_at", "is_fraud")]
    inputs = np.column_stack([_codes(table[name]) for name in columns])
    texts = [place for place, name in enumerate(columns) if pa.types.is_string(table[name].type)]

    def lightgbm() -> np.ndarray:
        import lightgbm as library  # noqa: PLC0415 (an optional extra)

        known = library.Dataset(inputs[learned.rows], learned.fraud, categorical_feature=texts)
        settings = {"objective": "binary", "num_leaves": 127, "learning_rate": 0.05, "verbosity": -1}
        return library.train(settings, known, 300).predict(inputs[test.rows])

    def catboost() -> np.ndarray:
        from catboost import CatBoostClassifier, FeaturesData, Pool  # noqa: PLC0415 (not of this project)

        def pool(rows: np.ndarray, fraud: np.ndarray | None = None) -> Pool:
            words = np.nan_to_num(inputs[rows][:, texts], nan=-1).astype(int).astype(str)
            numbers = np.delete(inputs[rows], texts, axis=1).astype(np.float32)
            return Pool(FeaturesData(numbers, np.char.encode(words).astype(object)), fraud)

        made = CatBoostClassifier(iterations=500, verbose=0, allow_writing_files=False, random_seed=0)
        made.fit(pool(learned.rows, learned.fraud.astype(int)))
        return made.predict_proba(pool(test.rows))[:, 1]

    found = {"plain LightGBM, raw columns": lightgbm}
    if find_spec("catboost") is not None:
        found["plain CatBoost, raw columns"] = catboost
    return found


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_string(column.type):
        column = column.combine_chunks().dictionary_encode().indices
    return column.to_numpy(zero_copy_only=False).astype(np.float64)


def figures_of(data: Dataset, test: Part, score: np.ndarray, rounds: int) -> list[str]:
    ranking = Ranking.of(
        score, test.fraud, data.amount[test.rows], data.entity[test.rows], data.time_ms[test.rows]
    )
    found = measure_all(ranking, rounds=rounds)
    return [f"{found[name].value:.4f} ({found[name].low:.3f} to {found[name].high:.3f})" for name in SHOWN]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000, help="payments")
    parser.add_argument("--columns", type=int, default=120)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=100, help="of the bootstrap")
    parser.add_argument("--budget", type=float, default=boosting.USUAL_SECONDS, help="0: without that row")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
