"""`cdk synth`, `cdk deploy RingfenceSmall`: the stacks, checked by cdk-nag as they are made."""

from __future__ import annotations

import json
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks
from stacks.build import build

FOLDER = Path(__file__).parent


def synthesise(outdir: str | None = None) -> str:
    """All templates into a folder; fails where cdk-nag finds what nobody has acknowledged."""
    context = json.loads((FOLDER / "cdk.json").read_text())["context"]
    app = App(outdir=outdir, context=context)
    build(
        app,
        owner=app.node.try_get_context("owner") or "fraud-team",
        environment=app.node.try_get_context("environment") or "production",
    )
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app.synth().directory


if __name__ == "__main__":
    synthesise()
