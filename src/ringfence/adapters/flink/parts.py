"""What the Flink host runs with: an environment of its own, Flink itself, and one jar."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringfence.errors import InputError

JAR_NAME: Final = "ringfence-flink.jar"
SOURCE: Final = Path(__file__).resolve().parents[3]
"""The folder that holds the package."""

_REMEDY: Final = (
    "run `make flink` in a clone of Ringfence's repository and start Ringfence from there; pip's package "
    "does not hold the Flink host (docs/howto/flink.md)"
)


@dataclass(frozen=True, slots=True)
class FlinkParts:
    """Where the parts are.

    Attributes:
        folder: what workers import beside Ringfence.
        source: the folder that holds the package `ringfence`.
        python: the interpreter of the workers' environment.
        site: the packages of that environment.
        home: Flink's own folder, with `bin`, `conf` and `lib`.
        jar: the operators in Java, and Flink's Kafka connector.
    """

    folder: Path
    source: Path
    python: Path
    site: Path
    home: Path
    jar: Path


def flink_parts() -> FlinkParts:
    """All parts, found beside the package; `InputError` names the first that is missing, and the remedy."""
    if shutil.which("java") is None:
        raise InputError("Flink needs Java 17, and there is no `java` on the path: install a JRE, 17 or 21")
    folder = SOURCE.parent / "flink"
    if not folder.is_dir():
        raise InputError(
            "the Flink host is built from Ringfence's repository and is no part of the installed package: "
            "clone it, run `make flink` there, and see docs/howto/flink.md"
        )
    python = folder / ".venv" / "bin" / "python"
    site = next(iter(sorted(folder.glob(".venv/lib/python3.*/site-packages"))), None)
    if site is None or not (site / "pyflink" / "bin" / "flink").is_file():
        raise InputError(f"the Flink workers' environment is missing ({folder / '.venv'}): {_REMEDY}")
    jar = folder / "java" / "target" / JAR_NAME
    if not jar.is_file():
        raise InputError(f"the Flink host's jar is missing ({jar}): {_REMEDY}, which needs Maven (`mvn`)")
    return FlinkParts(folder, SOURCE, python, site, site / "pyflink", jar)
