"""Histories, one for each seed: python -m benchmarks.simulation [--seeds N] [--seed S] [--mutants]

    python -m benchmarks.simulation                   # 200 seeds
    python -m benchmarks.simulation --seed 4711       # one again, as it was
    python -m benchmarks.simulation --mutants         # are planted faults found?

Clients pay and label over a network that loses, doubles, delays and reorders. The process decides, commits,
answers, follows its log into a copy, an outbox, cases and the audit trail, and delivers to somebody who is
down now and then. Power goes at any commit, amid any follower's transaction and at any delivery; the disk
fills up, and snapshots rot. Then there is peace, and `checking` says whether all of it is as it must be. The
exit code is 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.report import machine, versions
from benchmarks.simulation.mutants import MUTANTS
from benchmarks.simulation.world import World

_MOST_TOLD = 5


def histories(seeds: range) -> int:
    """How many went wrong."""
    begin, wrong, crashes, payments = time.perf_counter(), 0, 0, 0
    for seed in seeds:
        world = World(seed)
        found = world.run()
        crashes, payments = crashes + world.crashes, payments + world.payments
        if found:
            wrong += 1
            print(f"seed {seed}:", *found[:_MOST_TOLD], sep="\n  ", flush=True)
    minutes = (time.perf_counter() - begin) / 60
    print(
        f"{len(seeds):,} histories, {payments:,} payments, {crashes:,} crashes, {len(seeds) / minutes:,.0f} "
        f"histories a minute\n{'FAIL' if wrong else 'PASS'}: {wrong:,} of them went wrong"
    )
    return wrong


def caught_at(mutant, most: int) -> int | None:
    """The seed, counted from 1, at which a planted fault shows; None where it does not."""
    with mutant():
        return next((seed for seed in range(1, most + 1) if World(seed).run()), None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--mutants", action="store_true", help="the planted faults, each up to --seeds seeds")
    options = parser.parse_args()
    print(machine(), versions("ringfence"), sep="\n")
    if options.mutants:
        found = {mutant.__name__: caught_at(mutant, options.seeds) for mutant in MUTANTS}
        for name, seed in found.items():
            print(f"{name:28} {f'found at seed {seed}' if seed else 'NOT FOUND'}")
        missed = [name for name, seed in found.items() if seed is None]
        print(f"{'FAIL' if missed else 'PASS'}: {len(found) - len(missed)} of {len(found)} found")
        return bool(missed)
    first = options.first if options.seed is None else options.seed
    return int(histories(range(first, first + (options.seeds if options.seed is None else 1))) > 0)


if __name__ == "__main__":
    sys.exit(main())
