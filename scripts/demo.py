"""What `make demo` runs: a month in a small world, decided and explained."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from ringfence.cli import execute

FOLDER = Path("ringfence-demo")
DAYS = 30

CAUGHT = """
SELECT count(*) AS frauds, count(*) FILTER (outcome != 'approve') AS stopped,
  (SELECT count(*) FROM decisions WHERE outcome != 'approve') AS all_stopped
FROM decisions WHERE transaction_id IN (SELECT transaction_id FROM labels WHERE label)
"""
EXAMPLES = """
SELECT min(d.transaction_id) AS id FROM decisions d JOIN labels l USING (transaction_id)
WHERE d.rules[1] IN
  ('card_testing', 'impossible_travel', 'device_many_cards', 'account_large_sum', 'new_device')
GROUP BY d.rules[1] ORDER BY 1 LIMIT 5
"""
NEXT = (
    "decisions --outcome decline",
    'sql "SELECT outcome, count(*) FROM decisions GROUP BY outcome"',
    "replay --verify",
    "topics",
)


def main() -> int:
    """0, or the exit code of the command that failed."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    sample, data = FOLDER / "payments.ndjson", str(FOLDER / "data")
    code = execute(["simulate", str(sample), "--days", str(DAYS)])
    if code:
        return code
    print(f"$ ringfence run {sample} --data {data}")
    code = execute(["run", str(sample), "--data", data, "--mapping", "canonical"])
    if code:
        return code
    found = ask("sql", CAUGHT, "--format", "json", "--data", data)[0]
    print(
        f"\nOf {found['frauds']} payments that turned out to be fraud, {found['stopped']} were not approved; "
        f"in all, {found['all_stopped']} payments were not approved.\n"
    )
    print("Five of them, and why:\n")
    for row in ask("sql", EXAMPLES, "--format", "json", "--data", data):
        show(ask("decision", row["id"], "--json", "--data", data)[0])
    print("Try next:")
    for line in NEXT:
        print(f"  .venv/bin/ringfence {line} --data {data}")
    return 0


def ask(*command: str) -> list[dict[str, object]]:
    """The JSON lines that a command answers with."""
    said = StringIO()
    with redirect_stdout(said):
        execute(command)
    return [json.loads(line) for line in said.getvalue().splitlines()]


def show(decision: dict) -> None:
    """A decision in a few lines."""
    event = decision["event"]
    what = f"{event['amount']:>9,.2f} EUR  {event['event_time'][:16]}"
    print(f"  {decision['outcome'].upper():9} {what}  {decision['transaction_id']}")
    for reason in decision["explained"]:
        print(f"            {reason['code']}: {reason['analyst']}")
    print()


if __name__ == "__main__":
    sys.exit(main())
