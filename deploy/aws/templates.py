"""Writes the synthesised templates where they are committed: `python templates.py`, or `make aws`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from app import FOLDER, synthesise

SNAPSHOTS = FOLDER / "snapshots"
SMALL = FOLDER / "small.template.json"


def synthesised(folder: str) -> dict[str, str]:
    """Text of every template by its stack's name, in an order of keys that no run changes."""
    found = {}
    for path in sorted(Path(synthesise(folder)).glob("*.template.json")):
        template = json.loads(path.read_text())
        found[path.name.partition(".")[0]] = json.dumps(template, indent=1, sort_keys=True) + "\n"
    return found


def compact(text: str) -> str:
    """The template without blanks: CloudFormation takes 51,200 bytes without a bucket."""
    return json.dumps(json.loads(text), separators=(",", ":"), sort_keys=True) + "\n"


def main() -> None:
    """Write the snapshots, and the small profile as a template of its own."""
    with tempfile.TemporaryDirectory() as folder:
        templates = synthesised(folder)
    SNAPSHOTS.mkdir(exist_ok=True)
    for old in SNAPSHOTS.glob("*.json"):
        if old.stem not in templates:
            old.unlink()
    for name, text in templates.items():
        (SNAPSHOTS / f"{name}.json").write_text(text)
    SMALL.write_text(compact(templates["RingfenceSmall"]))
    sys.stdout.write(f"{len(templates)} stacks synthesised and checked by cdk-nag: {', '.join(templates)}\n")


if __name__ == "__main__":
    main()
