"""500 rules over 60 features: payments judged a second on one core, and DuckDB on the same rules and rows.

    python -m benchmarks.rules

DuckDB evaluates the same conditions, as SQL, over the same table in memory on one thread, in the same run:
once as 500 columns of answers, once as 500 counts.
"""

from __future__ import annotations

import argparse

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.report import interleaved, machine, show, versions
from ringfence.events.batch import EventBatch
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.columns import Columns
from ringfence.scoring.reference import Reference
from ringfence.scoring.rulesets.duckdb_sql import SETTINGS, quoted, to_duckdb
from ringfence.scoring.rulesets.rules import Rule, RuleSet, compile_rules

ROWS = 200_000
RULES = 500
BATCH = 8192
SEED = 7
ENTITIES = ("card", "customer", "merchant", "device", "ip")
WINDOWS = ("10m", "1h", "1d", "7d")
COUNTRIES = ("DE", "FR", "AT", "CH", "US", "BR")


def specification() -> FeatureSpec:
    """Count, sum and mean of five entities over four windows: 60 features."""
    made = []
    for name in ENTITIES:
        one = entity(name)
        for window in WINDOWS:
            made += [one.count(window), one.sum("amount", window), one.mean("amount", window)]
    return FeatureSpec.of(*made)


def rules(spec: FeatureSpec, count: int, rng: np.random.Generator) -> list[Rule]:
    """Conditions as analysts write them: two to five tests of features and fields."""
    names = list(spec.names)

    def test() -> str:
        name = names[rng.integers(len(names))]
        other = names[rng.integers(len(names))]
        bound = round(float(rng.lognormal(3, 1.5)), 1)
        return [
            f"{name} >= {bound}",
            f"{name} > {bound}",
            f"{name} between {bound} and {bound * 4:g}",
            f"coalesce({name}, 0) < {bound}",
            f"amount > {1 + bound / 50:g} * {other}",
            f"{name} / {other} > {bound / 20:g}",
            f"country in ('{COUNTRIES[rng.integers(6)]}', '{COUNTRIES[rng.integers(6)]}')",
            f"hour between {rng.integers(0, 6)} and {rng.integers(6, 12)}",
            f"channel like '{['on%', '%e', 'p_s'][rng.integers(3)]}'",
        ][rng.integers(9)]

    made = []
    for number in range(count):
        parts = [test() for _ in range(rng.integers(2, 6))]
        text = parts[0]
        for part in parts[1:]:
            text = f"({text}) {['and', 'and', 'and', 'or', 'and not'][rng.integers(5)]} ({part})"
        made.append(Rule(id=f"r{number}", title="", when=text, points=1, reason="R", analyst=""))
    return made


def columns(spec: FeatureSpec, rows: int, rng: np.random.Generator) -> tuple[EventBatch, np.ndarray]:
    """Payments and their features, a tenth of the values unknown."""
    values = np.round(rng.lognormal(3, 1.5, (len(spec.features), rows)), 2)
    values[rng.random(values.shape) < 0.1] = np.nan
    countries = pa.DictionaryArray.from_arrays(rng.integers(0, 6, rows).astype(np.int32), pa.array(COUNTRIES))
    channels = pa.DictionaryArray.from_arrays(
        rng.integers(0, 3, rows).astype(np.int32), pa.array(["online", "pos", "phone"])
    )
    batch = pa.record_batch(
        {
            "kind": pa.array(np.zeros(rows, np.uint8)),
            "event_time_ms": pa.array(np.sort(rng.integers(0, 10**10, rows))),
            "amount_minor": pa.array(rng.integers(100, 100_000, rows)),
            "country": countries,
            "channel": channels,
        }
    )
    return EventBatch(batch), values


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rules", type=int, default=RULES)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(SEED)
    spec = specification()
    book = RuleSet(rules=tuple(rules(spec, options.rules, rng)))
    compiled = compile_rules(book, spec)
    events, values = columns(spec, options.rows, rng)
    pieces = [
        (events.slice(at, min(at + BATCH, options.rows)), np.ascontiguousarray(values[:, at : at + BATCH]))
        for at in range(0, options.rows, BATCH)
    ]
    reference = Reference(0)

    def ours() -> np.ndarray:
        return sum(
            compiled.judge(Columns(piece, spec, features, reference)).active.sum(axis=1)
            for piece, features in pieces
        )

    table = pa.table(
        {
            "amount": events.amount,
            "hour": (events.event_time_ms // 3_600_000 % 24).astype(np.float64),
            "country": events.table["country"],
            "channel": events.table["channel"],
            **{name: pa.array(row, from_pandas=True) for name, row in zip(spec.names, values, strict=True)},
        }
    )
    connection = duckdb.connect()
    for statement in (*SETTINGS, "SET threads = 1"):
        connection.execute(statement)
    connection.register("arriving", table)
    connection.execute("CREATE TABLE payments AS SELECT * FROM arriving")
    conditions = [(rule.id, to_duckdb(rule.when)) for rule in book.rules]
    counts = ", ".join(f"count(*) FILTER (WHERE {sql})" for _, sql in conditions)
    answers = ", ".join(f"({sql}) AS {quoted(name)}" for name, sql in conditions)

    def duckdb_counts() -> list[int]:
        return list(connection.execute(f"SELECT {counts} FROM payments").fetchall()[0])

    def duckdb_answers() -> int:
        return len(connection.sql(f"SELECT {answers} FROM payments").to_arrow_table())

    fired = dict(zip((rule.id for rule in compiled.active), ours().tolist(), strict=True))
    if [fired[rule.id] for rule in book.rules] != duckdb_counts():
        raise SystemExit("the two do not agree: nothing to measure")
    samples = interleaved(
        options.rounds,
        {"Ringfence": ours, "DuckDB, answers": duckdb_answers, "DuckDB, counts": duckdb_counts},
        options.rows,
    )
    print(machine(), versions("numpy", "duckdb", "pyarrow"), sep="\n")
    own = samples["Ringfence"].rate
    show(
        f"{options.rules} rules ({compiled.steps} steps), {len(spec.names)} features, {options.rows:,} rows, "
        "one core",
        ["", "payments/s", "slowest to fastest", "Ringfence is"],
        [[n, f"{s.rate:,.0f}", s.spread, f"{own / s.rate:.2f} x"] for n, s in samples.items()],
    )


if __name__ == "__main__":
    main()
