"""The decision API with the entity graph and without it, in turns: python -m benchmarks.graph_api [--rate N]

Both servers decide the same payments, with the catalogue's features and the shipped rules; one measures the
graph of `catalog.NETWORK` as well (accounts by e-mail address, phone and device, and payments between them).
Both have seen `--before` payments; then each gets the same rate in turns, and the ratio of the medians of
their p99 is told.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.api_load import World, batch_rate, free_port, server
from benchmarks.load import send
from benchmarks.report import machine, show, versions

BAR = 1.3
SPECS = {
    "without the graph": "from ringfence.features.catalog import EXTENDED as spec\n",
    "with it": "from ringfence.features.catalog import NETWORK as spec\n",
}


class Linked(World):
    """The same world, in which each payment also is a transfer between accounts that share phones."""

    def payments(self, count: int, name: str) -> list[bytes]:
        """See `World.payments`."""
        chance = random.Random(self._seed)
        found = []
        for body in super().payments(count, name):
            who = chance.randrange(self.people)
            other = (7 * who + chance.randrange(5)) % self.people
            more = f'"account_id":"a{who}","counterparty_id":"a{other}","phone":"+49{who // 3}","channel"'
            found.append(body.replace(b'"channel"', more.encode()))
        return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--before", type=int, default=100_000)
    given = parser.parse_args()
    ringfence, took = str(Path(sys.executable).with_name("ringfence")), {name: [] for name in SPECS}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        ports, worlds = {}, {}
        for number, (name, text) in enumerate(SPECS.items()):
            ports[name], worlds[name] = free_port(), Linked(7)
            features = Path(scratch) / f"features{number}.py"
            features.write_text(text, encoding="utf-8")
            command = [ringfence, "serve", "--data", f"{scratch}/data{number}", "--features", str(features)]
            stack.enter_context(server(*command, "--port", str(ports[name]), port=ports[name]))
        for name, port in ports.items():
            for start in range(0, given.before, 10_000):
                batch_rate(port, f"b{start}", min(10_000, given.before - start), worlds[name])
        for turn in range(given.turns):
            for name, port in ports.items():
                bodies = worlds[name].payments(int(given.rate * given.seconds), f"turn{turn}")
                took[name].append(send(port, "/v1/decisions", bodies, given.rate).accepted_ms)
    rows, p99 = [], {}
    for name, turns in took.items():
        quantiles = np.array([np.quantile(one, [0.5, 0.99]) for one in turns])
        p50, p99[name] = np.median(quantiles, 0)
        spread = f"{quantiles[:, 1].min():.2f} to {quantiles[:, 1].max():.2f}"
        rows.append((name, f"{p50:.2f}", f"{p99[name]:.2f}", spread))
    show(
        f"{given.rate:,.0f} decisions a second, {given.turns} turns; {machine()}; {versions('ringfence')}",
        ["server", "p50 ms", "p99 ms, median", "p99 of each turn"],
        rows,
    )
    ratio = p99["with it"] / p99["without the graph"]
    print(f"p99 with the graph to without: {ratio:.2f}, bar {BAR}: {'PASS' if ratio <= BAR else 'FAIL'}")


if __name__ == "__main__":
    main()
