"""Prometheus' own `promtool` for tests: the system's, or out of Debian's package, which is not installed.

Where there is neither, the tests that need it are skipped and say so; with RINGFENCE_ALL_PARTS=1 in the
environment, as in CI, that is a failure.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest


def promtool() -> Path:
    """The program."""
    problem, program = _problem_or_program()
    if problem and os.environ.get("RINGFENCE_ALL_PARTS"):
        pytest.fail(f"no promtool: {problem}")
    if problem:
        pytest.skip(f"no promtool: {problem}")
    return program


@cache
def _problem_or_program() -> tuple[str, Path]:
    if found := shutil.which("promtool"):
        return "", Path(found)
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return "it is not installed, and there is no apt-get to fetch it", Path()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringfence-tests" / "prometheus"
    base.mkdir(parents=True, exist_ok=True)
    program = base / "usr" / "bin" / "promtool"
    with (base / "lock").open("w") as lock:  # of test processes one fetches
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "whole").exists():
            fetch = ["apt-get", "download", "prometheus"]
            done = subprocess.run(fetch, check=False, cwd=base, capture_output=True, text=True, timeout=600)
            packages = list(base.glob("prometheus_*.deb"))
            if done.returncode or not packages:
                return f"apt-get did not give it: {done.stderr[-300:]}", Path()
            subprocess.run(["dpkg", "-x", packages[0], base], check=True, capture_output=True, timeout=120)
            (base / "whole").touch()
    return "", program
