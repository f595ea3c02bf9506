"""Mule rings and bust-outs of the simulated world, with the graph and without.

    python -m benchmarks.graph_mules

The walk measures a world's payments by the catalogue's features, and by these and the graph of
`catalog.NETWORK`. LightGBM learns from the first days, by labels as they were known at their end, and both
models raise the same number of alerts on the days after. Recall is by payment; its interval of 95 % and that
of the difference resample the accounts that committed the fraud, since payments of one account are no
independent signs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.report import machine, show, versions
from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.catalog import EXTENDED, NETWORK
from ringfence.learning.algorithms.boosting import Sample, fit, log_odds
from ringfence.simulate import World
from ringfence.walk import Walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARAMETERS = {
    "num_leaves": 15,
    "learning_rate": 0.05,
    "trees": 200,
    "min_child_samples": 20,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "lambda_l2": 5.0,
    "num_threads": 1,
}
TYPOLOGIES = ("mule_ring", "bust_out", "all fraud")
_DRAWS = 1000
_TEXTS = (
    *("transaction_id", "customer_id", "account_id", "counterparty_id", "card_id", "device_id", "ip"),
    *("email", "phone", "merchant_id", "merchant_category", "channel", "country", "terminal_id", "event_id"),
    "currency",
)


def lived(seed: int, customers: int, days: int, fraud: float) -> tuple[EventBatch, dict[str, str]]:
    """Payments and labels of a world in the order in which they became known; what frauds are in truth."""
    tables, truth = [], {}
    for made in World(seed, customers, fraud_rate=fraud).days(days):
        kinds = pc.cast(made.events.column("kind"), pa.string())
        mask = pc.is_in(kinds, pa.array(["transaction", "label"]))
        tables.append(pa.Table.from_batches([made.events.filter(mask)]))
        told = made.truth.to_pydict()
        truth.update(zip(told["transaction_id"], told["typology"], strict=True))
    table = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries().combine_chunks()
    kinds = pc.cast(table.column("kind"), pa.string())
    columns: dict[str, Any] = {
        "kind": pc.if_else(pc.equal(kinds, "label"), Kind.LABEL, Kind.TRANSACTION).cast(pa.uint8()),
        "event_time_ms": table.column("event_time").cast(pa.int64()),
        "amount_minor": pc.round(pc.multiply(table.column("amount"), 100)).cast(pa.int64()),
        "label": table.column("label"),
        "lat": table.column("lat"),
        "lon": table.column("lon"),
    }
    columns |= {name: table.column(name).cast(pa.string()) for name in _TEXTS}
    found = {name: one.combine_chunks() for name, one in columns.items()}
    return EventBatch(pa.RecordBatch.from_pydict(found)), truth


def measured(events: EventBatch, graph: bool) -> NDArray[np.float64]:
    """What the walk measures of each payment, (payments, features), with the amount."""
    spec = NETWORK if graph else EXTENDED
    values = np.concatenate([run.features for run in Walk(spec, 1).over(events)], 1)
    amount = events.amount[events.is_transaction]
    return np.column_stack([amount, values.T])


def known_by(events: EventBatch, at_ms: int) -> NDArray[np.bool_]:
    """Which payments a label had called fraud by then."""
    ids = np.array(events.column("transaction_id").to_pylist())
    label = events.column("label").fill_null(False).to_numpy(zero_copy_only=False)
    told = (events.kind == Kind.LABEL) & label & (events.event_time_ms <= at_ms)
    return np.isin(ids[events.is_transaction], ids[told])


def alerted(
    inputs: NDArray[np.float64], fraud: NDArray[np.bool_], train: NDArray[np.bool_], share: float
) -> Any:
    """Which payments of the other part are alerts: the highest scores, so many of them."""
    part = np.flatnonzero(train)
    lesson = Sample(inputs[part].astype(np.float32), fraud[part], np.ones(len(part)), np.ones(len(part)))
    score = log_odds(fit(lesson, PARAMETERS, 1, 1), inputs[~train])
    found = np.zeros(len(score), np.bool_)
    found[np.argsort(-score, kind="stable")[: int(share * len(score))]] = True
    return found


def recalls(hits: NDArray[np.bool_], accounts: NDArray[Any], draws: int = _DRAWS) -> NDArray[np.float64]:
    """Recall, then its values by resampled accounts: (1 + draws, columns of `hits`)."""
    _, who = np.unique(accounts, return_inverse=True)
    count = np.bincount(who)
    found = np.column_stack([np.bincount(who, column) for column in hits.T])
    chance = np.random.default_rng(1)
    rows = [np.arange(len(count))] + [chance.integers(0, len(count), len(count)) for _ in range(draws)]
    return np.array([found[row].sum(0) / count[row].sum() for row in rows])


def judged(seed: int, given: argparse.Namespace) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Of a world's later payments: who paid, what it is in truth, and the alerts of both models, (n, 2)."""
    events, truth = lived(seed, given.customers, given.days, given.fraud)
    paid = events.is_transaction
    time = events.event_time_ms[paid]
    cut = int(time.min()) + given.learned * 86_400_000
    train, known = time < cut, known_by(events, cut)
    ids = np.array(events.column("transaction_id").to_pylist())[paid][~train]
    account = np.array(events.column("account_id").to_pylist(), object)[paid][~train].astype(str)
    kind = np.array([truth.get(one, "") for one in ids.tolist()])
    alerts = [alerted(measured(events, graph), known, train, given.share) for graph in (False, True)]
    return np.char.add(f"{seed} ", account), kind, np.column_stack(alerts)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=2500)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--learned", type=int, default=60, help="days to learn from")
    parser.add_argument("--fraud", type=float, default=0.03)
    parser.add_argument("--share", type=float, default=0.03, help="alerts among the later payments")
    parser.add_argument("--worlds", type=int, default=2)
    given = parser.parse_args()
    parts = [judged(5 + world, given) for world in range(given.worlds)]
    account, kind, alerts = (np.concatenate([part[at] for part in parts]) for at in range(3))
    rows = []
    for name in TYPOLOGIES:
        mine = kind != "" if name == "all fraud" else kind == name
        if not mine.any():
            continue
        drawn = recalls(alerts[mine], account[mine])
        drawn = np.column_stack([drawn, drawn[:, 1] - drawn[:, 0]])
        low, high = np.percentile(drawn[1:], [2.5, 97.5], axis=0)
        cells = [f"{drawn[0, at]:.2f} ({low[at]:.2f} to {high[at]:.2f})" for at in range(3)]
        rows.append((name, f"{mine.sum():,} of {len(np.unique(account[mine])):,}", *cells))
    show(
        f"{len(kind):,} later payments of {given.worlds} worlds, {(kind != '').mean():.2%} fraud, "
        f"{alerts[:, 0].sum():,} alerts each; {machine()}; {versions('lightgbm')}",
        ["fraud", "payments, accounts", "without the graph", "with it", "difference"],
        rows,
    )


if __name__ == "__main__":
    main()
