"""What `make demo` runs: a world with fraud, its history decided, live traffic, a model put in force.

    history ──► run ──► serve ◄── live traffic         all in ./ringfence-demo, and nothing is left running
                 └────► train ──► promote, into the running service

Runs until Ctrl-C; with --seconds, or where there is no terminal, it ends by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Self

import httpx
from rich.console import Console

from ringfence.adapters.sqlite.lock import InUseError, WriterLock

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "ringfence-demo"
PORT = 8000
TOUR_SECONDS = 20  # without a terminal, from the moment at which the service is up
LESSON = ("--search-seconds", "0", "--maturity", "28d")
WORLD = ("--seed", "1", "--fraud", "0.01")
PATIENCE_SECONDS = 180
STYLES = {"challenge": "yellow", "review": "dark_orange", "decline": "bold red"}
PLACES = (
    ("/", "decisions as they are made"),
    ("/decisions", "all of them, searched and filtered; click one to see why"),
    ("/rules", "the rule book: what each rule finds, edited with checking as you type"),
    ("/models", "the model: how good it is, and where its thresholds are"),
    ("/streams", "the log, event by event, and what could not be read"),
    ("/system", "throughput, latency stage by stage"),
)
console = Console(highlight=False)


def main() -> int:
    """0, or the exit code of the step that failed."""
    given = options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("RINGFENCE_")]:
        del os.environ[name]  # nothing but the demo's own settings
    with free_folder() as folder:
        os.chdir(folder)
        try:
            with Children() as children:
                return show(given, children)
        except KeyboardInterrupt:
            return 0
        except StepError as failed:
            console.print(f"{failed}: what it said is in {folder}/*.log", style="red", soft_wrap=True)
            return 1
        finally:
            console.print(
                f"\nEverything is stopped; {folder} keeps the data until the next demo.", soft_wrap=True
            )


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, help="end by itself so long after the service is up")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--rate", type=float, default=30, help="live payments a second")
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--days", type=int, default=90, help="of history")
    given = parser.parse_args()
    if given.seconds is None and not sys.stdout.isatty():
        given.seconds = TOUR_SECONDS
    return given


def show(given: argparse.Namespace, children: Children) -> int:
    begin = time.monotonic()
    world = (*WORLD, "--customers", str(given.customers))
    tell(begin, f"{given.days} days of a small world: {given.customers:,} people, and some criminals ...")
    children.run("simulate", "history.parquet", "--days", str(given.days), *world)
    tell(begin, "deciding them, one by one in their order ...")
    said = children.run("run", "history.parquet", "--mapping", "canonical")
    console.print(said.strip().partition("\n\nrule")[0], style="dim")
    port = free_port(given.port)
    url = f"http://127.0.0.1:{port}"
    children.start("serve", "--port", str(port))
    serving = children.running[-1]
    teaching = children.start("train", "--out", "model", "--name", "demo", *LESSON)
    os.setpriority(os.PRIO_PROCESS, teaching.pid, 10)  # payments go first
    wait_until_ready(url, serving)
    live = ("--first-day", str(given.days), "--rate", str(given.rate))
    traffic = children.start("simulate", "--to", url, *live, *world)
    tell(begin, f"live at [bold]{url}[/bold], {given.rate:g} payments a second; a model is being trained\n")
    for path, what in PLACES:
        console.print(f"  {url + path:36} {what}", soft_wrap=True)
    console.print("\nWhat is being stopped, and why (Ctrl-C ends the demo):\n")
    watch(url, given.seconds, Teacher(teaching, url, begin, children), traffic)
    return 0


class StepError(Exception):
    """A step of the demo failed; the message says which."""


class Children:
    """Commands that run beside this one; none outlives the block. What each says goes to a log."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        log = Path(f"{words[0]}.log").open("ab")  # noqa: SIM115 (the child's from now on)
        child = subprocess.Popen(  # noqa: S603 (our own command)
            [str(Path(sys.executable).with_name("ringfence")), *words],
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for this process, which then ends them in order
        )
        log.close()
        self.running.append(child)
        return child

    def run(self, *words: str) -> str:
        """To its end; what it said. `StepError` where it fails."""
        log = Path(f"{words[0]}.log")
        before = log.stat().st_size if log.exists() else 0
        if self.start(*words).wait():
            raise StepError(f"ringfence {words[0]} failed")
        return log.read_bytes()[before:].decode()

    def __exit__(self, *_: object) -> None:
        for child in reversed(self.running):
            child.terminate()
        for child in reversed(self.running):
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


class Teacher:
    """Puts the model in force once it is trained, while the service decides."""

    def __init__(self, training: subprocess.Popen[bytes], url: str, begin: float, children: Children) -> None:
        self.training: subprocess.Popen[bytes] | None = training
        self.url, self.begin, self.children = url, begin, children

    def look(self) -> None:
        """Called now and then."""
        if self.training is None or self.training.poll() is None:
            return
        failed, self.training = self.training.returncode, None
        if failed:
            tell(
                self.begin, "no model could be trained on so little (train.log says why): rules decide alone"
            )
            return
        self.children.run("models", "import", "model")
        self.children.run("models", "promote", "demo", "--url", self.url, "--note", "demo")
        metrics = json.loads(Path("model/manifest.json").read_text())["metrics"]
        reached = metrics["average_precision"]["value"]
        tell(
            self.begin,
            f"a model is in force from here on, without a restart: average precision {reached:.2f} on its "
            f"test part ({self.url}/models)",
        )


@contextmanager
def free_folder() -> Iterator[Path]:
    """An empty folder for the demo; another one where a demo is running in the first."""
    for name in (FOLDER, *(f"{FOLDER}-{number}" for number in range(2, 10))):
        folder = Path(name).absolute()
        with suppress(InUseError):
            lock = WriterLock(folder / "demo.lock")
            try:
                for item in folder.iterdir():
                    if item.name != "demo.lock":
                        rmtree(item) if item.is_dir() else item.unlink()
                yield folder
            finally:
                lock.release()
            return
    raise SystemExit("Nine demos are running here already.")


def free_port(wanted: int) -> int:
    """The wanted port, or another one where that is taken, which is said."""
    try:
        with socket.create_server(("127.0.0.1", wanted)) as found:
            return int(found.getsockname()[1])
    except OSError:
        port = free_port(0)
        console.print(f"Port {wanted} is busy: taking {port}.", style="yellow")
        return port


def wait_until_ready(url: str, serving: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        if serving.poll() is not None:
            break
        time.sleep(0.1)
    raise StepError("ringfence serve did not start")


def watch(url: str, seconds: float | None, teacher: Teacher, traffic: subprocess.Popen[bytes]) -> None:
    """Tell of payments that are stopped, one a second at most, until the time is over or Ctrl-C."""
    end = float("inf") if seconds is None else time.monotonic() + seconds
    last = 0.0
    timeout = httpx.Timeout(5.0, read=20.0)
    with httpx.stream("GET", f"{url}/v1/stream", params={"min_score": 0}, timeout=timeout) as stream:
        for line in stream.iter_lines():
            now = time.monotonic()
            teacher.look()
            if traffic.poll():
                raise StepError("ringfence simulate --to failed")
            if now > end:
                return
            if line.startswith("data: {") and now > last + 1 and tell_of(json.loads(line[6:])):
                last = now


def tell_of(event: dict) -> bool:
    """One line on a payment that was not approved; False for others."""
    decision, payment = event["decision"], event["transaction"]
    if decision["outcome"] == "approve" or not decision["reasons"]:
        return False
    what = payment.get("merchant_category") or payment.get("channel", "")
    style = STYLES[decision["outcome"]]
    amount = f"{payment['amount_minor'] / 100:>9,.2f} EUR"
    console.print(f"  [{style}]{decision['outcome'].upper():9}[/] {amount}  {what:19}", end="")
    console.print(decision["reasons"][0]["analyst"], markup=False, soft_wrap=True)
    return True


def tell(begin: float, text: str) -> None:
    console.print(f"[dim]{time.monotonic() - begin:4.0f} s[/]  {text}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
