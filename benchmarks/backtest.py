"""A rule book tried on the past: payments a second, over stored features and with features measured again.

    python -m benchmarks.backtest

Both sides are judged, the shipped book and one with two more rules; the log is that of `benchmarks.spine`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow.parquet as pq

from benchmarks.report import Sample, machine, show, versions
from benchmarks.spine import SystemClock, payments
from ringfence.adapters.files import read
from ringfence.adapters.sqlite import Store
from ringfence.analysis.backtest import backtest
from ringfence.compose.deciding.definitions import Definitions
from ringfence.compose.deciding.questions import question
from ringfence.compose.deciding.versions import register
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features.catalog import CATALOG
from ringfence.features.spec import FeatureSpec, entity
from ringfence.pipeline import Pipeline
from ringfence.runner import Runner
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.rules import Rule, RuleSet, compile_rules

if TYPE_CHECKING:
    from collections.abc import Callable

WIDER = CATALOG.with_features(
    entity("card").count("6h"), entity("card").sum("amount", "7d"), entity("merchant").distinct("card", "1d")
)

OTHER = replace(CATALOG, horizon_ms=CATALOG.horizon_ms + 1)
"""Features meant differently: none can be taken from what is stored."""


def rule(rule_id: str, when: str) -> Rule:
    return Rule(id=rule_id, title="", when=when, outcome="review", points=20, reason="R", analyst="")


def with_rules(*rules: Rule) -> RuleSet:
    """The shipped book and these."""
    book = default_book()
    return msgspec.structs.replace(book, rules=(*book.rules, *rules))


STORED = with_rules(
    rule("rush", "card.count_1h >= 4 and amount > 2 * card.mean_amount_7d"),
    rule("crowd", "merchant.count_1h > 50 and customer.is_new_device = 1"),
)
MEASURED = with_rules(
    rule("rush", "card.count_6h >= 6 and card.sum_amount_7d > 500"),
    rule("crowd", "merchant.distinct_card_1d > 80"),
)


def fill(store: Store, events: int) -> None:
    """Decide generated payments by the shipped definitions."""
    compiled = compile_rules(default_book(), CATALOG)
    clock, tokenizer = SystemClock(), Tokenizer(store.meta.token_key)
    register(store, Definitions(CATALOG, compiled, "", ""), clock.now_ms())
    runner = Runner(store, Pipeline(CATALOG, compiled, store.meta.hash_seed), clock)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payments.parquet"
        pq.write_table(payments(events), path, row_group_size=131_072)
        runner.run(read([str(path)], load_mapping("canonical"), tokenizer, clock.now_ms()))


def once(store: Store, book: RuleSet, spec: FeatureSpec | None) -> tuple[float, int]:
    asked = question(store, book, spec)
    start = time.perf_counter()
    report = backtest(asked.past, asked.active, asked.new, bands_of=asked.bands_of)
    return time.perf_counter() - start, report.payments


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    runs: dict[str, Callable[[Store], tuple[float, int]]] = {
        "stored features": lambda store: once(store, STORED, None),
        "3 features measured again": lambda store: once(store, MEASURED, WIDER),
        "every feature that rules name": lambda store: once(store, STORED, OTHER),
    }
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "data") as store:
        fill(store, options.events)
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(options.rounds + 1):
            for name, run in runs.items():
                seconds, judged = run(store)
                if judged != options.events:
                    raise SystemExit(f"{judged} of {options.events} payments were judged: nothing to measure")
                if number:  # the first compiles
                    taken[name].append(seconds)
    print(machine(), versions("numpy", "numba", "pyarrow"), sep="\n")
    rows = []
    for name, seconds in taken.items():
        sample = Sample(options.events, tuple(seconds))
        rows.append([name, f"{sample.rate:,.0f}", sample.spread])
    show(
        f"Backtest of {len(STORED.every_rule)} rules against {len(default_book().every_rule)}, "
        f"{options.events:,} payments, {len(CATALOG.features)} stored features",
        ["", "payments/s", "slowest to fastest"],
        rows,
    )


if __name__ == "__main__":
    main()
