"""Makes a sample of the format in which this version, or an earlier one, keeps its data.

python scripts/store_sample.py tests/formats/store-5.tar.xz

Samples of earlier versions come from a work tree of their last commit:

git worktree add /tmp/before 763fa4d3^
PYTHONPATH=/tmp/before/src python scripts/store_sample.py tests/formats/store-3.tar.xz

Everything is done by commands, as a user does it. What a version has no command for is left out, and said.
The archive has `data`, which is the data folder, `backup` where there was such a command, `decisions.json` as
the version told them, and the settings that go with it. Make a sample before the schema changes: a test wants
one of each.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PAYMENTS, START_MS = 120, 1_700_000_000_000
SETTINGS = 'data_dir = "data"\nmapping = "canonical"\n'
LEFT_OUT = ("tables", "index", "writer.lock", "followers.lock", "messages.lock")  # of the data folder
VAULT = 'personal_data = "vault"\nvault_key = "keys.json"\n'


def payments(first: int, count: int) -> list[dict[str, object]]:
    """Payments of a few cards, the same for every version."""
    chance = random.Random(first)  # noqa: S311 (made-up payments)
    return [
        {
            "transaction_id": f"pay-{number}",
            "event_time": START_MS + number * 60_000,
            "amount": f"{chance.uniform(1, 900):.2f}",
            "currency": "EUR",
            "card_id": f"card-{chance.randrange(9)}",
            "customer_id": f"cus-{chance.randrange(5)}",
            "merchant_id": f"shop-{chance.randrange(4)}",
            "country": chance.choice(("DE", "FR")),
        }
        for number in range(first, first + count)
    ]


def main() -> None:
    """Run the commands in a scratch folder and pack what came of them."""
    target, has_vault = Path(sys.argv[1]).absolute(), "vault" in sys.argv[2:]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "ringfence.toml").write_text(SETTINGS + (VAULT if has_vault else ""))
        rows = payments(0, PAYMENTS)
        (folder / "payments.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        if has_vault:
            ringfence(folder, "privacy", "init")
        ringfence(folder, "run", "payments.ndjson", "--data", "data")
        left_out = [
            " ".join(command)
            for command in (
                (
                    "lists",
                    "add",
                    "bad-shops",
                    "shop-9",
                    "--kind",
                    "block",
                    "--entity",
                    "merchant",
                    "--data",
                    "data",
                ),
                ("keys", "create", "anna", "--role", "analyst", "--data", "data"),
                ("bus", "subscribe", "all", "--to", "console:", "--pattern", "score >= 0", "--data", "data"),
                ("cases", "open", "pay-7", "--data", "data"),
                ("audit", "checkpoint", "--data", "data"),
                ("backup", "backup", "--data", "data"),
            )
            if not ringfence(folder, *command, needed=False)
        ]
        told = ringfence(folder, "decisions", "--limit", str(PAYMENTS), "--json", "--data", "data")
        (folder / "decisions.json").write_text(told)
        with tarfile.open(target, "w:xz", preset=9) as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, path.name, filter=_anonymous)
    print(f"{target}: {target.stat().st_size:,} bytes; left out: {', '.join(left_out) or 'nothing'}")


def ringfence(folder: Path, *arguments: str, needed: bool = True) -> str:
    """What a command printed; empty where it failed and need not succeed."""
    program = "import sys; from ringfence.cli import main; sys.exit(main())"
    done = subprocess.run(  # noqa: S603 (our own commands)
        [sys.executable, "-P", "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "RINGFENCE_DATA_DIR": "data"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and needed:
        raise SystemExit(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
    return "" if done.returncode else done.stdout or "done"


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without the name of who made it; what is made again from the log is left out."""
    if Path(entry.name).parts[1:2] and Path(entry.name).parts[1] in LEFT_OUT:
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main()
