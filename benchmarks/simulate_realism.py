"""How like other card data the honest part of the world is: marginals, distances, a page of plots.

    RINGFENCE_DATA=... python -m benchmarks.simulate_realism realism.html

The folder holds two well-known simulated sets of card payments: handbook_raw.parquet and
sparkov2020_seed4444_tx.parquet. They differ from each other, too: how much, is the yardstick.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.curves import page
from benchmarks.report import show
from ringfence.simulate import World

DAYS, CUSTOMERS = 180, 2000
SETS = {
    "handbook": """
        SELECT CAST(CUSTOMER_ID AS VARCHAR) AS card, CAST(TERMINAL_ID AS VARCHAR) AS shop, '' AS kind,
          CAST(TX_AMOUNT AS DOUBLE) AS amount, CAST(TX_DATETIME AS TIMESTAMP) AS moment
        FROM '{folder}/handbook_raw.parquet' WHERE TX_FRAUD = 0""",
    "sparkov": """
        SELECT cc_num AS card, merchant AS shop, category AS kind, CAST(amt AS DOUBLE) AS amount,
          CAST(trans_date_trans_time AS TIMESTAMP) AS moment
        FROM '{folder}/sparkov2020_seed4444_tx.parquet'
        WHERE is_fraud = 0 AND trans_date_trans_time < TIMESTAMP '2019-01-01' + INTERVAL {days} DAY""",
}
ALIKE = {
    "grocery": "grocery_pos",
    "fuel": "gas_transport",
    "restaurant": "food_dining",
    "entertainment": "entertainment",
    "health": "health_fitness",
    "home": "home",
    "online_retail": "shopping_net",
    "fashion": "shopping_pos",
    "travel": "travel",
    "pharmacy": "personal_care",
}
"""Kinds of shops, ours and Sparkov's."""

GAP = "date_diff('second', lag(moment) OVER (PARTITION BY card ORDER BY moment), moment) / 3600.0"
MARGINALS = {
    "amount": ("SELECT amount FROM {0}", True),
    "hours between payments of a card": (
        f"SELECT gap FROM (SELECT {GAP} AS gap FROM {{0}}) WHERE gap > 0",
        True,
    ),
    "payments of a card in a day": (
        "SELECT count(*) AS n FROM {0} GROUP BY card, CAST(moment AS DATE)",
        False,
    ),
    "payments of a card in all": ("SELECT count(*) AS n FROM {0} GROUP BY card", True),
    "shops of a card": ("SELECT count(DISTINCT shop) AS n FROM {0} GROUP BY card", True),
    "hour of the day": ("SELECT hour(moment) + minute(moment) / 60.0 AS h FROM {0}", False),
    "spread of a card's amounts (log)": (
        "SELECT stddev(ln(amount)) AS s FROM {0} WHERE amount > 0 GROUP BY card HAVING count(*) > 20",
        False,
    ),
}
"""A column of numbers per set, and whether it is looked at in logarithms."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, nargs="?", default=Path("realism.html"))
    out = parser.parse_args().out
    folder = os.environ.get("RINGFENCE_DATA")
    if folder is None:
        raise SystemExit("set RINGFENCE_DATA to the folder with both sets")
    tables = opened(folder)
    names = ["world", *SETS]
    plots, rows = [], []
    for title, (query, logarithmic) in MARGINALS.items():
        columns = {name: column(tables, query.format(name)) for name in names}
        rows.append((title, *distances(columns)))
        plots.append((title, columns, logarithmic))
    show("Distances (KS: largest gap between two cumulative curves)", ["marginal", *PAIRS], rows)
    kinds = []
    for ours, theirs in ALIKE.items():
        columns = {
            "world": column(tables, f"SELECT amount FROM world WHERE kind = '{ours}'"),
            "sparkov": column(tables, f"SELECT amount FROM sparkov WHERE kind = '{theirs}'"),
        }
        quartiles = [quartiles_of(one) for one in columns.values()]
        kinds.append((f"{ours} / {theirs}", *quartiles, f"{ks(*columns.values()):.2f}"))
        plots.append((f"amount: {ours} / {theirs}", columns, True))
    show("Amounts by kind of shop (quartiles)", ["kind", "world", "sparkov", "KS"], kinds)
    out.write_text(page("The honest part of the world beside two sets of card payments", plots), "utf-8")
    print(f"plots in {out}")


PAIRS = ("world-handbook", "world-sparkov", "handbook-sparkov")


def opened(folder: str) -> duckdb.DuckDBPyConnection:
    """Honest card payments of the three as tables of one shape."""
    tables = duckdb.connect(config={"threads": 2})
    batches = []
    for made in World(1, CUSTOMERS, fraud_rate=0).days(DAYS):
        one = made.events.select(["card_id", "merchant_id", "merchant_category", "amount", "event_time"])
        batches.append(pa.Table.from_batches([one]).cast(plain(one.schema)))
    world = pa.concat_tables(batches)
    tables.register("raw", world)
    tables.sql("SET TimeZone = 'UTC'")
    tables.sql(
        "CREATE TABLE world AS SELECT card_id AS card, merchant_id AS shop, merchant_category AS kind, "
        "amount, CAST(event_time AS TIMESTAMP) + INTERVAL 1 HOUR AS moment FROM raw WHERE card_id IS NOT NULL"
    )
    for name, query in SETS.items():
        tables.sql(f"CREATE TABLE {name} AS {query.format(folder=folder, days=DAYS)}")
    return tables


def plain(schema: pa.Schema) -> pa.Schema:
    """The same columns without dictionaries."""
    return pa.schema(
        [
            (item.name, item.type.value_type if pa.types.is_dictionary(item.type) else item.type)
            for item in schema
        ]
    )


def column(tables: duckdb.DuckDBPyConnection, query: str) -> np.ndarray:
    """The numbers of a query, a sample where there are very many."""
    (found,) = tables.sql(query).fetchnumpy().values()
    found = np.ma.compressed(np.ma.masked_invalid(found.astype(float)))
    return np.sort(found[:: max(len(found) // 100_000, 1)])


def distances(columns: dict[str, np.ndarray]) -> list[str]:
    return [f"{ks(*(columns[name] for name in pair.split('-'))):.2f}" for pair in PAIRS]


def ks(one: np.ndarray, other: np.ndarray) -> float:
    """Kolmogorov and Smirnov's: 0 alike, 1 apart."""
    at = np.concatenate([one, other])
    shares = [np.searchsorted(column, at, side="right") / len(column) for column in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def quartiles_of(column: np.ndarray) -> str:
    return " / ".join(f"{value:.0f}" for value in np.quantile(column, [0.25, 0.5, 0.75]))


if __name__ == "__main__":
    main()
