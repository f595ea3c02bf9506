"""How much laundering the graph's signals find: python -m benchmarks.laundering FOLDER

FOLDER (or RINGFENCE_DATA) holds `amlgentex_e1_tx.parquet` and `amlsim_20K_*_{tx,nodes}.parquet`.
Without it nothing is measured, and the command says so.

Transfers become payments in a log, those of one day in the order of a fixed hash: files have them by label.
The walk that decides payments measures them, and LightGBM learns from days before 108 of AMLGentex; days from
108 on are the test. No input is a label of the test part, but for labels that come 30 days late where said.
Hindsight is the same signals over the log backwards, so that a transfer is judged by what followed, too.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.laundering_accounts import accounts
from benchmarks.report import machine, show, versions
from ringfence.events.batch import EventBatch
from ringfence.events.ids.hashing import hash_column
from ringfence.features.links import KINDS, Graph, Points, pays
from ringfence.features.spec import FeatureSpec, entity
from ringfence.learning.algorithms.boosting import Sample, fit, log_odds
from ringfence.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DAY_MS = 86_400_000
START_MS = 1_704_067_200_000
CUT = 108
DELAY = 30
ABOVE = 3.0
"""Log-odds below nought from which on a payment gets points of layering."""
TYPOLOGIES = {
    1: "fan-out",
    2: "fan-in",
    3: "cycle",
    4: "bipartite",
    5: "stack",
    7: "scatter–gather",
    8: "gather–scatter",
}
AVERAGED = "that by the mean of five boosters, as `ringfence train` has them"
PARAMETERS = {
    "num_leaves": 15,
    "learning_rate": 0.05,
    "trees": 300,
    "min_child_samples": 20,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "lambda_l2": 5.0,
    "num_threads": 1,
}
GRAPH = Graph.of(
    pays("account", "counterparty", ttl="180d"),
    windows=("1d", "3d", "7d", "14d", "30d"),
    kinds=[kind for kind in KINDS if kind not in ("component", "shared")],
)


def spec(graph: Graph | None = GRAPH) -> FeatureSpec:
    """Windows of payer and payee, and the graph."""
    windows = ("1d", "3d", "7d", "14d", "30d")
    features = []
    for one in (entity("account"), entity("counterparty")):
        features += [made(window) for window in windows for made in (one.count, _sum(one))]
        features += [one.ratio("amount", "30d"), one.zscore("amount", "30d"), one.seconds_since_last()]
        features += [one.label_count("90d"), one.label_count("180d")]
    return FeatureSpec.of(*features).with_graph(graph)


def _sum(one: Any) -> Any:
    return lambda window: one.sum("amount", window)


def transfers(path: Path) -> dict[str, NDArray[Any]]:
    """The file's columns, days in order and transfers of a day by hash."""
    table = pq.read_table(path)
    found = {name: table.column(name).to_numpy() for name in table.column_names}
    order = hash_column(pa.array(np.arange(len(table)).astype(str)), 17)
    place = np.lexsort((order, found["step"]))
    return {name: values[place] for name, values in found.items()}


def log_of(
    day: NDArray[Any],
    payer: NDArray[Any],
    payee: NDArray[Any],
    amount: Floats,
    fraud: NDArray[np.bool_] | None = None,
) -> EventBatch:
    """Transfers in order as events; where they are given, labels of frauds come 30 days after them."""
    first = np.searchsorted(day, day)
    many = np.searchsorted(day, day, "right") - first
    time = START_MS + day.astype(np.int64) * DAY_MS + (np.arange(len(day)) - first) * (DAY_MS - 1) // many
    columns: dict[str, Any] = {
        "kind": np.zeros(len(day), np.uint8),
        "event_time_ms": time,
        "transaction_id": np.char.add("t", np.arange(len(day)).astype(str)),
        "account_id": np.char.add("a", payer.astype(str)),
        "counterparty_id": np.char.add("a", payee.astype(str)),
        "amount_minor": np.round(amount * 100).astype(np.int64),
        "currency": np.full(len(day), "EUR"),
        "label": np.zeros(len(day), np.bool_),
    }
    if fraud is not None:
        late = {name: values[fraud].copy() for name, values in columns.items()}
        late |= {"kind": late["kind"] + 1, "event_time_ms": late["event_time_ms"] + DELAY * DAY_MS}
        late["label"] = ~late["label"]
        columns = {name: np.concatenate([values, late[name]]) for name, values in columns.items()}
        order = np.argsort(columns["event_time_ms"], kind="stable")
        columns = {name: values[order] for name, values in columns.items()}
    arrays = {name: pa.array(values) for name, values in columns.items()}
    return EventBatch(pa.RecordBatch.from_pydict(arrays))


def measured(events: EventBatch, asked: FeatureSpec) -> dict[str, Floats]:
    """What the walk measures of each transfer, by name."""
    values = np.concatenate([run.features for run in Walk(asked, 1).over(events)], 1)
    return dict(zip(asked.names, values, strict=True))


def scores(
    inputs: Floats, fraud: NDArray[np.bool_], train: NDArray[np.bool_], seeds: int, members: int = 1
) -> list[Floats]:
    """Log-odds of all rows by boosters learned from the rows of `train`: each seed, the mean of `members`."""
    part = np.flatnonzero(train)
    learned = Sample(inputs[part].astype(np.float32), fraud[part], np.ones(len(part)), np.ones(len(part)))
    return [log_odds(fit(learned, PARAMETERS, members, 10 * seed), inputs) for seed in range(seeds)]


def learned_card(
    found: dict[str, Floats], fraud: NDArray[np.bool_], train: NDArray[np.bool_]
) -> list[Points]:
    """A scorecard of layering: trees of two leaves over the graph's signals, each a row."""
    names = [signal.name for signal in GRAPH.signals if signal.family not in ("layering", "fraud")]
    inputs = np.nan_to_num(_matrix({name: found[name] for name in names}), nan=-1)[train].astype(np.float32)
    learned = Sample(inputs, fraud[train], np.ones(len(inputs)), np.ones(len(inputs)))
    [booster] = fit(learned, PARAMETERS | {"num_leaves": 2, "trees": 100, "learning_rate": 0.2}, 1, 1)
    base, rows = 0.0, []
    for tree in booster.dump_model()["tree_info"]:
        split = tree["tree_structure"]
        if "threshold" not in split:
            continue
        low, high = (split[side]["leaf_value"] for side in ("left_child", "right_child"))
        base += low
        least = float(np.nextafter(split["threshold"], np.inf))
        rows.append(Points(names[split["split_feature"]], least, round(100 * (high - low))))
    everybody = Points("graph.pair_is_new", 0, round(100 * (base + ABOVE)))
    return [everybody, *(row for row in rows if row.points)]


def gentex(folder: Path, seeds: int, *, ablation: bool) -> None:
    """AMLGentex: average precision with more and more inputs, recall by typology, what each signal adds."""
    data = transfers(folder / "amlgentex_e1_tx.parquet")
    day, payer, payee, amount = (data[name] for name in ("step", "nameOrig", "nameDest", "amount"))
    fraud, test = data["isSAR"] == 1, data["step"] >= CUT
    first = measured(log_of(day, payer, payee, amount), spec())
    card = learned_card(first, fraud, ~test)
    graph = replace(GRAPH, scorecard=tuple(card))
    found = measured(log_of(day, payer, payee, amount), spec(graph))
    late = measured(log_of(day, payer, payee, amount, fraud), spec(graph))
    back = slice(None, None, -1)
    mirrored = log_of(day.max() - day[back], payee[back], payer[back], amount[back])
    after = {f"after {name}": values[back] for name, values in measured(mirrored, spec(graph)).items()}
    banks = {
        name: np.unique(data[name].astype(str), return_inverse=True)[1] for name in ("bankOrig", "bankDest")
    }
    own = {"amount": amount, "weekday": day % 7, "day": day % 30} | banks
    plain = {name: values for name, values in found.items() if "label" not in name and "fraud" not in name}
    windows = {name: values for name, values in plain.items() if not name.startswith("graph.")}
    family = {signal.name: signal.family for signal in GRAPH.signals}

    def of(*kinds: str) -> dict[str, Floats]:
        return {name: values for name, values in plain.items() if family.get(name) in kinds}

    one_hop = of("degree", "fan", "flow", "pair")
    shapes = own | windows | one_hop | of("motif")
    usual = {name: first[name] for name in of("layering")}
    steps = {
        "the payment itself": own,
        "+ windows of both accounts": own | windows,
        "+ one hop: fan, flow, pair": own | windows | one_hop,
        "+ shapes": shapes,
        "+ layering nearby, usual points": shapes | usual,
        "+ layering nearby, learned points: at arrival": own | plain,
        "the same without pair novelty": own | {name: plain[name] for name in plain if not _is_novel(name)},
        "at arrival, labels after 30 days, trained on labels known only after the cut": own | late,
        AVERAGED: own | late,
        "with 30 days of hindsight": own | plain | _known(after),
        "with hindsight and labels": own | late | _known(after),
    }
    degree = np.nanmax([plain[name] for name in plain if "fan" in name and name.endswith("30d")], axis=0)
    rows = [("degree alone", _ap(fraud, test, [degree]), "", "")]
    best: dict[str, list[Floats]] = {}
    for name, inputs in steps.items():
        best[name] = scores(_matrix(inputs), fraud, ~test, seeds, 5 if name == AVERAGED else 1)
        recalls = [_recall(fraud, test, best[name], share) for share in (0.01, 0.05)]
        rows.append((name, _ap(fraud, test, best[name]), *(f"{recall:.2f}" for recall in recalls)))
        print(rows[-1], flush=True)
    title = f"AMLGentex: {test.sum():,} transfers of the test part, {fraud[test].sum():,} laundered"
    show(title, ["inputs", f"average precision, {seeds} seeds", "recall at 1 %", "at 5 %"], rows)
    _typologies(data["modelType"], fraud, test, best)
    if ablation:
        _ablation(own, plain, fraud, test, seeds)


def _typologies(
    kind: NDArray[Any], fraud: NDArray[np.bool_], test: NDArray[np.bool_], best: dict[str, list[Floats]]
) -> None:
    rows = []
    for code, name in TYPOLOGIES.items():
        row = [name]
        for how in ("+ layering nearby, learned points: at arrival", "with 30 days of hindsight"):
            row += [f"{_recall(fraud, test, best[how], share, kind == code):.2f}" for share in (0.01, 0.05)]
        rows.append(tuple(row))
    titles = ["arrival, 1 %", "arrival, 5 %", "hindsight, 1 %", "hindsight, 5 %"]
    show("Recall by typology, at so many alerts", ["typology", *titles], rows)


def _ablation(
    own: dict[str, Any],
    plain: dict[str, Floats],
    fraud: NDArray[np.bool_],
    test: NDArray[np.bool_],
    seeds: int,
) -> None:
    rows = [("none", _ap(fraud, test, scores(_matrix(own | plain), fraud, ~test, seeds)))]
    for what in dict.fromkeys((signal.family, _stem(signal.what)) for signal in GRAPH.signals):
        if what[0] == "fraud":
            continue
        without = {signal.name for signal in GRAPH.signals if (signal.family, _stem(signal.what)) == what}
        inputs = own | {name: values for name, values in plain.items() if name not in without}
        rows.append((f"{what[0]}: {what[1]}", _ap(fraud, test, scores(_matrix(inputs), fraud, ~test, seeds))))
    show("Average precision at arrival without one signal", ["left out", "average precision"], rows)


def _stem(what: str) -> str:
    return what.removeprefix("payee_")


def _is_novel(name: str) -> bool:
    return any(word in name for word in ("pair_", "new_", "paid_back"))


def _known(after: dict[str, Floats]) -> dict[str, Floats]:
    return {name: values for name, values in after.items() if "label" not in name and "fraud" not in name}


def _matrix(inputs: dict[str, Any]) -> Floats:
    return np.column_stack([np.asarray(values, np.float64) for values in inputs.values()])


def _ap(fraud: NDArray[np.bool_], test: NDArray[np.bool_], made: Iterable[Floats]) -> str:
    values = [float(average_precision_score(fraud[test], one[test])) for one in made]
    spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def _recall(
    fraud: NDArray[np.bool_],
    test: NDArray[np.bool_],
    made: Iterable[Floats],
    share: float,
    of: NDArray[np.bool_] | None = None,
) -> float:
    """Of the laundered transfers, or of those of one typology, the share within the highest scores."""
    wanted = fraud[test] if of is None else (fraud & of)[test]
    found = []
    for one in made:
        order = np.argsort(-one[test], kind="stable")[: int(test.sum() * share)]
        found.append(wanted[order].sum() / max(wanted.sum(), 1))
    return float(np.mean(found))


def amlsim(folder: Path, seeds: int) -> None:
    """AMLSim: average precision and area under the curve for each account, without amounts."""
    rows = []
    for name in ("cycle200", "fanin200", "fanin200cycle200"):
        table = pq.read_table(folder / f"amlsim_20K_{name}_tx.parquet").sort_by("time")
        payer, payee, day = (table.column(x).to_numpy() for x in ("sourceNodeId", "targetNodeId", "time"))
        graph = Graph.of(*GRAPH.links, windows=("1d", "7d", "30d"), kinds=["fan", "pair", "motif"])
        found = measured(log_of(day, payer, payee, np.ones(len(day))), FeatureSpec.of().with_graph(graph))
        nodes = pq.read_table(folder / f"amlsim_20K_{name}_nodes.parquet").to_pydict()
        part = accounts(payer, payee, day, found, nodes)
        made = [one[part.test] for one in scores(part.inputs, part.fraud, part.train, seeds)]
        fraud = part.fraud[part.test]
        precision = np.mean([average_precision_score(fraud, one) for one in made])
        area = np.mean([roc_auc_score(fraud, one) for one in made])
        rows.append((name, f"{fraud.sum():,} of {len(fraud):,}", f"{precision:.3f}", f"{area:.3f}"))
    show(
        "AMLSim by account, no amounts",
        ["set", "laundering accounts", "average precision", "area under the curve"],
        rows,
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", default=os.environ.get("RINGFENCE_DATA"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ablation", action="store_true", help="also without each signal: some minutes more")
    parser.add_argument("--only", choices=["amlgentex", "amlsim"])
    given = parser.parse_args()
    if given.folder is None or not (Path(given.folder) / "amlgentex_e1_tx.parquet").exists():
        print("NOT MEASURED: name the folder with amlgentex_e1_tx.parquet (argument, or the environment's")
        print("RINGFENCE_DATA)")
        return
    print(f"{machine()}; {versions('lightgbm', 'numba')}")
    if given.only != "amlsim":
        gentex(Path(given.folder), given.seeds, ablation=given.ablation)
    if given.only != "amlgentex":
        amlsim(Path(given.folder), given.seeds)


if __name__ == "__main__":
    main()
