"""The generated Sparkov set: `ringfence train` on its first part, tested after its usual cut.

    RINGFENCE_DATA=FOLDER python -m benchmarks.sparkov      # the folder holds sparkov2020_seed4444_tx.parquet

Nothing is told to the command but the mapping and when the test begins. An easy set: a boosted forest with
card history reaches an average precision of 0.97.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from benchmarks.report import machine, show, versions
from benchmarks.training import trained

FILE = "sparkov2020_seed4444_tx.parquet"
TEST_FROM = "2020-06-21T12:14:00"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=os.environ.get("RINGFENCE_DATA"))
    parser.add_argument("--search-seconds", type=float, default=45)
    options = parser.parse_args()
    if options.folder is None:
        parser.error(f"set RINGFENCE_DATA to the folder that holds {FILE}")
    with tempfile.TemporaryDirectory() as folder:
        found = trained(
            f"{options.folder}/{FILE}",
            folder,
            *("--mapping", "sparkov", "--test-from", TEST_FROM),
            *("--search-seconds", str(options.search_seconds)),
        )
    print(f"{machine()}; {versions('lightgbm')}")
    print(f"{found.seconds:.0f} s, {found.peak_bytes / 1e9:.1f} GB; test from {TEST_FROM}")
    names = (
        "average_precision",
        "auc",
        "recall_at_fpr_0.001",
        "card_precision_100",
        "value_detected_at_bands",
    )
    rows = []
    for name in names:
        cells = []
        for metrics in found.answer["metrics"].values():
            one = metrics.get(name, {"value": None})
            cells.append("" if one["value"] is None else f"{one['value']:.4f}")
        rows.append((name, *cells))
    show("Sparkov", ("after the cut", *found.answer["metrics"]), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
