"""A job as one file, for a cluster elsewhere or Amazon's managed service.

main.py               what Flink's client runs                        (`python`)
lib/ringfence-flink.jar                                               (`jarfile`)
lib/host.zip          what is imported before anything is unpacked    (`pyFiles`)
lib/app.zip           Ringfence, what it needs, the plan              (`pyArchives`)
"""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.flink.private import replaced
from ringfence.errors import StoreError
from ringfence.features.kernel.jit import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.adapters.flink.job import FlinkJob
    from ringfence.adapters.flink.parts import FlinkParts

MAIN: Final = "main.py"
JAR: Final = "lib/ringfence-flink.jar"
HOST: Final = "lib/host.zip"
APP: Final = "lib/app.zip"
FILES: Final = {"python": MAIN, "jarfile": JAR, "pyFiles": HOST, "pyArchives": APP}
"""What each is for, in the words of the managed service's `kinesis.analytics.flink.run.options`."""

PLAN: Final = "plan"
_PACKED: Final = "app.zip/app"  # where a worker finds the archive's folder `app`
_OURS: Final = (
    "apache_flink",
    "apache_beam",
    "pyflink",
    "pemja",
    "pip",
    "grpc",
    "setuptools",
)  # the cluster has them
_KERNELS: Final = "app/ringfence/features/kernel"
_COMPILE: Final = (
    "import json; from ringfence.features.precompile import kept_files; print(json.dumps(kept_files()))"
)
_TAIL: Final = 1000
_LEFT_OUT: Final = ("__pycache__", "tests")
_LEVEL: Final = 1


def machine_code(parts: FlinkParts) -> list[Path]:
    """Files with the kernels' machine code for this processor, compiled if need be by the workers' own Numba.

    `StoreError` where that fails: workers could not compile either.
    """
    environment = os.environ | {"PYTHONPATH": str(parts.source), "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(  # noqa: S603 (a list)
        [str(parts.python), "-c", _COMPILE],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment,
        text=True,
    )
    if done.returncode:
        raise StoreError(
            f"the engine cannot be compiled for workers by {parts.python}; run `make flink` again. It said: "
            f"{done.stderr.strip()[-_TAIL:]}"
        )
    return [Path(line) for line in json.loads(done.stdout)]


def write_package(
    path: Path, parts: FlinkParts, job: FlinkJob, plan: bytes, code: Sequence[Path] = ()
) -> dict[str, Any]:
    """Write the file, for this user's eyes only: the plan holds the keys of hashes and tokens.

    `code` are files of `machine_code`, so that workers with the same processor need not compile. Returns the
    property group that the managed service is given.
    """
    told = replace(job, plan=f"{_PACKED}/{PLAN}", settings=_portable(job.settings))
    with replaced(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as whole:
        whole.write(parts.folder / "ringfence_flink" / "main.py", MAIN)
        whole.write(parts.jar, JAR)
        with whole.open(HOST, "w") as inner, _packed(inner) as host:
            _add(host, parts.folder / "ringfence_flink", "ringfence_flink")
            host.writestr("ringfence_flink/job.json", told.to_json())
        with whole.open(APP, "w", force_zip64=True) as inner, _packed(inner) as app:
            _add(app, parts.source / "ringfence", "app/ringfence")
            for entry in sorted(parts.site.iterdir()):
                if not entry.name.startswith(_OURS):
                    _add(app, entry, f"app/{entry.name}")
            for kept in code:
                app.write(kept, f"{_KERNELS}/__pycache__/{kept.name}")
            if code:
                app.writestr(f"{_KERNELS}/{SHIPPED}", "")
            app.writestr(f"app/{PLAN}", plan)
    return {"PropertyGroupId": "kinesis.analytics.flink.run.options", "PropertyMap": FILES}


def _packed(file: Any) -> zipfile.ZipFile:
    return zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)


def _add(archive: zipfile.ZipFile, source: Path, name: str) -> None:
    for path, inner in _files(source, name):
        archive.write(path, inner)


def _files(source: Path, name: str) -> Iterator[tuple[Path, str]]:
    if source.is_file():
        yield source, name
        return
    for path in sorted(source.iterdir()):
        if path.name not in _LEFT_OUT:
            yield from _files(path, f"{name}/{path.name}")


def _portable(settings: Any) -> dict[str, Any]:
    """Without what is of this machine: a cluster elsewhere has its own interpreter and folders."""
    return {
        name: value
        for name, value in settings.items()
        if not name.startswith(("python.executable", "python.client", "execution.checkpointing.dir"))
    }
