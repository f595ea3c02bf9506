"""Sees to it that the tests of the dashboard have a browser, and says which; never fails the build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found() -> str | None:
    """A browser that is installed: of the system, or Playwright's own."""
    given = os.environ.get("RINGFENCE_BROWSER")
    for name in (given, *NAMES):
        path = shutil.which(name) if name else None
        if path:
            return path
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (only where no other is there)

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None  # noqa: PTH110 (Playwright gives a text)


def installed() -> str | None:
    """One that could be installed: by the system's packages as root, else Playwright's."""
    attempts = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        attempts.insert(0, ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"])
    for command in attempts:
        try:
            done = subprocess.run(command, capture_output=True, timeout=600, check=False)  # noqa: S603 (constants)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and (path := found()):
            return path
    return None


def main() -> int:
    """0 in any case: without a browser the tests that need one say so and are skipped."""
    path = found() or installed()
    print(path or "no browser: the dashboard's tests in one are skipped (set RINGFENCE_BROWSER to its path)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
