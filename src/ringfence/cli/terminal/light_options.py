"""Options of the commands that begin without what deciding needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ringfence.settings import load_settings

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Data folder. [default: ringfence-data]",
        envvar="RINGFENCE_DATA_DIR",
        metavar="DIR",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")]


def folder(data: Path | None) -> Path:
    """Where all state lives."""
    return data or load_settings().data_dir
